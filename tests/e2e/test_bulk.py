"""Requests of very many prefixes, very wide ones, and very many of the same: split, united or clearly refused."""

import ipaddress
import time

import pytest

import dots
from coap import Option, block
from fixtures import AT_ONCE, gateway_entry, standard_clients
from gateway import client_entry
from load import NO_LIMITS, Load
from waiting import wait_for

ONE, NET = "2001:db8:6401:ffff::1/128", "2001:db8:6401::/48"
MANY = 2000
PLENTY = {"mitigations": 100000, "requests-per-second": 100000, "cuids": 1000}
LARGE = {"body-size": 65536, "requests-per-source": 1000000}


def addresses(count, site=0):
    """None beside another: they cannot be united."""
    return [f"2001:db8:6401:{site:x}::{2 * i:x}/128" for i in range(count)]


def put(raw, cuid, mid, prefixes, size=1024):
    """A large body goes in pieces (RFC 7959)."""
    body = dots.request_body(*prefixes)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    for i, part in enumerate(parts):
        options = [(Option.BLOCK1, block(i, i + 1 < len(parts), size))]
        answer = raw.put(cuid, mid, part, options=options, seconds=30)
        if answer.text != "2.31":
            break
    return answer


@pytest.fixture
def chain(make_upstream, make_relay, make_session, pki):
    """chain(**limits of the gateway at the server): sessions of web and shop with the gateway."""

    def make(**limits):
        server = make_upstream("isp", clients=[gateway_entry(limits=PLENTY | limits)], limits=LARGE).start()
        clients = standard_clients(pki, limits=PLENTY)
        gw = make_relay(server, clients=clients, limits=LARGE, response_wait="30s", active_but_terminating=AT_ONCE)
        gw.start()
        return [make_session(gw, who, "tcp") for who in (pki.certificate("web.test"), pki.psk("shop"))]

    return make


def networks(prefixes):
    return sorted(map(ipaddress.ip_network, prefixes))


def installed(mitigator):
    return networks(prefix for job in mitigator.live.values() for prefix in job["scope"]["target-prefix"])


def test_thousands_of_prefixes_are_split_into_requests_that_fit(chain, mitigator):
    web, shop = chain()
    assert put(web, "a", 1, addresses(MANY)).text == "2.01"
    wait_for(lambda: len(installed(mitigator)) >= MANY, "all of them")
    assert len(mitigator.live) > 10
    assert installed(mitigator) == networks(addresses(MANY)), "each once"
    # Who overlaps shares the bundle, and is answered without anything being sent.
    told = len(mitigator.told)
    assert shop.put("b", 1, dots.request_body(addresses(8)[0], addresses(MANY)[-1])).text == "2.01"
    assert shop.put("b", 2, dots.request_body(ONE)).text == "2.01"
    wait_for(lambda: networks([ONE])[0] in installed(mitigator), "what is apart")
    assert len(mitigator.told) == told + 1
    # All of it in one prefix, and in parts again.
    assert web.put("c", 1, dots.request_body(NET)).text == "2.01"
    mitigator.wait_prefixes(NET)
    assert web.delete("a", 1).text == web.delete("c", 1).text == "2.02"
    rest = networks([ONE, addresses(1)[0], addresses(MANY)[-1]])
    wait_for(lambda: installed(mitigator) == rest, lambda: f"what shop asks for: {installed(mitigator)}")


def test_more_than_the_upstream_accepts_is_refused_as_a_whole(chain, mitigator):
    web, shop = chain(mitigations=5)
    assert shop.put("b", 1, dots.request_body(ONE)).text == "2.01"
    answer = put(web, "a", 1, addresses(MANY))
    assert answer.text == "5.03" and "isp" in answer.reason and answer.number(Option.MAX_AGE), answer
    mitigator.wait_prefixes(ONE)
    assert web.get("a").text == "4.04"
    assert web.put("a", 2, dots.request_body(*addresses(20))).text == "2.01", "less can be had"
    assert shop.get("b", 1).scopes[0]["status"] == 1


def test_client_of_large_requests_does_not_slow_down_the_others(chain, mitigator):
    """One client's requests grow into a bundle of thousands; another one, in it or apart, is answered meanwhile."""
    web, shop = chain()
    shared = "2001:db8:6401:aaaa::/64"
    for i in range(4):
        assert put(web, f"a{i}", 1, [shared, *addresses(1500, i)]).text == "2.01"
    waits = []
    for i in range(20):
        begin = time.monotonic()
        prefix = ONE if i % 2 else "2001:db8:6401:aaaa::1/128"
        assert shop.put("b", i + 1, dots.request_body(prefix)).text == "2.01"
        assert shop.delete("b", i + 1).text == "2.02"
        waits.append(time.monotonic() - begin)
    assert max(waits) < 5, waits  # under sanitizers on a busy machine; it took seconds each


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0"])
def test_all_addresses_are_nobodys(common, prefix):
    answer = common.raw.put("a", 1, dots.request_body(prefix))
    assert answer.text in ("4.00", "4.03") and prefix in answer.reason, answer
    assert common.raw.get("a").text == "4.04"


def test_more_prefixes_than_a_message_may_have(make_server, make_session, pki):
    raw = make_session(make_server(limits=LARGE), pki.psk("shop"))
    answer = put(raw, "a", 1, ["203.0.113.1/32"] * 4097)
    assert answer.text in ("4.00", "4.13") and "target-prefix" in answer.reason, answer
    assert put(raw, "a", 1, ["203.0.113.1/32"] * 4000).text == "2.01"


def test_a_hundred_clients_ask_for_the_same(make_upstream, make_gateway, mitigator, pki, tmp_path):
    """One request upstream, which ends with the last of them."""
    server = make_upstream(clients=[gateway_entry(limits=PLENTY)]).start()
    psk, sessions = pki.psk("load"), 100
    clients = [client_entry(f"load{i}") | {"identities": [psk.config() | {"psk": f"load{i}"}]} for i in range(sessions)]
    upstream = {"name": "isp", "servers": [server.server_entry()], "transports": ["udp"]}
    settings = {"limits": NO_LIMITS, "active_but_terminating": AT_ONCE, "response_wait": "10s"}
    gw = make_gateway("gw", clients=clients, upstreams=[upstream], **settings).start()
    load = Load(tmp_path, gw, psk, sessions)

    def answered(say, some, code):
        for session in some:
            say(session)
        left, end = set(some), time.monotonic() + 30
        while left:
            event = load.next(end)
            assert event, f"no answer for {left}"
            if event["event"] == "answer":
                assert event["code"] == code, event
                left.remove(event["session"])

    prefix = "203.0.113.0/28"
    answered(lambda session: load.put(session, 1, prefix), range(sessions), 201)
    mitigator.wait_prefixes(prefix)
    answered(lambda session: load.say("delete", session, 1), range(sessions - 1), 202)
    assert [line["op"] for line in mitigator.told] == ["start"]
    answered(lambda session: load.say("delete", session, 1), [sessions - 1], 202)
    mitigator.wait_idle()
    load.stop()
