"""An enterprise with two providers, on hosts of their own: links between them are cut and restored meanwhile.

web, shop and depot -- cpe -- isp-a, with a mitigator
                           \\- isp-b, with a mitigator, -- fed, a provider that helps isp-b
"""

import collections
import types

import pytest

from fixtures import AT_ONCE, SOON_LOST, gateway_entry, standard_clients
from gateway import client_entry
from namespaces import namespaces
from waiting import never_within, wait_for

A, B = "203.0.113.0/25", "203.0.113.128/25"  # provider-aggregatable: of isp-a and of isp-b
A1, A2, A3 = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"
B1, B2, B3 = "203.0.113.129/32", "203.0.113.130/32", "203.0.113.131/32"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
EXCEEDED = "attack-exceeded-capability"
SECOND = {"min": 1, "max": 240, "current": 1}
LOST = {"heartbeat-interval": SECOND, "missing-hb-allowed": {"min": 1, "max": 20, "current": 2}}
PATIENCE = {"heartbeat-interval": SECOND, "missing-hb-allowed": {"min": 1, "max": 20, "current": 20}}
LINKS = [("web", "cpe"), ("shop", "cpe"), ("depot", "cpe"), ("cpe", "isp-a"), ("cpe", "isp-b"), ("isp-b", "fed")]
RECONNECT = 60  # s until a link that was given up is tried again


@pytest.fixture
def net():
    with namespaces() as made:
        yield made


@pytest.fixture
def enterprise(net, make_gateway, make_mitigator, make_client, pki):
    """enterprise(fan_out, session_config): all of it, started."""
    hosts = {name: net.host(name) for name in ("web", "shop", "depot", "cpe", "isp-a", "isp-b", "fed")}

    def make(fan_out="by-prefix", session_config=SOON_LOST):
        made = types.SimpleNamespace(hosts=hosts)
        made.links = {(one, other): net.link(hosts[one], hosts[other]) for one, other in LINKS}
        made.scrubbers = {name: make_mitigator(name) for name in ("isp-a", "isp-b", "fed")}
        settings = {"active_but_terminating": AT_ONCE, "session_config": session_config, "response_wait": "300ms"}

        def house(name, **sections):
            return hosts[name].house(make_gateway(name, **(settings | sections)))

        def server(name, below, **sections):
            return house(name, clients=[gateway_entry(below)], mitigators=[made.scrubbers[name].config()], **sections)

        made.fed = server("fed", "isp-b")
        made.a = server("isp-a", "cpe")
        helper = {"name": "fed", "servers": [made.fed.server_entry()], "transports": ["udp"]}
        made.b = server("isp-b", "cpe", upstreams=[helper], recursion="on-exceeded")
        upstreams = [
            {"name": "isp-a", "servers": [made.a.server_entry()], "transports": ["udp"], "owns": [A]},
            {"name": "isp-b", "servers": [made.b.server_entry()], "transports": ["udp"], "owns": [B]},
        ]
        clients = [*standard_clients(pki), client_entry("depot", "depot.test")]
        made.cpe = house("cpe", clients=clients, upstreams=upstreams, fan_out=fan_out)
        for gateway in (made.fed, made.a, made.b, made.cpe):
            gateway.start()
        made.b.wait_log(" upstream-connected: ")
        made.cpe.wait_log(" upstream-connected: ", 2)
        for name, credentials, transport in (
            ("web", pki.certificate("web.test"), "udp"),
            ("shop", pki.psk("shop"), "udp"),
            ("depot", pki.certificate("depot.test"), "tcp"),
        ):
            client = make_client(made.cpe, credentials, transport)
            client.within = hosts[name].within
            setattr(made, name, client)
        return made

    return make


def wait_status(client, mid, status, deadline=20):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}", deadline)


def assert_none_doubled(*mitigators):
    """Each prefix was started once, ever."""
    for mitigator in mitigators:
        jobs = {(tuple(job["scope"]["target-prefix"]), job["id"]) for job in mitigator.told if job["op"] == "start"}
        count = collections.Counter(prefixes for prefixes, _ in jobs)
        assert set(count.values()) <= {1}, f"{mitigator.name} was told {mitigator.told}"


@pytest.mark.parametrize("end", ["cpe", "isp-a"])
def test_one_provider_is_cut_off_for_a_moment(enterprise, end):
    """Shorter than it takes to give up the session: what was asked meanwhile arrives, and statuses go on."""
    made = enterprise(session_config=PATIENCE)
    a, b = made.scrubbers["isp-a"], made.scrubbers["isp-b"]
    assert made.web.put(1, A1).code == "2.01"
    assert made.shop.put(1, A2, B2).code == "2.01"
    a.wait_prefixes(A1, A2)
    b.wait_prefixes(B2)
    link = made.links["cpe", "isp-a"]
    link.cut(made.hosts[end])
    assert made.depot.put(1, A3).code == "2.01", "accepted, and kept"
    assert made.depot.put(2, B3).code == "2.01"
    assert made.shop.delete(1).code == "2.02"
    a.report(a.wait_job(A1), 2, pkts=7)
    b.wait_prefixes(B3)  # the other provider is served meanwhile
    assert made.web.status(1) == made.depot.status(1) == IN_PROGRESS
    link.restore()
    a.wait_prefixes(A1, A3)
    wait_status(made.web, 1, MITIGATED)
    assert made.web.get(1).scope["pkts-dropped"] == "7"
    a.report(a.wait_job(A3), 2)
    wait_status(made.depot, 1, MITIGATED)
    assert_none_doubled(a, b)
    assert len(made.a.logged(" session-up: client cpe ")) == 1


def test_one_provider_is_given_up_and_comes_back(enterprise):
    """The session is lost: a new one takes its place, finds what is there, and brings what is missing."""
    made = enterprise(session_config=LOST)
    a, b = made.scrubbers["isp-a"], made.scrubbers["isp-b"]
    assert made.web.put(1, A1).code == "2.01"
    assert made.shop.put(1, A2, B2).code == "2.01"
    a.wait_prefixes(A1, A2)
    link = made.links["cpe", "isp-a"]
    link.cut(made.hosts["isp-a"])
    made.a.wait_log(" session-lost: client cpe ")
    assert made.depot.put(1, A3).code == "2.01"
    assert made.shop.delete(1).code == "2.02"
    assert made.web.put(1, A1, lifetime=7200).code == "2.04"
    assert a.prefixes() == [[A1], [A2]], "what it has goes on"
    link.restore()
    a.wait_prefixes(A1, A3, deadline=RECONNECT)
    b.wait_idle()
    a.report(a.wait_job(A1), 2)
    wait_status(made.web, 1, MITIGATED)
    assert_none_doubled(a, b)


def test_provider_that_helps_is_cut_off_when_it_is_needed(enterprise):
    """isp-b is exceeded while its link to fed is down: fed is asked when it is back, and withdrawn from at the end."""
    made = enterprise(session_config=PATIENCE)
    b, fed = made.scrubbers["isp-b"], made.scrubbers["fed"]
    assert made.shop.put(1, B1).code == "2.01"
    assert made.web.put(1, B2).code == "2.01"
    job = b.wait_job(B1)
    b.report(job, 2, bytes=10)
    wait_status(made.shop, 1, MITIGATED)
    link = made.links["isp-b", "fed"]
    link.cut()
    b.report(job, 4, bytes=20)
    wait_status(made.shop, 1, EXCEEDED)
    link.restore()
    help = fed.wait_job(B1, 30)
    assert fed.live[help]["client"] == "isp-b"
    fed.report(help, 2, bytes=5)
    wait_status(made.shop, 1, MITIGATED)
    wait_for(lambda: made.shop.get(1).scope["bytes-dropped"] == "25", "the sum of both")
    assert fed.prefixes() == [[B1]] and made.web.status(1) == IN_PROGRESS, "web was not exceeded"
    link.cut()
    assert made.shop.delete(1).code == "2.02"
    b.wait_prefixes(B2)
    link.restore()
    fed.wait_idle(30)
    assert made.web.status(1) == IN_PROGRESS
    assert_none_doubled(b, fed)


def test_fan_out_to_all_while_one_is_cut_off(enterprise):
    """PI addresses: both providers are asked for all; overlaps of clients are one request; nobody cancels anybody."""
    made = enterprise(fan_out="all", session_config=PATIENCE)
    a, b = made.scrubbers["isp-a"], made.scrubbers["isp-b"]
    assert made.web.put(1, A).code == "2.01"
    for mitigator in (a, b):
        mitigator.wait_prefixes(A)
    link = made.links["cpe", "isp-b"]
    link.cut()
    assert made.shop.put(1, A1).code == "2.01", "covered by what is there: nothing to be sent"
    assert made.depot.put(1, B1).code == "2.01", "isp-a has it"
    a.wait_prefixes(A, B1)
    a.report(a.wait_job(A), 2)
    assert made.web.delete(1).code == "2.02"
    a.wait_prefixes(A1, B1)
    assert b.prefixes() == [[A]]
    assert made.shop.status(1) == IN_PROGRESS
    link.restore()
    b.wait_prefixes(A1, B1)
    for mitigator in (a, b):
        mitigator.report(mitigator.wait_job(A1), 2)
    wait_status(made.shop, 1, MITIGATED)
    wait_status(made.depot, 1, IN_PROGRESS)
    assert_none_doubled(a, b)
    assert made.depot.delete(1).code == made.shop.delete(1).code == "2.02"
    for mitigator in (a, b):
        mitigator.wait_idle()


def test_client_that_is_cut_off_is_helped_and_nobody_else_is_touched(enterprise):
    """Its link is full of the attack: what it had put ready begins at both providers (RFC 9132 section 4.7)."""
    made = enterprise(session_config=LOST)
    a, b = made.scrubbers["isp-a"], made.scrubbers["isp-b"]
    made.web.hold()
    assert made.web.put(1, A1, B1, flags=["--preconfigured"]).code == "2.01"
    assert made.shop.put(1, A2).code == "2.01"
    a.wait_prefixes(A2)
    never_within(lambda: b.told, 0.3, "it waits")
    link = made.links["web", "cpe"]
    link.cut()
    a.wait_prefixes(A1, A2, deadline=30)
    b.wait_prefixes(B1)
    link.restore()
    for mitigator, prefix in ((a, A1), (b, B1)):
        mitigator.report(mitigator.wait_job(prefix), 2)
    wait_status(made.web, 1, MITIGATED)
    assert made.shop.status(1) == IN_PROGRESS


def test_gateway_killed_while_it_is_cut_off(enterprise):
    """kill -9 between two providers, of which it reaches one: it keeps what it said yes to, and delivers it."""
    made = enterprise()
    a, b = made.scrubbers["isp-a"], made.scrubbers["isp-b"]
    assert made.web.put(1, A1, B1).code == "2.01"
    a.wait_prefixes(A1)
    b.wait_prefixes(B1)
    link = made.links["cpe", "isp-b"]
    link.cut(made.hosts["isp-b"])
    assert made.shop.put(1, A2, B2).code == "2.01"
    a.wait_prefixes(A1, A2)
    assert made.web.delete(1).code == "2.02"
    a.wait_prefixes(A2)
    made.cpe.crash()
    link.restore()
    made.cpe.start()
    b.wait_prefixes(B2, deadline=30)
    a.wait_prefixes(A2)
    a.report(a.wait_job(A2), 2)
    b.report(b.wait_job(B2), 2)
    wait_status(made.shop, 1, MITIGATED)
    assert_none_doubled(a, b)
