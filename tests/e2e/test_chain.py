"""Server-domain gateways, sessions of their own for each client, chains of gateways, hop limits."""

import pytest

import dots
from coap import GET, MITIGATE, PUT, Option
from fixtures import AT_ONCE, gateway_entry
from gateway import client_entry
from network import silence
from pki import derived_cuid
from waiting import wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"
SERVER_DOMAIN = {"gateway": {"domain-side": "server"}}
PASSING = {"identity": "client"}


@pytest.fixture
def server(make_upstream):
    """It trusts the gateway to supply cdid."""
    return make_upstream(clients=[gateway_entry(**{"supplies-cdid": True})], conflicts="accept").start()


@pytest.fixture
def above(server, make_session, pki):
    """What the server has of the gateway: CoAP by hand under the gateway's certificate."""
    return make_session(server, pki.certificate("gw.test"), "tcp")


def path(*, cdid=None, cuid, mid=None):
    named = {"cdid": cdid, "cuid": cuid, "mid": mid}
    return (*MITIGATE, *(f"{name}={value}" for name, value in named.items() if value is not None))


@pytest.fixture(params=["shared", "per-client"])
def gw(request, server, make_relay):
    return make_relay(server, PASSING | {"sessions": request.param}, **SERVER_DOMAIN).start()


# ---- Identity client ----


def test_rfc9132_4_4_1_2_cuid_and_mid_pass_and_cdid_is_added(gw, above, make_client, pki, mitigator):
    """cdid: the hash of the client's key, or of its PSK identity, as in cuid."""
    for credentials, prefix in ((pki.certificate("web.test"), ONE), (pki.psk("shop"), TWO)):
        client = make_client(gw, credentials, cuid=f"cuid-of-{prefix}")
        assert client.put(77, prefix).code == "2.01"
        answer = above.request(GET, path(cdid=derived_cuid(credentials), cuid=f"cuid-of-{prefix}", mid=77))
        assert answer.text == "2.05", answer
        (scope,) = answer.scopes
        assert scope["target-prefix"] == [prefix]
        assert not {"cuid", "cdid"} & set(scope)
    mitigator.wait_prefixes(ONE, TWO)


def test_rfc9132_4_4_1_2_cdid_of_a_client_must_be_stripped(gw, above, make_session, pki):
    raw = make_session(gw, pki.psk("shop"))
    cdid = derived_cuid(pki.psk("shop"))
    assert raw.request(PUT, path(cdid="forged", cuid="a", mid=1), dots.request_body(ONE)).text == "2.01"
    assert above.request(GET, path(cdid="forged", cuid="a", mid=1)).text in ("4.01", "4.04")
    assert above.request(GET, path(cdid=cdid, cuid="a", mid=1)).text == "2.05"


def test_status_counters_refresh_and_withdrawal(server, make_relay, make_client, pki, mitigator):
    gw = make_relay(server, PASSING, active_but_terminating=AT_ONCE, **SERVER_DOMAIN).start()
    shop = make_client(gw, pki.psk("shop"))
    assert shop.put(3, ONE, lifetime=600).code == "2.01"
    job = mitigator.wait_job(ONE)
    observer = shop.observe(3)
    observer.wait_status("attack-mitigation-in-progress")
    mitigator.report(job, 2, bytes=99)
    observer.wait_status("attack-successfully-mitigated")
    assert shop.get(3).scope["bytes-dropped"] == "99"
    assert shop.put(3, ONE, lifetime=7200).code == "2.04"
    mitigator.wait_told(lambda told: told[-1]["lifetime"] > 7000, "of the longer lifetime")
    assert shop.delete(3).code == "2.02"
    mitigator.wait_idle()


def test_rfc9132_4_4_1_2_option_not_to_insert_cdid(make_upstream, make_relay, make_client, make_session, pki):
    server = make_upstream().start()
    gw = make_relay(server, PASSING | {"insert-cdid": False}, **SERVER_DOMAIN).start()
    assert make_client(gw, pki.psk("shop"), cuid="a").put(1, ONE).code == "2.01"
    above = make_session(server, pki.certificate("gw.test"), "tcp")
    assert above.request(GET, path(cuid="a", mid=1)).text == "2.05"


def test_rfc9132_4_4_1_1_cuid_collision_is_answered_by_the_gateway(gw, make_client, pki, mitigator):
    assert make_client(gw, pki.certificate("web.test"), cuid="a").put(1, ONE).code == "2.01"
    answer = make_client(gw, pki.psk("shop"), cuid="a").put(1, TWO)
    assert answer.code == "4.09"
    assert answer.conflict == {"conflict-cause": "cuid-collision"}
    mitigator.wait_prefixes(ONE)


def test_overlap_of_two_clients_is_the_servers_business(gw, make_client, pki, mitigator):
    assert make_client(gw, pki.certificate("web.test")).put(1, NET).code == "2.01"
    assert make_client(gw, pki.psk("shop")).put(1, ONE).code == "2.01"
    mitigator.wait_prefixes(NET, ONE)


def test_sessions_of_their_own(server, make_relay, make_client, pki):
    gw = make_relay(server, PASSING | {"sessions": "per-client"}, **SERVER_DOMAIN).start()
    assert not server.logged("session-up"), "nobody needs one yet"
    assert make_client(gw, pki.certificate("web.test")).put(1, ONE).code == "2.01"
    assert make_client(gw, pki.psk("shop")).put(1, TWO).code == "2.01"
    assert len(server.wait_log("session-up: client gw", 2)) == 2


def test_cuids_of_their_own_are_stable_and_opaque(make_upstream, make_relay, make_client, make_session, pki, mitigator):
    """Identity gateway, sessions per client: neither the client's cuid nor that of another gateway's key."""
    server = make_upstream(conflicts="accept").start()
    gw = make_relay(server, {"sessions": "per-client"}, active_but_terminating=AT_ONCE).start()
    web = make_client(gw, pki.certificate("web.test"))
    shop = make_client(gw, pki.psk("shop"))
    assert web.put(1, NET).code == "2.01"
    assert shop.put(1, ONE).code == "2.01", "they do not meet under one cuid"
    mitigator.wait_prefixes(NET, ONE)
    above = make_session(server, pki.certificate("gw.test"), "tcp")
    for credentials in (pki.certificate("web.test"), pki.psk("shop"), pki.certificate("gw.test")):
        assert above.get(derived_cuid(credentials)).text == "4.04"
    assert len(server.logged("session-up: client gw")) >= 2
    # After a restart they are the same: an update finds the request, and there is no second one.
    gw.restart()
    assert web.efficacy(1, NET).code == "2.04"
    mitigator.wait_told(lambda told: told[-1].get("attack-status") == "under-attack", "of the attack")
    mitigator.wait_prefixes(NET, ONE)
    assert web.delete(1).code == "2.02"
    mitigator.wait_prefixes(ONE)


# ---- Three hops ----


@pytest.fixture
def chain(server, make_relay):
    """client -> cpe (client-domain) -> gw (server-domain) -> server; each hop over another transport."""
    gw = make_relay(server, PASSING, clients=[gateway_entry("cpe")], active_but_terminating=AT_ONCE, **SERVER_DOMAIN)
    gw.start()
    cpe = make_relay(gw, {"transports": ["tcp"]}, name="cpe", active_but_terminating=AT_ONCE)
    return cpe.start(), gw


def test_three_hops(chain, above, make_client, make_session, pki, mitigator):
    cpe, gw = chain
    web = make_client(cpe, pki.certificate("web.test"))
    assert web.put(9, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert mitigator.live[job]["client"] == "gw"
    cuid = derived_cuid(pki.certificate("cpe.test"))
    # At the server: the cdid of the client domain, which is that of its gateway's key.
    (scope,) = above.request(GET, path(cdid=cuid, cuid=cuid)).scopes
    assert scope["target-prefix"] == [ONE]
    mid = scope["mid"]
    # One hop below: under the gateway's cuid and mid, with no cdid.
    below = make_session(gw, pki.certificate("cpe.test"), "tcp")
    (scope,) = below.request(GET, path(cuid=cuid)).scopes
    assert scope["target-prefix"] == [ONE] and scope["mid"] == mid != 9
    observer = web.observe(9)
    observer.wait_status("attack-mitigation-in-progress")
    mitigator.report(job, 2, bytes=12345)
    observer.wait_status("attack-successfully-mitigated", deadline=30)
    wait_for(lambda: web.get(9).scope.get("bytes-dropped") == "12345", "the counter")
    assert web.delete(9).code == "2.02"
    mitigator.wait_idle(30)


def test_rfc9132_4_4_1_2_cdid_of_a_gateway_below_must_be_stripped(chain, above, make_session, pki):
    """Of one that is a client like any other: its provider says who it is."""
    _, gw = chain
    below = make_session(gw, pki.certificate("cpe.test"))
    assert below.request(PUT, path(cdid="forged", cuid="a", mid=1), dots.request_body(ONE)).text == "2.01"
    assert above.request(GET, path(cdid="forged", cuid="a", mid=1)).text in ("4.01", "4.04")
    assert above.request(GET, path(cdid=derived_cuid(pki.certificate("cpe.test")), cuid="a", mid=1)).text == "2.05"


def test_two_enterprises_behind_one_provider(server, make_relay, make_client, above, pki, mitigator):
    """Each behind a gateway of its own, with the same mids: nothing of one meets anything of the other."""
    clients = [gateway_entry("cpe"), gateway_entry("cpe2")]
    gw = make_relay(server, PASSING, clients=clients, active_but_terminating=AT_ONCE, **SERVER_DOMAIN).start()
    webs = []
    for name in ("cpe", "cpe2"):
        cpe = make_relay(gw, name=name, active_but_terminating=AT_ONCE).start()
        webs.append(make_client(cpe, pki.certificate("web.test")))
    assert [web.put(1, prefix).code for web, prefix in zip(webs, (NET, ONE))] == ["2.01", "2.01"]
    mitigator.wait_prefixes(NET, ONE)
    for name, prefix in (("cpe", NET), ("cpe2", ONE)):
        cuid = derived_cuid(pki.certificate(f"{name}.test"))
        (scope,) = above.request(GET, path(cdid=cuid, cuid=cuid)).scopes
        assert scope["target-prefix"] == [prefix]
    mitigator.report(mitigator.wait_job(ONE), 2, bytes=1)
    wait_for(lambda: webs[1].status(1) == "attack-successfully-mitigated", lambda: f"status 2: {webs[1].get(1)}")
    assert webs[0].status(1) == "attack-mitigation-in-progress"
    assert webs[1].delete(1).code == "2.02"
    mitigator.wait_prefixes(NET)
    assert webs[0].status(1) == "attack-mitigation-in-progress"


def test_three_hops_with_the_middle_killed(server, make_relay, make_client, pki, mitigator):
    """kill -9 of the provider's gateway: what was said yes to goes on, what is asked meanwhile arrives, once."""
    gw = make_relay(server, PASSING, clients=[gateway_entry("cpe")], **SERVER_DOMAIN).start()
    cpe = make_relay(gw, name="cpe", response_wait="200ms").start()
    web = make_client(cpe, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    with silence(gw):
        gw.crash()
        assert web.put(2, TWO).code == "2.01"
        assert web.status(1) == "attack-mitigation-in-progress"
    mitigator.wait_prefixes(ONE, TWO, deadline=45)
    assert mitigator.wait_job(ONE) == job
    assert [line["op"] for line in mitigator.told].count("start") == 2
    mitigator.report(job, 2)
    wait_for(lambda: web.status(1) == "attack-successfully-mitigated", lambda: f"status 2: {web.get(1)}")


def test_three_hops_with_a_refusal_at_the_far_end(make_upstream, make_relay, make_client, pki):
    entry = gateway_entry(scopes={"prefixes": [ONE]}) | {"supplies-cdid": True}
    server = make_upstream(clients=[entry]).start()
    gw = make_relay(server, PASSING, clients=[gateway_entry("cpe")], **SERVER_DOMAIN).start()
    cpe = make_relay(gw, {"transports": ["tcp"]}, name="cpe").start()
    answer = make_client(cpe, pki.certificate("web.test")).put(1, TWO)
    assert answer.code == "4.03" and "203.0.113.2" in answer.reason, answer


# ---- Hop-Limit (RFC 8768) ----


def hops(limit):
    return [(Option.HOP_LIMIT, bytes([limit]))]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc8768_3_limit_that_is_used_up_is_5_08_with_the_gateways_name(gw, make_session, pki, mitigator, transport):
    raw = make_session(gw, pki.psk("shop"), transport)
    answer = raw.put("a", 1, dots.request_body(ONE), options=hops(1))
    assert answer.text == "5.08"
    assert answer.payload.decode() == "gw.test"
    assert raw.get("a").text == "4.04"
    assert mitigator.told == []


def test_rfc8768_3_limit_0_must_be_4_00(gw, make_session, pki):
    raw = make_session(gw, pki.psk("shop"))
    answer = raw.put("a", 1, dots.request_body(ONE), options=hops(0))
    assert answer.text == "4.00", answer
    assert raw.get("a").text == "4.04"


def test_rfc8768_4_names_of_those_on_the_way(chain, make_session, pki, mitigator):
    """Enough for the first gateway, not for the second: both are named, the nearest first."""
    cpe, _ = chain
    raw = make_session(cpe, pki.psk("shop"))
    answer = raw.put("a", 1, dots.request_body(ONE), options=hops(2))
    assert answer.text == "5.08"
    assert answer.payload.decode().split() == ["cpe.test", "gw.test"]
    assert raw.get("a").text == "4.04"
    assert mitigator.told == []


def test_rfc8768_3_limit_that_suffices(chain, make_session, pki, mitigator):
    cpe, _ = chain
    raw = make_session(cpe, pki.psk("shop"))
    assert raw.put("a", 1, dots.request_body(ONE), options=hops(4)).text == "2.01"
    mitigator.wait_prefixes(ONE)


def test_gateways_in_a_circle(make_gateway, make_client, pki):
    """one -> two -> one ..., over TCP: the request comes to an end, and the client is told; test_loop.py has more."""
    clients = {
        "one": [client_entry("shop", pki.psk("shop")), gateway_entry("two")],
        "two": [gateway_entry("one")],
    }
    gateways = {name: make_gateway(name, clients=clients[name], **SERVER_DOMAIN) for name in ("one", "two")}
    for name, other in (("one", "two"), ("two", "one")):
        entry = {"name": other, "servers": [gateways[other].server_entry()], "transports": ["tcp"]} | PASSING
        gateways[name].configure(upstreams=[entry | {"sessions": "per-client"}], response_wait="10s")
    for gateway in gateways.values():
        gateway.start()
    answer = make_client(gateways["one"], pki.psk("shop")).put(1, ONE)
    assert answer.code == "5.08" and answer.reason.split() == ["one.test", "two.test"], answer
