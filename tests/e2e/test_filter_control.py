"""Filter control by the signal channel (RFC 9133): at a server, and through a gateway to it."""

import json
import sqlite3
import time

import pytest

from data import DATA, MODULE, acl, acls
from gateway import client_entry
from pki import derived_cuid
from waiting import wait_for

MANY = {"data-requests-per-second": 100000, "cuids": 1000}


@pytest.fixture
def pair(make_data_server, make_data_client, make_client, pki):
    """The same client on both channels, under the cuid that it derives of its certificate."""
    server = make_data_server(active_but_terminating={"initial": "0s", "max": "0s"})
    certificate = pki.certificate("web.test")
    signal = make_client(server, certificate, "tcp")
    data = make_data_client(server, cuid=derived_cuid(certificate))
    assert data.register().status == 201
    return data, signal


def controlled(name, activation, **more):
    one = {"acl-name": name} | ({"activation-type": activation} if activation else {})
    return {"target-prefix": ["203.0.113.1/32"], "lifetime": 3600, "ietf-dots-signal-control:acl-list": [one], **more}


def activation(data, name):
    return data.get(f"/acls/acl={name}?content=config").body[f"{MODULE}:acls"]["acl"][0].get("activation-type")


def test_rfc9133_3_2_1_activation_is_changed_and_stays(pair, mitigator):
    data, signal = pair
    data.post("", acls(acl("a"), acl("b", source="192.0.2.1/32", activation="deactivate")))
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    assert signal.put_json(2, controlled("a", "deactivate")).code == "2.01"
    assert activation(data, "a") == "deactivate"
    assert signal.put_json(3, controlled("b", "immediate")).code == "2.01"
    assert activation(data, "b") == "immediate"
    wait_for(
        lambda: [job["acl"]["name"] for job in mitigator.live.values() if "acl" in job] == ["b"],
        lambda: f"only b in force: {mitigator.live}",
    )
    assert signal.delete(3).code == "2.02"
    data.gateway.restart()
    assert (activation(data, "a"), activation(data, "b")) == ("deactivate", "immediate")


def test_rfc9133_3_2_1_unknown_acl_is_4_04(pair, mitigator):
    data, signal = pair
    answer = signal.put_json(1, controlled("nobodys", "deactivate"))
    assert answer.code == "4.04" and "nobodys" in answer.out + answer.err
    assert not mitigator.live


def test_rfc9133_3_2_1_idle_time_and_known_mid_are_4_00(pair):
    data, signal = pair
    data.post("", acls(acl("a")))
    assert signal.put_json(1, controlled("a", "deactivate", **{"trigger-mitigation": False})).code == "4.00"
    assert signal.put_json(2, controlled("a", "deactivate")).code == "2.01"
    assert signal.put_json(2, controlled("a", "deactivate")).code == "4.00"


def test_rfc9133_3_2_1_failed_update_is_5_03_with_the_acl(pair, mitigator):
    """An ACL without destination cannot be immediate (RFC 8783 section 7.2)."""
    data, signal = pair
    data.post("", acls(acl("a", destination=None)))
    answer = signal.put_json(1, controlled("a", "immediate"))
    assert answer.code == "5.03"
    (scope,) = answer.scopes
    (failed,) = scope["ietf-dots-signal-control:acl-list"]
    assert (scope["mid"], failed["acl-name"], failed["activation-type"]) == (1, "a", "immediate")
    assert activation(data, "a") is None
    assert not mitigator.live


def test_rfc9133_3_2_2_2_activation_type_has_a_default(pair):
    data, signal = pair
    data.post("", acls(acl("a", activation="immediate")))
    assert signal.put_json(1, controlled("a", None)).code == "2.01"
    assert activation(data, "a") == "activate-when-mitigating"


def test_rfc9133_3_2_1_lifetime_of_the_acl_must_be_updated(pair):
    """As by a refresh: a week, from an hour that the store is made to say."""
    data, signal = pair
    data.post("", acls(acl("a"), acl("b", source="192.0.2.1/32")))
    data.gateway.stop()
    store = sqlite3.connect(data.gateway.state / "state.db")
    in_an_hour = (int(time.time() * 1000) + 3600_000).to_bytes(8, "big")
    for key, value in store.execute("SELECT key, value FROM record WHERE tbl = 8").fetchall():
        store.execute("UPDATE record SET value = ? WHERE tbl = 8 AND key = ?", (value[:17] + in_an_hour + value[25:], key))
    store.commit()
    store.close()
    data.gateway.start()

    def pending(name):
        return data.get(f"/acls/acl={name}?content=nonconfig").body[f"{MODULE}:acls"]["acl"][0]["pending-lifetime"]

    assert pending("a") <= 60 and pending("b") <= 60
    assert signal.put_json(1, controlled("a", "immediate")).code == "2.01"
    assert pending("a") > 10000 and pending("b") <= 60


# ---- Changes that were made otherwise ----


def shown(scope):
    return {each["acl-name"]: each["activation-type"] for each in scope.get("ietf-dots-signal-control:acl-list", [])}


def test_rfc9133_3_2_1_change_during_a_mitigation_is_notified(pair):
    """Of what the client did not ask for itself by a mitigation request; until the mitigation is over."""
    data, signal = pair
    data.post("", acls(acl("a"), acl("b", source="192.0.2.1/32"), acl("c", source="192.0.2.2/32")))
    assert data.put("/acls/acl=b/activation-type", {f"{MODULE}:activation-type": "deactivate"}).status in (201, 204)
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    observer = signal.observe(1)
    observer.wait(lambda bodies: bodies, "the first answer")
    assert shown(signal.get(1).scope) == {}, "what changed before is no news"
    assert data.put("/acls/acl=a/activation-type", {f"{MODULE}:activation-type": "immediate"}).status in (201, 204)

    def told(bodies):
        return shown(bodies[-1]["ietf-dots-signal-channel:mitigation-scope"]["scope"][0]) == {"a": "immediate"}

    observer.wait(told, "a notification of it")
    assert shown(signal.get(1).scope) == shown(signal.get().scopes[0]) == {"a": "immediate"}
    assert shown(signal.get(1, "c").scope) == {}
    assert data.put("/acls/acl=c", acls(acl("c", source="192.0.2.3/32"))).status == 204
    assert shown(signal.get(1).scope) == {"a": "immediate"}, "its activation is as before"
    assert signal.put_json(2, controlled("a", "deactivate")).code == "2.01"
    assert shown(signal.get(2).scope) == {}, "the client knows"
    assert data.patch("/acls", acls(acl("a", activation="immediate"))).status == 204
    assert shown(signal.get(2).scope) == {"a": "immediate"}
    assert signal.delete(2).code == "2.02"
    wait_for(lambda: signal.get(2).code == "4.04", "its end")
    assert signal.put(3, "203.0.113.1/32").code == "2.01"
    assert shown(signal.get(3).scope) == {}


def test_rfc9133_3_2_1_only_what_fits_is_shown_and_deleted_ones_are_not(pair):
    data, signal = pair
    names = [f"{number:02}-{'x' * 40}" for number in range(20)]
    data.post("", acls(*(acl(name, source=f"192.0.2.{number}/32") for number, name in enumerate(names))))
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    for name in names:
        data.put(f"/acls/acl={name}/activation-type", {f"{MODULE}:activation-type": "deactivate"})
    assert list(shown(signal.get(1).scope)) == names[:16]
    data.delete(f"/acls/acl={names[0]}")
    assert list(shown(signal.get(1).scope)) == names[1:17]
    data.delete("/acls")
    assert shown(signal.get(1).scope) == {}


# ---- Through a gateway ----


@pytest.fixture
def chain(make_data_server, make_gateway, make_data_client, make_client, pki):
    """(server, data, signal): the client is one of a gateway's; its ACLs are at the server, too."""
    server = make_data_server(clients=[client_entry("gw", "gw.test", limits=MANY)])
    upstream = {"name": "isp", "servers": [server.server_entry()], "data": {"port": server.data_port}}
    gw = make_gateway("gw", upstreams=[upstream], clients=[client_entry("web", "web.test", limits=MANY)])
    gw.with_data_channel().start()
    gw.wait_log(" notice data-channel-up: ")
    certificate = pki.certificate("web.test")
    data = make_data_client(gw, cuid=derived_cuid(certificate))
    assert data.register().status == 201
    return server, data, make_client(gw, certificate, "tcp")


@pytest.fixture
def there(make_data_client):
    """there(server): {name: activation-type} of the gateway's ACLs there."""

    def read(server):
        answer = make_data_client(server, "gw").curl("GET", f"{DATA}?content=config")
        (client,) = answer.body[f"{MODULE}:dots-data"]["dots-client"]
        return {each["name"]: each.get("activation-type") for each in client["acls"]["acl"]}

    return read


def test_rfc9133_3_2_1_change_is_relayed_and_kept(chain, there):
    server, data, signal = chain
    data.post("", acls(acl("a"), acl("b", source="192.0.2.1/32")))
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    assert signal.put_json(2, controlled("a", "deactivate")).code == "2.01"
    assert activation(data, "a") == "deactivate"
    assert there(server) == {"c1.a": "deactivate", "c1.b": None}
    assert signal.put_json(3, controlled("nobodys", "deactivate")).code == "4.04"
    assert signal.delete(2).code == "2.02"
    data.gateway.restart()
    server.restart()
    assert activation(data, "a") == "deactivate"
    wait_for(lambda: there(server) == {"c1.a": "deactivate", "c1.b": None}, "the same at the server")


def test_rfc9133_3_2_1_update_that_fails_upstream_is_5_03_with_the_acl(chain, make_data_client):
    """The server does not know the ACL any more, and may not take it; then nothing of the request is done."""
    server, data, signal = chain
    data.post("", acls(acl("a")))
    server.reload(clients=[client_entry("gw", "gw.test", limits=MANY | {"acls": 1}, scopes={"prefixes": ["203.0.113.1/32"], "fqdns": []})])
    answer = signal.put_json(1, controlled("a", "immediate"))
    assert answer.code == "5.03"
    (failed,) = answer.scope["ietf-dots-signal-control:acl-list"]
    assert failed == {"acl-name": "a", "activation-type": "immediate"} and answer.scope["mid"] == 1
    assert activation(data, "a") is None
    assert signal.get(1).code == "4.04"
    again = {name: value for name, value in controlled("a", None).items() if "acl" not in name}
    assert signal.put_json(2, again).code == "2.01", "the same without the ACL"


def test_rfc9133_3_2_1_change_during_a_mitigation_is_notified_by_the_gateway(chain, there):
    server, data, signal = chain
    data.post("", acls(acl("a")))
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    observer = signal.observe(1)
    assert data.put("/acls/acl=a/activation-type", {f"{MODULE}:activation-type": "immediate"}).status in (201, 204)
    observer.wait(lambda bodies: '"a", "activation-type": "immediate"' in json.dumps(bodies), "a notification of it")
    assert there(server) == {"c1.a": "immediate"}


def test_rfc9133_3_2_1_acl_list_in_an_efficacy_update_is_4_00(pair):
    data, signal = pair
    data.post("", acls(acl("a")))
    assert signal.put_json(1, {"target-prefix": ["203.0.113.1/32"], "lifetime": 3600}).code == "2.01"
    update = controlled("a", "deactivate", **{"attack-status": "under-attack"})
    answer = signal.put_json(1, update, command="efficacy")
    assert answer.code == "4.00" and "acl-list" in answer.reason
    assert activation(data, "a") is None
