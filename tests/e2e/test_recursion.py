"""A provider with a mitigator of its own, and another provider that helps it (draft section "Recursive Signaling")."""

import pytest

from fixtures import AT_ONCE, gateway_entry
from waiting import never_within, wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
EXCEEDED = "attack-exceeded-capability"


@pytest.fixture
def own(make_mitigator):
    return make_mitigator("own")


@pytest.fixture
def provider(make_upstream, make_relay, own):
    """provider(recursion): the gateway, started, with the mitigator `own`; the one that helps has `mitigator`."""

    def make(recursion, **sections):
        settings = {"active_but_terminating": AT_ONCE, "recursion": recursion, "mitigators": [own.config()]}
        return make_relay(make_upstream().start(), **(settings | sections)).start()

    return make


@pytest.fixture
def connect(make_client, pki):
    return lambda gateway: make_client(gateway, pki.certificate("web.test"))


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}")


def test_never(provider, connect, own, mitigator):
    web = connect(provider("never"))
    assert web.put(1, ONE).code == "2.01"
    own.report(own.wait_job(ONE), 4)
    wait_status(web, 1, EXCEEDED)
    never_within(lambda: mitigator.told, 0.5, "asked")


def test_always(provider, connect, own, mitigator):
    web = connect(provider("always"))
    assert web.put(1, ONE).code == "2.01"
    jobs = own.wait_job(ONE), mitigator.wait_job(ONE)
    own.report(jobs[0], 2, bytes=1)
    mitigator.report(jobs[1], 2, bytes=2)
    wait_status(web, 1, MITIGATED)
    wait_for(lambda: web.get(1).scope["bytes-dropped"] == "3", "the sum")
    assert web.delete(1).code == "2.02"
    own.wait_idle()
    mitigator.wait_idle()


@pytest.mark.parametrize("identity", ["gateway", "client"])
def test_on_exceeded(provider, connect, own, mitigator, identity):
    gw = provider("on-exceeded")
    if identity == "client":
        (entry,) = gw.sections["upstreams"]
        gw.configure(gateway={"domain-side": "server"}, upstreams=[entry | {"identity": "client"}])
        gw.restart()
    web = connect(gw)
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    observer = web.observe(1)
    job = own.wait_job(ONE)
    own.report(job, 2, bytes=10)
    observer.wait_status(MITIGATED)
    assert mitigator.told == []
    own.report(job, 4, bytes=20)
    help = mitigator.wait_job(ONE)
    observer.wait_status(MITIGATED, EXCEEDED)
    mitigator.report(help, 2, bytes=5)
    observer.wait_status(MITIGATED, EXCEEDED, MITIGATED)
    assert web.get(1).scope["bytes-dropped"] == "25"
    assert mitigator.prefixes() == [[ONE]], "the other request was not exceeded"
    assert web.delete(1).code == "2.02"
    mitigator.wait_idle()
    own.wait_prefixes(TWO)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_when_exceeded(provider, connect, own, mitigator, when):
    """kill -9 before or after the mitigator said 4: the help is asked for once, and goes on."""
    gw = provider("on-exceeded")
    web = connect(gw)
    assert web.put(1, ONE).code == "2.01"
    own.wait_job(ONE)
    if when == "after":
        own.report(own.wait_job(ONE), 4)
        mitigator.wait_job(ONE)
    gw.crash()
    gw.start()
    wait_status(web, 1, IN_PROGRESS)  # nothing was heard of the program that was started anew
    own.report(own.wait_job(ONE), 4)
    mitigator.report(mitigator.wait_job(ONE), 2)
    wait_status(web, 1, MITIGATED)
    assert [line["op"] for line in mitigator.told].count("start") == 1
    assert web.delete(1).code == "2.02"
    mitigator.wait_idle()


def test_help_that_is_refused_takes_nothing_away(make_upstream, make_relay, connect, own, mitigator):
    server = make_upstream(clients=[gateway_entry(scopes={"prefixes": [TWO]})]).start()
    gw = make_relay(server, recursion="on-exceeded", mitigators=[own.config()]).start()
    web = connect(gw)
    assert web.put(1, ONE).code == "2.01"
    own.report(own.wait_job(ONE), 4)
    wait_status(web, 1, EXCEEDED)
    server.wait_log(r" request-refused: r\d+ client gw: 4.03")
    own.report(own.wait_job(ONE), 2)
    wait_status(web, 1, MITIGATED)
    assert len(own.live) == 1 and mitigator.told == []
