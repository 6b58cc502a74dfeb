"""Requests that wait for the loss of the signal: 'trigger-mitigation' false (RFC 9132 sections 4.4.1, 4.7)."""

import pytest

from gateway import client_entry
from waiting import never_within, wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"
IN_PROGRESS = "attack-mitigation-in-progress"
WITHDRAWN = "attack-mitigation-withdrawn"
STANDS_BY = "attack-mitigation-signal-loss"
PRECONFIGURED = ["--preconfigured"]

# A second without an answer, three times: the least that makes a loss.
SOON_LOST = {"heartbeat-interval": {"min": 1, "max": 240, "current": 1}, "missing-hb-allowed": {"min": 3, "current": 3}}

PATIENCE = 4.5  # s: by then a loss would have been noticed


@pytest.fixture
def alert(make_server):
    """A server that notices losses soon."""
    return make_server(session_config=SOON_LOST, status_interval="3s")


@pytest.fixture(params=["udp", "tcp"])
def client(request, alert, make_client, pki):
    return make_client(alert, pki.psk("shop"), request.param)


def test_rfc9132_4_4_1_1_trigger_false_starts_nothing(web, mitigator):
    assert web.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    scope = web.get(1).scope
    assert scope["status"] == STANDS_BY
    assert scope["trigger-mitigation"] is False
    assert "mitigation-start" not in scope, "not returned with status 8 (section 4.4.2)"
    assert mitigator.told == []


def test_rfc9132_4_4_1_1_trigger_true_is_the_default(web):
    assert web.put_json(1, {"target-prefix": [ONE], "lifetime": 60, "trigger-mitigation": True}).code == "2.01"
    assert web.status(1) == IN_PROGRESS


def test_rfc9132_4_7_loss_of_the_signal_triggers(client, alert, mitigator):
    holder = client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    assert mitigator.told == []
    holder.vanish()
    mitigator.wait_job(ONE, 40)
    alert.wait_log(" signal-lost: client shop")


def test_rfc9132_4_7_client_that_answers_heartbeats_is_not_lost(client, mitigator):
    client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    never_within(lambda: mitigator.told, PATIENCE, "triggered although the client is there")


def test_session_that_ends_in_order_is_no_loss(client, mitigator):
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    never_within(lambda: mitigator.told, PATIENCE, "triggered although the client said goodbye")
    assert client.status(1) == STANDS_BY


def test_rfc9132_4_4_4_recovery_of_the_signal_must_not_stop_it(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    holder = client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    holder.vanish()
    job = mitigator.wait_job(ONE, 40)
    client.hold()
    assert client.status(1) == IN_PROGRESS
    mitigator.report(job, 2, bytes=3)
    wait_for(lambda: client.status(1) == "attack-successfully-mitigated", "the report")
    assert job in mitigator.live
    assert client.delete(1).code == "2.02"
    assert client.status(1) == "dots-client-withdrawn-mitigation"


def test_rfc9132_4_4_1_3_loss_withdraws_overlapping_active_ones(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    holder = client.hold()
    assert client.put(1, NET, flags=PRECONFIGURED).code == "2.01"
    assert client.put(2, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    holder.vanish()
    mitigator.wait_prefixes(NET, deadline=40)
    assert client.status(1) == IN_PROGRESS
    assert client.status(2) == WITHDRAWN


def test_rfc9132_table_3_stopped_four_times_then_stands_by(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    holder = client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    holder.vanish()
    job = mitigator.wait_job(ONE, 40)
    observer = client.observe(1)
    observer.wait_status(IN_PROGRESS)
    mitigator.report(job, 3)
    observer.wait_status(IN_PROGRESS, STANDS_BY, deadline=40)
    assert observer.statuses.count("attack-stopped") == 4
    mitigator.wait_idle()


def test_rfc9132_table_3_overlap_with_an_immediate_one_withdraws_four_times(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    holder = client.hold()
    assert client.put(1, NET, flags=PRECONFIGURED).code == "2.01"
    holder.vanish()
    mitigator.wait_job(NET, 40)
    observer = client.observe(1)
    observer.wait_status(IN_PROGRESS)
    assert client.put(2, ONE).code == "2.01"
    observer.wait_status(IN_PROGRESS, STANDS_BY, deadline=40)
    assert observer.statuses.count(WITHDRAWN) == 4
    mitigator.wait_prefixes(ONE)


def test_triggered_again_after_it_stood_by(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    holder = client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    holder.vanish()
    mitigator.report(mitigator.wait_job(ONE, 40), 3)
    wait_for(lambda: client.status(1) == STANDS_BY, "the mitigation to stand by", 40)
    holder = client.hold()
    holder.vanish()
    mitigator.wait_job(ONE, 40)


def test_client_that_does_not_come_back_after_a_restart_is_lost(alert, make_client, pki, mitigator):
    client = make_client(alert, pki.psk("shop"))
    client.hold()
    assert client.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    for running in client.started:
        running.vanish()
    alert.restart()
    mitigator.wait_job(ONE, 40)


def test_loss_of_one_client_triggers_nothing_of_another(make_server, make_client, pki, mitigator):
    clients = [client_entry("web", "web.test"), client_entry("shop", pki.psk("shop"))]
    server = make_server(clients=clients, session_config=SOON_LOST)
    web = make_client(server, pki.certificate("web.test"))
    shop = make_client(server, pki.psk("shop"))
    web.hold()
    holder = shop.hold()
    assert web.put(1, ONE, flags=PRECONFIGURED).code == "2.01"
    assert shop.put(1, TWO, flags=PRECONFIGURED).code == "2.01"
    holder.vanish()
    mitigator.wait_job(TWO, 40)
    never_within(lambda: [ONE] in mitigator.prefixes(), 2, "triggered for the wrong client")
