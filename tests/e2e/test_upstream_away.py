"""An upstream that is down, silent, late, empty, or sends away: the request is kept, and delivered when it can be."""

import signal
import time

import pytest

from fixtures import AT_ONCE, gateway_entry
from gateway import client_entry
from network import silence
from pki import derived_cuid
from waiting import never_within, wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
RECONNECT = 45  # s until a silent upstream that came back is found; refused connections wait longer
NEXT_ATTEMPT = 100  # s: a gateway must not try again more often than each minute (RFC 9132 section 4.7)


@pytest.fixture(params=["gateway", "client"])
def identity(request):
    return request.param


@pytest.fixture
def server(make_upstream):
    return make_upstream()


@pytest.fixture
def gw(server, make_relay, identity):
    side = "server" if identity == "client" else "client"
    return make_relay(
        server, {"identity": identity}, gateway={"domain-side": side}, response_wait="500ms", active_but_terminating=AT_ONCE
    )


@pytest.fixture
def web(gw, make_client, pki):
    return make_client(gw, pki.certificate("web.test"))


def wait_status(client, mid, status, deadline=15):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}", deadline)


def starts(mitigator):
    return [line["op"] for line in mitigator.told].count("start")


# ---- Down or silent ----


def test_silent_at_start_then_there(server, gw, web, mitigator):
    with silence(server):
        gw.start()
        begin = time.monotonic()
        assert web.put(1, ONE).code == "2.01", "accepted: the gateway keeps trying"
        assert time.monotonic() - begin < 5
        assert web.status(1) == IN_PROGRESS
    job = mitigator.wait_job(ONE, RECONNECT)
    mitigator.report(job, 2, bytes=1)
    wait_status(web, 1, MITIGATED)
    assert starts(mitigator) == 1


def test_rfc9132_4_7_down_at_start_and_tried_again_each_minute(server, make_relay, make_client, pki, mitigator):
    gw = make_relay(server, response_wait="500ms", active_but_terminating=AT_ONCE).start()
    web = make_client(gw, pki.certificate("web.test"))
    gw.wait_log(" upstream-down: upstream isp: .*Next attempt in")
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    assert web.delete(2).code == "2.02"
    server.start()
    job = mitigator.wait_job(ONE, NEXT_ATTEMPT)
    mitigator.report(job, 2)
    wait_status(web, 1, MITIGATED)
    assert starts(mitigator) == 1, "what was withdrawn meanwhile is never mentioned"
    assert gw.logged(" upstream-up: upstream isp")


def test_killed_and_back_with_its_state(server, gw, web, mitigator):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    with silence(server):
        server.crash()
        assert web.put(2, TWO).code == "2.01"
        assert web.get(1).scope["status"] == IN_PROGRESS
    mitigator.wait_job(TWO, RECONNECT)
    mitigator.wait_prefixes(ONE, TWO)
    assert mitigator.wait_job(ONE) == job
    mitigator.report(job, 2)
    wait_status(web, 1, MITIGATED)


def test_back_empty(server, gw, web, mitigator):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    with silence(server):
        server.crash()
        for file in server.state.iterdir():
            file.unlink()
        (mitigator.directory / "told").unlink()
        assert web.delete(2).code == "2.02"
    mitigator.report(mitigator.wait_job(ONE, RECONNECT), 2)
    wait_status(web, 1, MITIGATED)
    mitigator.wait_prefixes(ONE)


def test_withdrawn_while_away(server, gw, web, mitigator):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    with silence(server):
        server.crash()
        assert web.delete(1).code == "2.02"
    mitigator.wait_idle(RECONNECT)
    assert web.status(1) in (None, "attack-mitigation-terminated")


# ---- Late ----


def test_late_answer_is_no_loss(server, gw, web, mitigator):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    server.process.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        assert web.put(2, TWO).code == "2.01"
        assert 0.4 < time.monotonic() - begin < 5, "after response-wait"
        assert web.status(2) == IN_PROGRESS
    finally:
        server.process.signal(signal.SIGCONT)
    mitigator.wait_prefixes(ONE, TWO)
    mitigator.report(mitigator.wait_job(TWO), 2)
    wait_status(web, 2, MITIGATED)
    assert starts(mitigator) == 2, "installed once"


def test_late_refusal_is_told(make_upstream, make_relay, make_client, pki):
    server = make_upstream(clients=[gateway_entry(scopes={"prefixes": [ONE]})]).start()
    gw = make_relay(server, response_wait="500ms").start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    server.process.signal(signal.SIGSTOP)
    try:
        assert web.put(2, TWO).code == "2.01"
        observer = web.observe(2)
        observer.wait_status(IN_PROGRESS)
    finally:
        server.process.signal(signal.SIGCONT)
    observer.wait_status(IN_PROGRESS, "attack-mitigation-withdrawn")


# ---- The gateway away ----


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_gateway_restarted(server, gw, web, mitigator, end):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    job = mitigator.wait_job(ONE)
    mitigator.wait_prefixes(ONE, TWO)
    getattr(gw, end)()
    mitigator.report(job, 2, bytes=77)
    gw.start()
    wait_status(web, 1, MITIGATED)
    assert web.get(1).scope["bytes-dropped"] == "77"
    assert starts(mitigator) == 2, "installed once each"
    assert web.put(3, "203.0.113.3/32").code == "2.01", "with mids that rise on"
    assert web.delete(1).code == "2.02"
    mitigator.wait_prefixes(TWO, "203.0.113.3/32")


def test_both_restarted(server, gw, web, mitigator):
    server.start()
    gw.start()
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    gw.crash()
    server.restart()
    gw.start()
    assert web.status(1) == IN_PROGRESS
    mitigator.report(mitigator.wait_job(ONE), 2)
    wait_status(web, 1, MITIGATED)
    mitigator.wait_prefixes(ONE)


def test_gateway_that_lost_its_state_cleans_up(server, make_relay, make_client, pki, mitigator):
    """Under a cuid of its own, what the gateway does not know is withdrawn; with clients' cuids it cannot know."""
    server.start()
    gw = make_relay(server).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    gw.crash()
    for file in gw.state.iterdir():
        file.unlink()
    gw.start()
    assert web.put(1, TWO).code == "2.01"
    mitigator.wait_prefixes(TWO, deadline=30)


# ---- Redirected ----


def full(gateway, make_session, credentials):
    """Takes the only place of a server whose session limit is 1."""
    session = make_session(gateway, credentials, "tcp")
    assert session.get(derived_cuid(credentials)).text == "4.04"
    return session


def test_rfc9132_4_6_redirection_is_followed(make_upstream, make_relay, make_client, make_session, make_mitigator, pki):
    other, clients = make_mitigator("other"), [gateway_entry(), client_entry("other", pki.psk("other"))]
    alternate = make_upstream("alternate", clients=clients, mitigators=[other.config()]).start()
    redirect = {"alt-server": alternate.host, "addresses": [alternate.address]}
    quiet = {"heartbeat-interval": 60}  # of the session that takes the place
    server = make_upstream(clients=clients, limits={"sessions": 1}, redirect=redirect, session_config=quiet).start()
    full(server, make_session, pki.psk("other"))
    gw = make_relay(server).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    job = other.wait_job(ONE, 30)
    other.report(job, 2)
    wait_status(web, 1, MITIGATED)


def test_rfc9132_4_6_circle_of_redirections_must_be_left(make_upstream, make_relay, make_client, make_session, make_mitigator, pki):
    """Two full servers send to each other: the gateway stops following, keeps the request, tells the operator."""
    clients = [gateway_entry(), client_entry("other", pki.psk("other"))]
    mitigators = {name: make_mitigator(name) for name in ("one", "two")}
    servers = {
        name: make_upstream(name, clients=clients, mitigators=[mitigators[name].config()], limits={"sessions": 1})
        for name in mitigators
    }
    for name, to in (("one", "two"), ("two", "one")):
        redirect = {"alt-server": servers[to].host, "addresses": [servers[to].address]}
        servers[name].configure(redirect=redirect, session_config={"heartbeat-interval": 60})
        servers[name].start()
    holders = {name: full(servers[name], make_session, pki.psk("other")) for name in servers}
    gw = make_relay(servers["one"], response_wait="500ms").start()
    web = make_client(gw, pki.certificate("web.test"))
    answer = web.put(1, ONE)
    gw.wait_log(" redirect-\\w+: ")
    attempts = [len(server.logged("session-limit")) for server in servers.values()]
    never_within(
        lambda: sum(len(server.logged("session-limit")) for server in servers.values()) > sum(attempts) + 4,
        3,
        "around and around",
    )
    if answer.code == "2.01":
        assert web.status(1) == IN_PROGRESS
        for holder in holders.values():
            holder.close()
        wait_for(lambda: any(mitigator.prefixes() for mitigator in mitigators.values()), "the delivery", NEXT_ATTEMPT)
    else:
        assert answer.code == "5.03" and answer.reason
