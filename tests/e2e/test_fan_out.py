"""Two providers, each with addresses of its own (RFC 9284): a request goes to who owns what it is about."""

import types

import pytest

from fixtures import AT_ONCE, gateway_entry
from waiting import never_within, wait_for

A, B = "203.0.113.0/25", "203.0.113.128/25"
A1, B1, NET = "203.0.113.1/32", "203.0.113.129/32", "203.0.113.0/24"
MITIGATED = "attack-successfully-mitigated"


@pytest.fixture
def providers(make_upstream, make_relay, make_client, make_mitigator, pki):
    """providers(a, b): what the servers a and b grant; a gateway of web between, started."""

    def make(a=None, b=None, **sections):
        made = types.SimpleNamespace(a=make_mitigator("a"), b=make_mitigator("b"), servers=[])
        upstreams = []
        for name, owns, mitigator, grant in (("isp-a", A, made.a, a), ("isp-b", B, made.b, b)):
            server = make_upstream(name, clients=[gateway_entry(**(grant or {}))], mitigators=[mitigator.config()])
            made.servers.append(server.start())
            upstreams.append({"name": name, "servers": [server.server_entry()], "transports": ["udp"], "owns": [owns]})
        made.gw = make_relay(made.servers[0], **({"active_but_terminating": AT_ONCE} | sections))
        made.gw.configure(upstreams=upstreams, fan_out="by-prefix")
        made.gw.start()
        made.web = make_client(made.gw, pki.certificate("web.test"))
        return made

    return make


@pytest.mark.parametrize("identity", ["gateway", "client"])
def test_each_gets_what_it_owns_and_a_wider_prefix_is_split(providers, identity):
    made = providers()
    side = {"domain-side": "server" if identity == "client" else "client"}
    made.gw.configure(
        gateway=side, upstreams=[entry | {"identity": identity} for entry in made.gw.sections["upstreams"]]
    )
    made.gw.restart()
    assert made.web.put(1, A1).code == "2.01"
    made.a.wait_prefixes(A1)
    assert made.web.put(2, B1).code == "2.01"
    made.b.wait_prefixes(B1)
    assert made.web.delete(1).code == "2.02"
    made.a.wait_idle()
    assert made.web.put(3, NET).code == "2.01"
    made.a.wait_prefixes(A)
    made.b.wait_prefixes(B)
    made.a.report(made.a.wait_job(A), 2, bytes=3)
    made.b.report(made.b.wait_job(B), 2, bytes=4)
    wait_for(lambda: made.web.status(3) == MITIGATED, lambda: f"both: {made.web.get(3)}")
    wait_for(lambda: made.web.get(3).scope["bytes-dropped"] == "7", "the sum")
    assert made.web.delete(3).code == "2.02"
    made.a.wait_idle()
    made.b.wait_idle()


@pytest.mark.parametrize("prefixes", [["2001:db8:6401::1/128"], [A1, "2001:db8:6401::1/128"]])
def test_owned_by_nobody_is_refused_with_the_prefix(providers, prefixes):
    made = providers()
    answer = made.web.put(1, *prefixes)
    assert answer.code == "4.03" and "2001:db8:6401::1/128" in answer.reason, answer
    assert made.web.get().code == "4.04"
    never_within(lambda: made.a.told or made.b.told, 0.3, "asked for all the same")


def test_refused_by_one_of_two_is_refused(providers):
    """The other is withdrawn, and the client may ask for less."""
    made = providers(b={"scopes": {"prefixes": [A1]}})
    answer = made.web.put(1, A1, B1)
    assert answer.code == "4.03" and "isp-b" in answer.reason and "203.0.113.129" in answer.reason, answer
    made.a.wait_idle()
    assert made.b.told == []
    assert made.web.put(2, A1).code == "2.01"
    made.a.wait_prefixes(A1)


def test_killed_between_two_parts(providers):
    """kill -9 while one provider is away: what was accepted arrives there, and is not doubled at the other."""
    made = providers(response_wait="200ms")
    made.servers[1].crash()
    assert made.web.put(1, A1, B1).code == "2.01"
    made.a.wait_prefixes(A1)
    made.gw.crash()
    made.servers[1].start()
    made.gw.start()
    made.b.wait_prefixes(B1, deadline=30)
    made.a.wait_prefixes(A1)
    assert [line["op"] for line in made.a.told].count("start") == 1
    made.a.report(made.a.wait_job(A1), 2)
    made.b.report(made.b.wait_job(B1), 2)
    wait_for(lambda: made.web.status(1) == MITIGATED, lambda: f"both: {made.web.get(1)}")
