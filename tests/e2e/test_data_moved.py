"""The data channel follows the cuid of the signal channel (RFC 9132 section 4.4.1.1, RFC 8783 section 5.1)."""

import pytest

from data import DATA, MODULE, acl, acls, alias, aliases
from gateway import client_entry
from pki import derived_cuid
from waiting import wait_for

MANY = {"data-requests-per-second": 100000, "cuids": 1000}
INNER = "inner-client-1-of-web"


@pytest.fixture
def server(make_data_server):
    return make_data_server(clients=[client_entry(name, f"{name}.test", limits=MANY) for name in ("gw", "thief")])


@pytest.fixture
def gw(server, make_gateway):
    upstream = {"name": "isp", "servers": [server.server_entry()], "data": {"port": server.data_port}}
    gw = make_gateway("gw", upstreams=[upstream], clients=[client_entry("web", "web.test", limits=MANY)])
    return gw.with_data_channel()


@pytest.fixture
def found(make_data_client):
    """found(server): names of aliases and ACLs that the gateway has there, without its clients' prefixes, by cuid."""

    def names(server):
        answer = make_data_client(server, "gw").curl("GET", f"{DATA}?content=config")
        clients = answer.body.get(f"{MODULE}:dots-data", {}).get("dots-client", [])
        return {
            each["cuid"]: [entry["name"].partition(".")[2] for kind in ("alias", "acl") for entry in each.get(f"{kind}{'es' if kind == 'alias' else 's'}", {}).get(kind, [])]
            for each in clients
        }

    return names


def fill(client):
    assert client.register().status == 201
    assert client.put("/aliases/alias=web", aliases(alias("web"))).status == 201
    assert client.put("/acls/acl=x", acls(acl("x"))).status == 201


def test_rfc9132_4_4_1_1_entries_move_after_a_collision(server, gw, make_data_client, make_client, pki, found):
    """Somebody has registered the gateway's cuid: the signal channel says so, and both channels take another."""
    cuid = derived_cuid(pki.certificate("gw.test"))
    assert make_data_client(server, "thief", cuid).register().status == 201
    gw.start()
    gw.wait_log(" notice data-channel-up: ")
    web = make_data_client(gw, "web", INNER)
    assert web.register().status == 409
    signal = make_client(gw, pki.certificate("web.test"), "tcp", cuid=INNER)
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    gw.wait_log("cuid-collision")
    fill(web)
    (moved,) = found(server)
    assert moved != cuid and found(server) == {moved: ["web", "x"]}
    gw.restart()
    gw.wait_log(" notice data-channel-up: ")
    assert web.put("/aliases/alias=more", aliases(alias("more"))).status == 201
    assert found(server) == {moved: ["web", "more", "x"]}
    thief = make_data_client(server, "thief", cuid)
    assert thief.get().body == {f"{MODULE}:dots-client": [{"cuid": cuid}]}, "it is left alone"


def test_rfc9132_4_4_1_1_entries_move_with_another_key(server, gw, make_data_client, pki, found):
    """The name is the same and so the server knows the client; the key and the cuid of it are others."""
    first = derived_cuid(pki.certificate("gw.test"))
    gw.start()
    gw.wait_log(" notice data-channel-up: ")
    web = make_data_client(gw, "web", INNER)
    fill(web)
    assert found(server) == {first: ["web", "x"]}
    second = pki.authority.issue("gw.test")
    gw.stop()
    gw.configure(tls=second.config())
    gw.start()
    wait_for(lambda: found(server) == {derived_cuid(second): ["web", "x"]}, lambda: f"all of it: {found(server)}")
    third = pki.authority.issue("gw.test")
    upstream = gw.sections["upstreams"][0] | {"credentials": third.config()}
    gw.reload(upstreams=[upstream])
    wait_for(lambda: found(server) == {derived_cuid(third): ["web", "x"]}, lambda: f"all of it: {found(server)}")
    assert web.put("/aliases/alias=more", aliases(alias("more"))).status == 201
    assert found(server) == {derived_cuid(third): ["web", "more", "x"]}
