"""Reload under load: 200 sessions, 500 requests a second, one SIGHUP after the other: no session is lost that should
stay, no request is lost, what is there upstream is what was acknowledged, once.
"""

import os
import random
import signal
import time

import pytest

from gateway import client_entry
from load import load_entries
from weather import Deployment

SESSIONS = 200
RATE = 500  # requests a second
SECONDS = float(os.environ.get("DOTSGW_RELOAD_SECONDS", "20"))
PATIENCE = 60
SEED = int(os.environ.get("DOTSGW_SEED", "7"))


@pytest.fixture
def deployment(make_gateway, mitigator, pki, tmp_path):
    made = Deployment(make_gateway, mitigator, pki, tmp_path)
    yield made
    made.stop()


def downs(load):
    """Sessions that the load has lost, and says so."""
    return [event for event in load.seen if event["event"] == "down"]


class Watched:
    """A load whose events are remembered."""

    def __init__(self, load):
        self.load, self.seen = load, []
        take = load.next

        def remember(deadline):
            event = take(deadline)
            if event and event["event"] != "answer":
                self.seen.append(event)
            return event

        load.next = remember


def changes(deployment, pki):
    """One configuration after the other: each changes something, none takes anything from the load."""
    clients = load_entries(deployment.psk, SESSIONS)
    late = client_entry("late", "late.test")
    renewed = pki.authority.issue("gw.test")
    yield {"clients": [*clients, late]}
    yield {"clients": clients}
    yield {"clients": load_entries(deployment.psk, SESSIONS, limits={"mitigations": 5000, "requests-per-second": 90000})}
    yield {"limits": deployment.gateway.sections["limits"] | {"sessions": 5000}}
    yield {"clients": list(reversed(clients))}
    yield {"response_wait": "2s", "status_interval": "20s"}
    yield {}
    # Handshakes from now on are with this one; upstreams have credentials of their own here.
    yield {"tls": renewed.config()}


def test_reload_under_load(deployment, pki):
    signal.alarm(int(SECONDS) + 3 * PATIENCE)
    deployment.start_server()
    own = {"credentials": pki.certificate("gw.test").config(), "transports": ["udp"]}
    deployment.start_gateway(SESSIONS, own)
    deployment.start_load(SESSIONS, random.Random(SEED), transport="tcp")
    ledger, gateway = deployment.ledger, deployment.gateway
    watched = Watched(deployment.load)
    ledger.until(lambda: sum(event["event"] == "up" for event in watched.seen) == SESSIONS, "all sessions", PATIENCE)

    begun = time.monotonic()
    asked = reloads = 0
    pending, configurations = None, changes(deployment, pki)
    while (elapsed := time.monotonic() - begun) < SECONDS:
        while asked < elapsed * RATE and ledger.waiting < 2000:
            ledger.do_something()
            asked += 1
        if pending is not None and len(gateway.logged(" notice reload: ")) > pending:
            pending = None
        if pending is None:
            sections = next(configurations, None)
            if sections is None:
                configurations = changes(deployment, pki)
                continue
            pending = len(gateway.logged(" notice reload: "))
            gateway.configure(**sections)
            gateway.process.signal(signal.SIGHUP)
            reloads += 1
        event = deployment.load.next(time.monotonic() + 0.005)
        if event:
            ledger.take(event)
            while deployment.load._events:
                ledger.take(deployment.load.next(time.monotonic()))
    rate = asked / (time.monotonic() - begun)
    ledger.settle("after the last request", PATIENCE)
    deployment.check_upstream(PATIENCE)
    deployment.check_gateway(PATIENCE)
    print(f"{asked} requests, {rate:.0f} a second, {reloads} reloads")
    assert reloads >= 5
    assert not [event for event in watched.seen if event["event"] == "down"], "no session is lost"
    assert len([event for event in watched.seen if event["event"] == "up"]) == SESSIONS, "none was made anew"
    assert not gateway.logged(r" session-down: ") and not gateway.logged("reload-refused")
