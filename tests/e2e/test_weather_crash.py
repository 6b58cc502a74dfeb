"""SIGKILL at random moments under load: what was acknowledged is kept, upstream ends up the same, once.

DOTSGW_SEED=TEXT chooses other moments and other requests.
"""

import os
import random
import time

import pytest

from load import load_entries
from lossy_path import LossyPath
from processes import Process, program
from weather import Deployment

SESSIONS = 4
MOMENTS = 50  # a test; the four of them make 200
# s; by chance the next gateway has a port of the last one, and is let in when the server finds the old session dead
PATIENCE = 30

# South, north: transports. Upstream: identity and sessions. response-wait 0s: acknowledged before anything is sent.
CASES = {
    "gateway-shared": ("udp", "udp", {"identity": "gateway"}, "1s"),
    "gateway-per-client": ("udp", "tcp", {"identity": "gateway", "sessions": "per-client"}, "0s"),
    "client-shared": ("tcp", "tcp", {"identity": "client", "insert-cdid": True}, "1s"),
    "client-per-client": ("tcp", "udp", {"identity": "client", "sessions": "per-client"}, "0s"),
}


@pytest.fixture
def deployment(make_gateway, mitigator, pki, tmp_path):
    made = Deployment(make_gateway, mitigator, pki, tmp_path)
    yield made
    made.stop()


class Crashes:
    """Kills and restarts, at moments that a seed chooses in the stream of answers."""

    def __init__(self, deployment, seed):
        self.deployment = deployment
        self.random = random.Random(seed + os.environ.get("DOTSGW_SEED", ""))
        self.moments = 0

    def run_into_moment(self):
        """Load on, until so many events have come."""
        ledger, load = self.deployment.ledger, self.deployment.load
        for _ in range(4 * load.sessions):
            ledger.do_something()
        for _ in range(self.random.randrange(30)):
            event = load.next(time.monotonic() + PATIENCE)
            if event and ledger.take(event):
                ledger.do_something()
        self.moments += 1

    def interrupt_start(self, gateway):
        """Killed again while it starts, at any moment of its first 50 ms."""
        files = gateway.directory / "out.interrupted", gateway.directory / "log.interrupted"
        process = Process([program("dotsgw"), "-c", gateway.file], *files)
        time.sleep(self.random.uniform(0, 0.05))
        process.kill()
        self.moments += 1

    def kill(self, *victims):
        """The first is the one that clients talk to; it is started last."""
        for victim in victims:
            victim.crash()
        if self.random.random() < 0.2:
            self.interrupt_start(victims[0])
        for victim in reversed(victims):
            victim.start()
        self.deployment.load.say("reconnect")

    def run(self, moments, *victims):
        while self.moments < moments:
            self.run_into_moment()
            self.kill(*victims)
            if self.random.random() < 0.8:  # else killed again while it repairs
                self.check()
        self.check()
        assert len(self.deployment.journal.ids) > moments, "there was hardly any load"

    def check(self):
        self.deployment.ledger.settle("after a restart", PATIENCE)
        self.deployment.check_gateway(PATIENCE)
        self.deployment.check_upstream(PATIENCE)


@pytest.mark.parametrize("case", CASES)
def test_kill_9_of_the_gateway_loses_and_duplicates_nothing(case, deployment):
    south, north, upstream, response_wait = CASES[case]
    deployment.start_server()
    deployment.start_gateway(SESSIONS, upstream | {"transports": [north]}, response_wait=response_wait)
    crashes = Crashes(deployment, case)
    deployment.start_load(SESSIONS, crashes.random, transport=south)
    crashes.run(MOMENTS, deployment.gateway)


def test_kill_9_of_gateway_and_server_at_once(deployment):
    deployment.start_server()
    deployment.start_gateway(SESSIONS, {"transports": ["udp"]})
    crashes = Crashes(deployment, "both")
    deployment.start_load(SESSIONS, crashes.random)
    crashes.run(MOMENTS // 2, deployment.gateway, deployment.server)


def test_kill_9_of_a_server_with_clients(deployment):
    deployment.start_server(clients=load_entries(deployment.psk, SESSIONS))
    crashes = Crashes(deployment, "server")
    deployment.start_load(SESSIONS, crashes.random, through=deployment.server)
    crashes.run(MOMENTS // 2, deployment.server)


def test_kill_9_of_the_server_behind_a_gateway(deployment, tmp_path):
    """The gateway finds out by itself, and repairs what was asked for meanwhile."""
    often = {"heartbeat-interval": {"min": 1, "current": 1}, "missing-hb-allowed": {"min": 1, "current": 3}}
    deployment.start_server(session_config=often)
    path = LossyPath(tmp_path, "north", deployment.server)  # nobody is told that a port is closed
    upstream = {"transports": ["udp"]}
    deployment.start_gateway(SESSIONS, upstream, through=path, session_config=often, response_wait="100ms")
    crashes = Crashes(deployment, "behind")
    deployment.start_load(SESSIONS, crashes.random)
    crashes.run_into_moment()
    deployment.server.crash()
    crashes.run_into_moment()
    deployment.server.start()
    crashes.check()
    path.stop()
