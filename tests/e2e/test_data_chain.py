"""The data channel through gateways: curl, a gateway, a server; names, identities, refusals, outages, loops."""

import json
import random
import shutil
import signal
import time

import pytest

from data import DATA, MODULE, acl, acls, alias, aliases
from gateway import client_entry
from processes import Process
from waiting import wait_for

MANY = {"data-requests-per-second": 100000, "cuids": 1000}
INNER, OTHER = "inner-client-1-of-web", "inner-client-2-of-shop"


def clients(**more):
    return [client_entry(name, f"{name}.test", limits=MANY, **more) for name in ("web", "shop")]


@pytest.fixture
def server(make_data_server):
    return make_data_server(clients=[client_entry("gw", "gw.test", limits=MANY)])


@pytest.fixture
def make_gw(make_gateway):
    """make_gw(*servers, **upstream): a started gateway of web and shop to these."""

    def make(*servers, sections=None, **upstream):
        entries = [
            {"name": f"isp-{each.name}", "servers": [each.server_entry()], "data": {"port": each.data_port}} | upstream
            for each in servers
        ]
        gw = make_gateway("gw", upstreams=entries, clients=clients(), **(sections or {}))
        gw.with_data_channel().start()
        gw.wait_log(" notice data-channel-up: ", len(servers))
        return gw

    return make


@pytest.fixture
def look(make_data_client, pki):
    """look(server, kind, cuid): what the gateway has there, by name; None: no such dots-client."""

    def names(server, kind="alias", cuid=None):
        seer = make_data_client(server, "gw")
        answer = seer.curl("GET", f"{DATA}?content=config")
        found = answer.body.get(f"{MODULE}:dots-data", {}).get("dots-client", []) if answer.text else []
        for client in found:
            if cuid in (None, client["cuid"]):
                return [entry["name"] for entry in client.get({"alias": "aliases", "acl": "acls"}[kind], {}).get(kind, [])]
        return None

    return names


@pytest.fixture
def web(make_data_client):
    return lambda gw, http="2": make_data_client(gw, "web", INNER, http)


@pytest.fixture
def shop(make_data_client):
    return lambda gw: make_data_client(gw, "shop", OTHER)


def test_clients_stay_apart_and_hidden_under_the_gateways_cuid(server, make_gw, web, shop, look):
    gw = make_gw(server)
    one, two = web(gw), shop(gw)
    for client in (one, two):
        assert client.register().status == 201
        assert client.put("/aliases/alias=https", aliases(alias("https"))).status == 201
        assert client.post("", acls(acl("a/b c"))).status == 201
    spaces = [name.split(".")[0] for name in look(server)]
    assert len(set(spaces)) == 2
    assert look(server) == [f"{space}.https" for space in spaces]
    assert sorted(look(server, "acl")) == sorted(f"{space}.a/b c" for space in spaces)
    assert look(server, cuid=INNER) is None
    (found,) = one.get("/aliases?content=config").body[f"{MODULE}:aliases"]["alias"]
    assert found["name"] == "https"
    assert one.delete("/aliases/alias=https").status == 204
    assert look(server) == [f"{spaces[1]}.https"]
    assert one.delete().status == 204
    assert look(server, "acl") == [f"{spaces[1]}.a/b c"]


def test_rfc8783_5_1_cdid_is_inserted_and_must_be_stripped(make_data_server, make_gw, web, make_data_client):
    trusting = client_entry("gw", "gw.test", limits=MANY, **{"supplies-cdid": True})
    server = make_data_server(clients=[trusting])
    gw = make_gw(server, identity="client", sections={"gateway": {"domain-side": "server"}})
    client = web(gw)
    assert client.register().status == 201
    above = make_data_client(server, "gw", INNER).get("?content=config").body[f"{MODULE}:dots-client"][0]
    assert above["cuid"] == INNER and len(above["cdid"]) == 22
    below = client.get("?content=config").body[f"{MODULE}:dots-client"][0]
    assert "cdid" not in below
    assert client.put("/aliases/alias=https", aliases(alias("https"))).status == 201
    assert client.delete().status == 204
    assert make_data_client(server, "gw", INNER).get().status == 404


def test_the_servers_no_is_the_clients_and_nothing_is_kept(make_data_server, make_gw, web, look):
    narrow = {"prefixes": ["203.0.113.0/25"], "fqdns": []}
    server = make_data_server(clients=[client_entry("gw", "gw.test", limits=MANY, scopes=narrow)])
    client = web(make_gw(server))
    assert client.register().status == 201
    answer = client.post("", aliases(alias("in", "203.0.113.1/32"), alias("out", "203.0.113.200/32")))
    assert 400 <= answer.status < 500
    assert "c1." not in answer.text
    assert client.get("/aliases/alias=in").status == client.get("/aliases/alias=out").status == 404
    assert not look(server)


def test_unreachable_is_503_with_retry_after_and_repaired_later(server, make_gw, web, look):
    gw = make_gw(server)
    client = web(gw)
    client.register()
    client.put("/aliases/alias=old", aliases(alias("old")))
    server.stop()
    answer = client.put("/aliases/alias=new", aliases(alias("new")))
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert client.get("/aliases/alias=new").status == 404
    shutil.rmtree(server.state)  # it has lost everything
    server.start()
    wait_for(lambda: look(server) == ["c1.old"], "what the server had before")
    assert client.put("/aliases/alias=new", aliases(alias("new"))).status == 201
    assert sorted(look(server)) == ["c1.new", "c1.old"]


def test_killed_at_any_time_both_sides_agree_in_the_end(server, make_gw, web, look):
    gw = make_gw(server)
    client = web(gw)
    client.register()
    for i in range(3):
        assert client.put(f"/aliases/alias=n{i}", aliases(alias(f"n{i}"))).status == 201
        gw.crash()
        gw.start()
        gw.wait_log(" notice data-channel-up: ")
    assert client.put("/acls/acl=x", acls(acl("x"))).status == 201
    server.crash()
    server.start()
    gw.restart()
    gw.wait_log(" notice data-channel-up: ")
    assert [entry["name"] for entry in client.get("/aliases").body[f"{MODULE}:aliases"]["alias"]] == ["n0", "n1", "n2"]
    wait_for(lambda: sorted(look(server)) == ["c1.n0", "c1.n1", "c1.n2"] and look(server, "acl") == ["c1.x"], "all")


class Writer:
    """Pairs of aliases, one request each, one after the other on one connection."""

    def __init__(self, client, names):
        folder = client.directory
        lines = []
        for name in names:
            body = folder / f"pair-{name}"
            body.write_text(json.dumps(aliases(alias(f"{name}-a"), alias(f"{name}-b"))))
            lines += [f'url = "https://{client.gateway.host}:{client.port}{client.root}"', "request = POST"]
            lines += [f'data-binary = "@{body}"', "silent", "http1.1", 'write-out = "%{http_code}\\n"', "max-time = 20"]
            lines += ['output = "/dev/null"', 'header = "Content-Type: application/yang-data+json"']
            lines += [f'cacert = "{client.certificate.anchors}"', f'cert = "{client.certificate.cert}"']
            lines += [f'key = "{client.certificate.key}"']
            lines += [f'resolve = "{client.gateway.host}:{client.port}:{client.gateway.address}"', "next"]
        config = folder / f"writer-{names[0]}"
        config.write_text("\n".join(lines[:-1]) + "\n")
        self.names = names
        self.process = Process(["curl", "-K", config], f"{config}.out", f"{config}.err")

    @property
    def statuses(self):
        return [int(status) for status in self.process.out.split()]

    def answered(self):
        """Those that were answered 2xx."""
        return {name for name, status in zip(self.names, self.statuses) if 200 <= status < 300}


def test_killed_during_writes_what_was_answered_is_there_and_pairs_stay_pairs(server, make_gw, web, look):
    """Twenty rounds; the gateway is killed, or the server, or both at once."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    gw = make_gw(server)
    client = web(gw)
    assert client.register().status == 201
    sure = set()
    for round_ in range(20):
        writer = Writer(client, [f"{round_}-{number}" for number in range(30)])
        count = chance.randrange(1, 15)
        wait_for(lambda: len(writer.statuses) >= count, lambda: f"{count} answers: {writer.process.out}")
        time.sleep(chance.random() / 50)  # anywhere within a request
        killed = [[gw], [server], [server, gw]][round_ % 3]
        for each in killed:
            each.crash()
        writer.process.kill()
        sure |= writer.answered()
        for each in killed:
            each.start()
        gw.wait_log(" notice data-channel-up: ")
        assert client.put("/aliases/alias=probe", aliases(alias("probe"))).status in (201, 204), "it goes on"
        listed = client.get("/aliases?content=config").body[f"{MODULE}:aliases"]["alias"]
        there = {entry["name"] for entry in listed} - {"probe"}
        pairs = {name[:-2] for name in there}
        assert there == {f"{name}-{half}" for name in pairs for half in "ab"}, f"seed {seed}, round {round_}"
        assert sure <= pairs, f"seed {seed}, round {round_}: {sure - pairs}"
        wait_for(
            lambda: {name.removeprefix("c1.") for name in look(server) or []} == there | {"probe"},
            lambda: f"the same at the server: seed {seed}, round {round_}: {set(look(server)) ^ there}",
            60,
        )


def test_two_providers_take_all_or_nothing(make_data_server, make_gw, web, look):
    narrow = {"prefixes": ["203.0.113.0/25"], "fqdns": []}
    wide = make_data_server("wide", clients=[client_entry("gw", "gw.test", limits=MANY)])
    strict = make_data_server("strict", clients=[client_entry("gw", "gw.test", limits=MANY, scopes=narrow)])
    client = web(make_gw(wide, strict))
    client.register()
    assert client.put("/aliases/alias=a", aliases(alias("a", "203.0.113.1/32"))).status == 201
    assert client.put("/aliases/alias=b", aliases(alias("b", "203.0.113.200/32"))).status == 403
    assert client.put("/aliases/alias=a", aliases(alias("a", "203.0.113.200/32"))).status == 403
    assert look(wide) == look(strict) == ["c1.a"]
    (found,) = client.get("/aliases/alias=a").body[f"{MODULE}:aliases"]["alias"]
    assert found["target-prefix"] == ["203.0.113.1/32"]


@pytest.mark.parametrize("http", ["2", "1.1"])
def test_order_of_acls_goes_along(server, make_gw, web, look, http):
    client = web(make_gw(server), http)
    client.register()
    for name in ("a", "b"):
        client.put(f"/acls/acl={name}", acls(acl(name)))
    assert client.put("/acls/acl=c?insert=first", acls(acl("c"))).status == 201
    point = f"/{MODULE}:dots-data/dots-client={INNER}/acls/acl=a".replace("/", "%2F").replace("=", "%3D")
    assert client.put(f"/acls/acl=d?insert=after&point={point}", acls(acl("d"))).status == 201
    assert look(server, "acl") == ["c1.c", "c1.a", "c1.d", "c1.b"]


def test_rfc8783_3_4_loops_end_with_508(make_gateway, make_data_client, pki):
    """Two server-domain gateways that are each other's upstream."""
    pair = {}
    for name, other in (("gw", "other"), ("other", "gw")):
        pair[name] = make_gateway(name, clients=clients() + [client_entry(other, f"{other}.test", limits=MANY)])
        pair[name].with_data_channel()
    for name, other in (("gw", "other"), ("other", "gw")):
        peer = pair[other]
        upstream = {"name": other, "servers": [peer.server_entry()], "data": {"port": peer.data_port}, "identity": "client"}
        pair[name].configure(upstreams=[upstream], gateway={"domain-side": "server"})
        pair[name].start()
    for gateway in pair.values():
        gateway.wait_log(" notice data-channel-up: ")
    answer = make_data_client(pair["gw"], "web", INNER).register()
    assert answer.status == 508
    assert answer.tag == "operation-failed" and answer.error["error-app-tag"] == "loop-detected"
    assert "gw.test" in answer.text and "other.test" in answer.text
    assert make_data_client(pair["gw"], "web", INNER).get().status == 404


@pytest.mark.parametrize("upstream", [{}, {"sessions": "per-client"}, {"identity": "client"}], ids=["shared", "per-client", "client"])
def test_rfc8783_7_3_statistics_come_down_the_chain(server, make_gw, web, shop, mitigator, upstream):
    """Read of the upstream when a client reads them; those of another client stay apart."""
    gw = make_gw(server, **upstream)
    one, two = web(gw), shop(gw)
    for client, source in ((one, "192.0.2.1/32"), (two, "192.0.2.2/32")):
        client.register()
        assert client.put("/acls/acl=x", acls(acl("x", source=source, activation="immediate"))).status == 201
    told = mitigator.wait_told(lambda told: len(told) == 2 and told, "of both filters")
    for line in told:
        source = line["acl"]["aces"]["ace"][0]["matches"]["ipv4"]["source-ipv4-network"]
        mitigator.matched(line["id"], rule1=(10, 1000) if source == "192.0.2.1/32" else (20, 2000))

    def read(client, path="/acls/acl=x", query="?content=nonconfig"):
        (found,) = client.get(path + query).body[f"{MODULE}:acls"]["acl"]
        return found["aces"]["ace"][0].get("statistics")

    wait_for(lambda: read(one), "statistics", 30)
    assert read(one) == read(one, "/acls", "?content=all") == {"matched-packets": "10", "matched-octets": "1000"}
    wait_for(lambda: read(two), "statistics", 30)
    assert read(two) == {"matched-packets": "20", "matched-octets": "2000"}


def test_statistics_are_not_waited_for_when_the_upstream_is_silent(server, make_gw, web):
    client = web(make_gw(server))
    client.register()
    client.put("/acls/acl=x", acls(acl("x", activation="immediate")))
    server.process.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        (found,) = client.get("/acls/acl=x").body[f"{MODULE}:acls"]["acl"]
        assert time.monotonic() - begin < 10
        assert "statistics" not in found["aces"]["ace"][0]
    finally:
        server.process.signal(signal.SIGCONT)
