"""SIGUSR1: clients are sent elsewhere, and the gateway ends when they have gone (RFC 9132 section 4.6)."""

import signal
import time

import pytest

from fixtures import SOON_LOST, redirect_to
from load import Load, load_entries, prefix_of
from waiting import wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
IN_PROGRESS = "attack-mitigation-in-progress"


@pytest.fixture
def server(make_server, other):
    """Drains to `other`, which has another address and the same port."""
    return make_server(redirect=redirect_to(other), session_config=SOON_LOST)


def wait_end(server):
    wait_for(lambda: not server.running(), lambda: f"the end: {server.log[-1500:]}", 30)
    server.check_end()


def test_without_sessions_it_ends_at_once(server):
    server.process.signal(signal.SIGUSR1)
    wait_end(server)
    assert server.logged(" notice drained: 0 sessions are left")


def test_rfc9132_4_6_observers_are_told_and_move(server, other, make_client, pki, mitigator):
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe(1)
    observer.wait_status(IN_PROGRESS)
    mitigator.wait_job(ONE)
    server.process.signal(signal.SIGUSR1)
    other.wait_log(" session-up: client web on ")
    wait_end(server)
    assert mitigator.live, "mitigations go on: they are taken up again at the next start"


def test_rfc9132_4_6_new_sessions_are_redirected(server, other, make_client, make_session, pki):
    raw = make_session(server, pki.psk("shop"))
    assert raw.get("cuid").text == "4.04"
    server.process.signal(signal.SIGUSR1)
    server.wait_log(" notice drain: ")
    answer = raw.get("cuid")
    assert answer.text == "5.03"
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    other.mitigator.wait_job(ONE)
    raw.vanish()
    wait_end(server)


@pytest.fixture
def beating(make_server, mitigator, other, tmp_path, pki):
    """A server with one client that sends heartbeats each second, and drains to `other`."""
    psk = pki.psk("load")
    sections = {"clients": load_entries(psk, 1), "session_config": SOON_LOST}
    other.reload(**sections)
    server = make_server(redirect=redirect_to(other), **sections)
    load = Load(tmp_path, server, psk, 1, flags=["--heartbeat", 1, "--missing", 5])
    server.wait_log(" session-up: client load0 on ")
    yield server, load
    load.stop()


def answer_to(load):
    while (event := load.next(time.monotonic() + 20))["event"] != "answer":
        pass
    return event


def test_an_idle_session_moves_with_its_next_heartbeat(beating, other):
    server, _load = beating
    server.process.signal(signal.SIGUSR1)
    other.wait_log(" session-up: client load0 on ")
    wait_end(server)


def test_undrain_serves_again(server, make_client, make_session, pki, mitigator):
    raw = make_session(server, pki.psk("shop"))
    assert raw.get("cuid").text == "4.04"
    server.process.signal(signal.SIGUSR1)
    server.wait_log(" notice drain: ")
    assert raw.get("cuid").text == "5.03"
    server.process.signal(signal.SIGUSR2)
    server.wait_log(" notice undrain: ")
    assert raw.get("cuid").text == "4.04"
    assert make_client(server, pki.certificate("web.test")).put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)


def test_the_time_for_it_is_bounded(make_server, other, make_session, pki):
    server = make_server(redirect=redirect_to(other), gateway={"drain-time": "1s"})
    raw = make_session(server, pki.psk("shop"))
    assert raw.get("cuid").text == "4.04"
    server.process.signal(signal.SIGUSR1)
    wait_end(server)
    assert server.logged(" notice drained: 1 sessions are left, and the time is over")


def test_without_a_redirect_those_who_are_there_are_served_until_the_end(make_server, make_session, pki):
    server = make_server(gateway={"drain-time": "3s"})
    raw = make_session(server, pki.psk("shop"))
    assert raw.get("cuid").text == "4.04"
    server.process.signal(signal.SIGUSR1)
    server.wait_log(" warning drain: .*no redirect")
    assert raw.get("cuid").text == "4.04"
    assert make_session(server, pki.certificate("web.test")).get("cuid").text == "5.03"
    wait_end(server)


def test_who_moves_away_is_not_lost(beating, other, mitigator):
    """A preconfigured mitigation must not be activated because its client went where it was sent."""
    server, load = beating
    load.say("put", 0, 1, "3600!", prefix_of(0, 1))
    assert answer_to(load)["code"] == 201
    server.process.signal(signal.SIGUSR1)
    other.wait_log(" session-up: client load0 on ")
    wait_end(server)
    assert not mitigator.live and not server.logged(" signal-lost")
