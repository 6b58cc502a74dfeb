"""A leg that is cut both ways for a while: the session recovers, or another takes its place; statuses go on."""

import time

import pytest

from load import prefix_of
from lossy_path import LossyPath
from weather import Deployment

CLIENTS = 2
PATIENCE = 45


def heartbeats(interval, missing):
    """session-config: heartbeats as often as that, on both legs."""
    return {
        "heartbeat-interval": {"min": 1, "max": 240, "current": interval},
        "missing-hb-allowed": {"min": 1, "max": 20, "current": missing},
    }


@pytest.fixture
def deployment(make_gateway, mitigator, pki, tmp_path):
    made = Deployment(make_gateway, mitigator, pki, tmp_path)
    yield made
    made.stop()


def put_and_observe(deployment, count):
    """So many mitigations of each client, all with a job, all observed."""
    for session in range(CLIENTS):
        for _ in range(count):
            deployment.ledger.put(session)
    deployment.ledger.settle("after the puts", PATIENCE)
    deployment.check_upstream()
    observe_new(deployment)


def observe_new(deployment):
    for key in deployment.ledger.kept:
        if key not in deployment.ledger.statuses:
            deployment.ledger.observe(key)


def put_preconfigured(deployment, *key):
    """Beside the ledger: there must be no job for it. Returns the prefix."""
    deployment.load.put(*key, prefix_of(*key), lifetime="3600!")
    end = time.monotonic() + PATIENCE
    while (event := deployment.load.next(end)) and event.get("mid") != key[1]:
        deployment.ledger.take(event)
    assert event and event["code"] == 201, event
    return prefix_of(*key)


def report_and_see(deployment, packets):
    """The mitigator tells counters, and each client gets to know them."""
    ledger, journal = deployment.ledger, deployment.journal
    for prefix in ledger.kept.values():
        deployment.mitigator.report(journal.ids[prefix], 2, pkts=packets)

    def seen():
        return all(ledger.statuses.get(key, {}).get("pkts-dropped") == str(packets) for key in ledger.kept)

    ledger.until(seen, lambda: f"{packets} packets at the clients: {ledger.statuses}", PATIENCE)


def test_short_cut_between_gateway_and_server_keeps_the_session(deployment, tmp_path):
    deployment.start_server(session_config=heartbeats(1, 20))
    path = LossyPath(tmp_path, "north", deployment.server)
    deployment.start_gateway(CLIENTS, {"transports": ["udp"]}, through=path, session_config=heartbeats(1, 20))
    deployment.start_load(CLIENTS)
    put_and_observe(deployment, 2)
    report_and_see(deployment, 1000)
    path.cut()
    path.wait_dropped("forward", 4)
    path.restore()
    report_and_see(deployment, 2000)
    assert len(deployment.server.logged(" session-up: client gw ")) == 1
    deployment.check_upstream()
    path.stop()


def test_long_cut_between_gateway_and_server_is_repaired(deployment, tmp_path):
    deployment.start_server(session_config=heartbeats(1, 3))
    path = LossyPath(tmp_path, "north", deployment.server)
    deployment.start_gateway(
        CLIENTS,
        {"transports": ["udp"]},
        through=path,
        session_config=heartbeats(1, 3),
        response_wait="200ms",
    )
    deployment.start_load(CLIENTS)
    ledger = deployment.ledger
    put_and_observe(deployment, 3)
    report_and_see(deployment, 1000)

    path.cut()
    deployment.server.wait_log(" session-lost: client gw ")
    for session in range(CLIENTS):
        ledger.put(session)
        ledger.delete((session, 1))
    ledger.settle("during the cut", PATIENCE)
    deployment.check_gateway()
    path.restore()

    deployment.check_upstream(PATIENCE)
    observe_new(deployment)
    report_and_see(deployment, 2000)
    path.stop()


def test_long_cut_between_client_and_gateway(deployment, tmp_path):
    deployment.start_server()
    deployment.start_gateway(CLIENTS, {"transports": ["udp"]}, session_config=heartbeats(1, 3))
    path = LossyPath(tmp_path, "south", deployment.gateway)
    deployment.start_load(CLIENTS, through=path, flags=("--heartbeat", 1, "--missing", 3))
    ledger = deployment.ledger
    put_and_observe(deployment, 2)
    preconfigured = put_preconfigured(deployment, 0, 1000)
    report_and_see(deployment, 1000)

    path.cut()
    deployment.gateway.wait_log(" session-lost: client load0 ")
    deployment.journal.wait_job(preconfigured, PATIENCE)  # RFC 9132 section 4.7
    path.restore()
    ledger.put(0)
    ledger.settle("after the cut", PATIENCE)
    deployment.journal.wait_job(ledger.kept[0, 3], PATIENCE)
    observe_new(deployment)
    report_and_see(deployment, 2000)
    path.stop()
