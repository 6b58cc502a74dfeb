"""SIGHUP beside a data channel: clients, credentials, mitigators; what is refused."""

import pytest

from data import MODULE, DATA, acl, acls, alias, aliases
from gateway import client_entry
from pki import derived_cuid
from test_reload import reissue
from waiting import wait_for

ONE = "203.0.113.1/32"
LATE = [client_entry("late", "late.test")]


@pytest.fixture
def server(make_data_server):
    return make_data_server()


def entries(*names, **more):
    return [client_entry(name, f"{name}.test", **more) for name in names]


def test_clients_come_and_go_on_connections_that_are_up(server, make_data_client, pki):
    web, late = make_data_client(server), make_data_client(server, "late", cuid="late-1")
    assert web.register().status == 201
    assert late.register().status == 401
    server.reload(clients=entries("web", "late"))
    assert late.register().status == 201
    assert web.post("", aliases(alias("a"))).status == 201
    server.reload(clients=entries("late"))
    assert web.get().status == 401
    assert web.put("/aliases/alias=a", aliases(alias("a"))).status == 401
    assert late.post("", aliases(alias("b"))).status == 201
    server.reload(clients=entries("web", "late"))
    assert "a" in web.get("/aliases").text, "what it has lives on until it expires"


def test_scopes_and_limits_are_those_of_now(server, make_data_client):
    web = make_data_client(server)
    assert web.register().status == 201
    assert web.post("", aliases(alias("a", "203.0.113.7/32"))).status == 201
    server.reload(clients=entries("web", scopes={"prefixes": ["198.51.100.0/24"]}))
    assert web.post("", aliases(alias("b", "203.0.113.8/32"))).status == 403
    assert web.post("", aliases(alias("c", "198.51.100.8/32"))).status == 201
    server.reload(clients=entries("web", limits={"aliases": 2}, scopes={"prefixes": ["198.51.100.0/24"]}))
    assert web.post("", aliases(alias("d", "198.51.100.9/32"))).status >= 400


def test_alias_and_filter_control_go_on(server, make_data_client, make_client, mitigator, pki):
    certificate = pki.certificate("web.test")
    data = make_data_client(server, cuid=derived_cuid(certificate))
    signal = make_client(server, certificate, "tcp")
    assert data.register().status == 201
    assert data.post("", aliases(alias("web", "203.0.113.7/32"))).status == 201
    assert data.post("", acls(acl("flood", activation="deactivate"))).status == 201
    server.reload(clients=entries("web", limits={"mitigations": 7}))
    assert signal.put_json(1, {"alias-name": ["web"], "lifetime": 3600}).code == "2.01"
    mitigator.wait_job("203.0.113.7/32")
    server.reload(clients=entries("web", limits={"mitigations": 8}))
    control = [{"acl-name": "flood", "activation-type": "immediate"}]
    scope = {"alias-name": ["web"], "lifetime": 3600, "ietf-dots-signal-control:acl-list": control}
    assert signal.put_json(2, scope).code == "2.01"
    mitigator.wait_told(lambda told: [job for job in told if "acl" in job], "of the filter")


def test_another_certificate_is_shown_to_new_connections(server, make_data_client, pki):
    web = make_data_client(server)
    assert web.register().status == 201
    before = web.curl("GET", "/.well-known/host-meta", flags=["-w", "%{stderr}%{certs}"])
    assert before.status == 200
    other = pki.certificate("other.test")
    server.reload(tls=other.config())
    with pytest.raises(AssertionError, match="other.test|subject|SSL"):
        web.get()
    server.reload(tls=pki.certificate(server.host).config())
    assert web.get().status == 200


def test_filters_follow_the_mitigators(server, make_data_client, make_mitigator, mitigator):
    web = make_data_client(server)
    assert web.register().status == 201
    assert web.post("", acls(acl("flood", activation="immediate"))).status == 201
    mitigator.wait_told(lambda told: [job for job in told if "acl" in job], "of the filter")
    second = make_mitigator("second")
    server.reload(mitigators=[second.config()])
    second.wait_told(lambda told: [job for job in told if "acl" in job], "of the filter of before")
    mitigator.wait_idle()
    assert web.delete("/acls/acl=flood").status == 204
    second.wait_idle()


@pytest.mark.parametrize("change", ["gone", "connections"])
def test_what_needs_a_restart(server, make_data_client, change):
    sections = {
        "gone": {"listeners": server.sections["listeners"][:1]},
        "connections": {"limits": {"data-connections": 7}},
    }[change]
    assert ("port 4443" if change == "gone" else "data-connections") in server.reload_refused(**sections)
    assert make_data_client(server).register().status == 201


def test_the_user_and_the_filter_of_system_calls_stay(make_server):
    server = make_server()
    settings = dict(server.sections["gateway"])
    for key, value in (("user", "nobody"), ("seccomp", False)):
        assert f"gateway.{key}" in server.reload_refused(gateway={key: value})
        server.sections["gateway"] = dict(settings)
    server.reload(clients=server.sections["clients"] + LATE)


# ---- Through a gateway ----

MANY = {"data-requests-per-second": 100000, "cuids": 1000}


@pytest.fixture
def above(make_data_server):
    return make_data_server(clients=entries("gw", limits=MANY))


@pytest.fixture
def gw(above, make_gateway):
    upstream = {"name": "isp", "servers": [above.server_entry()], "data": {"port": above.data_port}}
    gw = make_gateway("gw", upstreams=[upstream], clients=entries("web", limits=MANY))
    gw.with_data_channel().start()
    gw.wait_log(" notice data-channel-up: ")
    return gw


@pytest.fixture
def there(above, make_data_client):
    """there(): the aliases that the gateway has at its upstream, by target."""

    def look():
        seer = make_data_client(above, "gw")
        found = seer.curl("GET", f"{DATA}?content=config").body.get(f"{MODULE}:dots-data", {}).get("dots-client", [])
        listed = [each for client in found for each in client.get("aliases", {}).get("alias", [])]
        return sorted(prefix for each in listed for prefix in each["target-prefix"])

    return look


def test_clients_of_now_are_relayed_upstream(gw, make_data_client, there):
    web, late = make_data_client(gw), make_data_client(gw, "late", cuid="late-1")
    assert web.register().status == 201
    assert web.post("", aliases(alias("a", "203.0.113.1/32"))).status == 201
    assert late.register().status == 401
    for turn in range(3):
        gw.reload(clients=entries("web", "late", limits=MANY | {"mitigations": 10 + turn}))
        assert web.put("/aliases/alias=a", aliases(alias("a", f"203.0.113.{10 + turn}/32"))).status == 204
        assert there() == [f"203.0.113.{10 + turn}/32"]
    assert late.register().status == 201
    assert late.post("", aliases(alias("b", "203.0.113.2/32"))).status == 201
    assert there() == ["203.0.113.12/32", "203.0.113.2/32"]


def test_a_renewed_certificate_is_shown_upstream_and_so_is_another_key(gw, make_data_client, there, pki):
    web = make_data_client(gw)
    assert web.register().status == 201
    old = pki.certificate("gw.test")
    assert web.post("", aliases(alias("a", "203.0.113.1/32"))).status == 201
    gw.reload(tls=old.config() | {"certificate": str(reissue(pki, old))})
    assert web.post("", aliases(alias("b", "203.0.113.2/32"))).status == 201
    assert there() == ["203.0.113.1/32", "203.0.113.2/32"]
    gw.reload(tls=pki.authority.issue("gw.test").config())
    assert web.post("", aliases(alias("c", "203.0.113.3/32"))).status == 201
    wait_for(
        lambda: sorted(there()) == ["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"],
        lambda: f"all of it, under the cuid of the new key: {there()}",
    )


def test_nat_mappings_of_now_are_told_upstream(gw, make_data_client, there):
    web = make_data_client(gw)
    assert web.register().status == 201
    assert web.post("", aliases(alias("a", "203.0.113.1/32"))).status == 201
    gw.reload(nat={"mappings": [{"internal": "203.0.113.0/25", "external": "203.0.113.128/25"}]})
    wait_for(lambda: there() == ["203.0.113.129/32"], lambda: f"the external address; there is {there()}", 60)
    gw.reload(nat={"mappings": []})
    wait_for(lambda: there() == ["203.0.113.1/32"], lambda: f"the address as it is; there is {there()}", 60)


def test_a_change_of_upstreams_needs_a_restart(gw, make_data_client):
    (upstream,) = gw.sections["upstreams"]
    assert "a change of upstreams" in gw.reload_refused(upstreams=[upstream | {"mtu": 1200}])
    assert make_data_client(gw).register().status == 201
