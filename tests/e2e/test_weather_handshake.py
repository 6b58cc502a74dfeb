"""The end of a DTLS handshake is lost, and application data of the other side comes first."""

import time

import pytest

from load import load_entries
from scripted_path import ScriptedPath, ends_handshake, has_application_data
from weather import Deployment

PATIENCE = 30
ONCE_A_SECOND = {"heartbeat-interval": {"min": 1, "current": 1}, "missing-hb-allowed": {"min": 3, "current": 20}}


class Overtaking:
    """In one direction the end of the handshake is lost again and again, until application data has passed."""

    def __init__(self, direction):
        self.direction = direction
        self.active, self.lost = False, 0

    def __call__(self, direction, datagram):
        if not self.active or direction != self.direction:
            return True
        if has_application_data(datagram):
            self.active = False
        elif ends_handshake(datagram):
            self.lost += 1
            return False
        return True


@pytest.fixture
def deployment(make_gateway, mitigator, pki, tmp_path):
    made = Deployment(make_gateway, mitigator, pki, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def start(deployment):
    """start(judge): a server, and one client through a path that the judge rules."""
    paths = []

    def started(judge):
        deployment.start_server(clients=load_entries(deployment.psk, 1), session_config=ONCE_A_SECOND)
        paths.append(ScriptedPath(deployment.server, judge))
        deployment.start_load(1, through=paths[0])

    yield started
    for path in paths:
        path.stop()


def next_event(deployment):
    event = deployment.load.next(time.monotonic() + PATIENCE)
    assert event, f"nothing from the client: {deployment.server.log}"
    return event


def test_heartbeat_of_the_server_comes_before_the_end_of_the_handshake(deployment, start):
    judge = Overtaking("back")
    judge.active = True
    start(judge)
    assert next_event(deployment)["event"] == "up", "at the first attempt"
    assert judge.lost > 0 and not judge.active
    deployment.ledger.put(0)
    deployment.ledger.settle("a put", PATIENCE)
    assert len(deployment.server.logged(" session-up: ")) == 1


def test_request_comes_before_the_end_of_the_handshake(deployment, start):
    """Only with resumption: the client has the last word there, and goes on at once."""
    judge = Overtaking("forward")
    start(judge)
    assert next_event(deployment)["event"] == "up"
    deployment.ledger.put(0)
    deployment.ledger.settle("a put", PATIENCE)
    judge.active = True
    deployment.load.say("reconnect")
    deployment.ledger.put(0)
    assert next_event(deployment)["event"] == "up"
    deployment.ledger.settle("a put behind a handshake", PATIENCE)
    assert judge.lost > 0 and not judge.active
    assert len(deployment.server.logged(" session-up: .*, resumed")) == 1
    assert not deployment.server.logged("handshake-failed")
