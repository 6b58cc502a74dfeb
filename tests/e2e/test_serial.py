"""fan-out serial: one server after the other, never two at once, and back for what is new."""

import signal

import pytest

from fixtures import AT_ONCE, gateway_entry
from waiting import never_within, wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
RECONNECT = 75  # s: a gateway must not try again more often than each minute (RFC 9132 section 4.7)


@pytest.fixture(params=["udp", "tcp"])
def north(request):
    """The transport to the servers."""
    return request.param


@pytest.fixture
def scrubbers(make_mitigator):
    return {name: make_mitigator(name) for name in ("first", "second")}


@pytest.fixture
def servers(make_upstream, scrubbers):
    return {name: make_upstream(name, mitigators=[scrubber.config()]).start() for name, scrubber in scrubbers.items()}


@pytest.fixture
def make_serial(make_relay, servers):
    """make_serial(transport, **sections): a gateway that prefers the first server; not started."""

    def make(transport="tcp", **sections):
        entries = [
            {"name": name, "servers": [server.server_entry()], "transports": [transport]}
            for name, server in servers.items()
        ]
        gw = make_relay(servers["first"], active_but_terminating=AT_ONCE, **sections)
        gw.configure(upstreams=entries, fan_out="serial", failover_wait="3s")
        return gw

    return make


@pytest.fixture
def gw(make_serial):
    return make_serial().start()


@pytest.fixture
def web(gw, make_client, pki):
    return make_client(gw, pki.certificate("web.test"), "tcp")


def wait_status(client, mid, status, deadline=15):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}", deadline)


def starts(scrubber):
    return [line["op"] for line in scrubber.told].count("start")


def test_killed_then_the_next_and_back_for_what_is_new(make_serial, make_client, pki, servers, scrubbers, north):
    gw = make_serial(north).start()
    web = make_client(gw, pki.certificate("web.test"), "tcp")
    assert web.put(1, ONE).code == "2.01"
    scrubbers["first"].wait_job(ONE)
    servers["first"].crash()
    job = scrubbers["second"].wait_job(ONE, 30)
    scrubbers["second"].report(job, 2, bytes=7)
    wait_status(web, 1, MITIGATED)
    assert web.put(2, TWO).code == "2.01"
    scrubbers["second"].wait_job(TWO)
    servers["first"].start()
    gw.wait_log(" failover: upstream first cannot be reached| failover: upstream first does not answer")
    wait_for(
        lambda: len(gw.logged(" session-up: upstream first")) > 1,
        lambda: f"the first one to be back: {gw.log[-2000:]}",
        RECONNECT,
    )
    scrubbers["first"].wait_idle(30)  # what it had is withdrawn there
    assert web.put(3, "203.0.113.3/32").code == "2.01"
    scrubbers["first"].wait_job("203.0.113.3/32")
    scrubbers["first"].wait_prefixes("203.0.113.3/32")
    scrubbers["second"].wait_prefixes(ONE, TWO)  # what runs stays where it is
    assert web.put(4, NET).code == "2.01", "overlaps all of them"
    wait_for(
        lambda: sorted(len(scrubber.prefixes()) for scrubber in scrubbers.values()) == [0, 1],
        lambda: f"one server with all of it: { {name: each.prefixes() for name, each in scrubbers.items()} }",
        30,
    )


def test_frozen_server_is_silent_and_told_when_it_thaws(gw, web, servers, scrubbers):
    gw.wait_log(" session-up: upstream first")
    servers["first"].process.signal(signal.SIGSTOP)
    try:
        assert web.put(1, ONE).code == "2.01"
        assert web.status(1) == IN_PROGRESS
        scrubbers["second"].report(scrubbers["second"].wait_job(ONE, 30), 2)
        wait_status(web, 1, MITIGATED)
    finally:
        servers["first"].process.signal(signal.SIGCONT)
    gw.wait_log(" failover: upstream first (answers again|is back)| session-up: upstream first.*", 2)
    assert web.put(2, TWO).code == "2.01"
    scrubbers["first"].wait_prefixes(TWO, deadline=30)  # and what was sent to it before is gone
    assert web.status(1) == MITIGATED
    assert scrubbers["second"].prefixes() and starts(scrubbers["second"]) == 1


def test_refused_by_the_first(make_serial, make_client, pki, servers, scrubbers):
    servers["first"].stop()
    servers["first"].configure(clients=[gateway_entry(scopes={"prefixes": [ONE]})])
    servers["first"].start()
    web = make_client(make_serial().start(), pki.certificate("web.test"), "tcp")
    assert web.put(1, TWO).code == "2.01"
    scrubbers["second"].wait_job(TWO)
    assert web.put(2, ONE).code == "2.01"
    scrubbers["first"].wait_job(ONE)


def test_exceeded_moves_on_and_never_two_at_once(web, scrubbers):
    assert web.put(1, ONE).code == "2.01"
    job = scrubbers["first"].wait_job(ONE)
    scrubbers["first"].report(job, 2, bytes=1000)
    wait_status(web, 1, MITIGATED)
    scrubbers["first"].report(job, 4, bytes=2000)
    job = scrubbers["second"].wait_job(ONE)
    scrubbers["first"].wait_idle()
    scrubbers["second"].report(job, 2, bytes=30)
    wait_status(web, 1, MITIGATED)
    assert web.get(1).scope["bytes-dropped"] == "2030"


def test_restarted_it_stays_where_it_is(make_serial, make_client, pki, scrubbers):
    gw = make_serial().start()
    web = make_client(gw, pki.certificate("web.test"), "tcp")
    assert web.put(1, ONE).code == "2.01"
    scrubbers["first"].report(scrubbers["first"].wait_job(ONE), 4)
    scrubbers["second"].wait_job(ONE)
    gw.crash()
    gw.start()
    assert web.put(1, ONE, lifetime=7200).code == "2.04"
    never_within(lambda: scrubbers["first"].prefixes(), 3, "a second time")
    scrubbers["second"].wait_prefixes(ONE)
    assert starts(scrubbers["second"]) == 1
    assert web.delete(1).code == "2.02"
    scrubbers["second"].wait_idle()
