"""What a client hears of its mitigations: GET, c=, Observe, statuses 1 to 6, counters (RFC 9132 section 4.4.2)."""

import time

import pytest

import dots
from coap import CON, GET, MITIGATE, NON, RST, Message, Option
from waiting import never_within, wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"

IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
STOPPED = "attack-stopped"
EXCEEDED = "attack-exceeded-capability"
CLIENT_WITHDRAWN = "dots-client-withdrawn-mitigation"
TERMINATED = "attack-mitigation-terminated"
WITHDRAWN = "attack-mitigation-withdrawn"

OBSERVE = [(Option.OBSERVE, b"")]
END_OBSERVE = [(Option.OBSERVE, b"\x01")]


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}")


# ---- GET ----


def test_rfc9132_figure_14_get_all_reports_configuration_and_status(web, mitigator):
    before = int(time.time())
    assert web.put_json(1, {"target-prefix": [ONE], "target-protocol": [17], "lifetime": 1800}).code == "2.01"
    assert web.put_json(2, {"target-prefix": [TWO], "target-protocol": [6], "lifetime": 900}).code == "2.01"
    mitigator.report(mitigator.wait_job(ONE), 2, bytes=134334555, bps=43344, pkts=333334444, pps=432432)
    mitigator.report(mitigator.wait_job(TWO), "attack-stopped", bytes=0, bps=0, pkts=0, pps=0)
    wait_status(web, 2, STOPPED)
    first, second = web.get().scopes
    start = int(first.pop("mitigation-start"))
    assert before <= start <= time.time()
    assert 1780 <= first.pop("lifetime") <= 1800
    assert first == {
        "mid": 1,
        "target-prefix": [ONE],
        "target-protocol": [17],
        "status": MITIGATED,
        "bytes-dropped": "134334555",
        "bps-dropped": "43344",
        "pkts-dropped": "333334444",
        "pps-dropped": "432432",
    }
    assert (second["mid"], second["status"], second["bytes-dropped"]) == (2, STOPPED, "0")


def test_rfc9132_table_2_c_selects_what_is_reported(web, mitigator):
    assert web.put_json(1, {"target-prefix": [ONE], "target-protocol": [6], "lifetime": 600}).code == "2.01"
    mitigator.report(mitigator.wait_job(ONE), 2, bytes=5)
    wait_status(web, 1, MITIGATED)
    configuration = {"target-prefix", "target-protocol"}
    changing = {"status", "mitigation-start", "bytes-dropped"}
    common = {"mid", "lifetime"}
    assert set(web.get(1, "c").scope) == common | configuration
    assert set(web.get(1, "n").scope) == common | changing
    assert set(web.get(1, "a").scope) == set(web.get(1).scope) == common | configuration | changing
    assert set(web.get(content="n").scope) == common | changing


def test_rfc9132_4_4_2_lifetime_is_the_remaining_one(web):
    assert web.put(1, ONE, lifetime=600).code == "2.01"
    wait_for(lambda: web.get(1).scope["lifetime"] < 600, "the lifetime to run down")


def test_rfc9132_4_4_2_unknown_mid_must_be_4_04(web):
    assert web.get(1).code == "4.04"
    assert web.get().code == "4.04"
    assert web.put(1, ONE).code == "2.01"
    assert web.get(2).code == "4.04"
    assert web.get(1).code == "2.05"


def test_rfc9132_4_4_2_requests_under_another_cuid_of_the_client_are_apart(server, make_client, pki):
    one = make_client(server, pki.psk("shop"), cuid="one")
    two = make_client(server, pki.psk("shop"), cuid="two")
    assert one.put(1, ONE).code == "2.01"
    assert two.get(1).code == two.get().code == "4.04"
    assert two.put(1, TWO).code == "2.01"
    assert one.get().scope["target-prefix"] == [ONE]


# ---- Statuses and counters ----


def test_rfc9132_table_3_statuses_1_to_4_as_the_mitigator_reports_them(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert web.status(1) == IN_PROGRESS
    for number, name in ((2, MITIGATED), (4, EXCEEDED), (1, IN_PROGRESS), (3, STOPPED)):
        mitigator.report(job, number)
        wait_status(web, 1, name)


def test_rfc9132_table_3_status_7_when_the_mitigator_withdraws(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    mitigator.report(mitigator.wait_job(ONE), 7)
    wait_status(web, 1, WITHDRAWN)
    mitigator.wait_idle()


def test_rfc9132_4_4_2_counters_up_to_2_64(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    mitigator.say('{"id": "%s", "status": 2, "bytes-dropped": "18446744073709551615", "pkts-dropped": 7}' % job)
    wait_status(web, 1, MITIGATED)
    scope = web.get(1).scope
    assert (scope["bytes-dropped"], scope["pkts-dropped"]) == ("18446744073709551615", "7")
    mitigator.report(job, bytes=9)  # counters alone
    wait_for(lambda: web.get(1).scope["bytes-dropped"] == "9", "the counter to wrap around")


@pytest.mark.parametrize(
    "line",
    ["", "no JSON", "[]", "{}", '{"id": "1", "status": 5}', '{"id": "1", "status": 9}', '{"id": "1", "status": null}']
    + ['{"id": "1", "bytes-dropped": -1}', '{"id": "1", "bytes-dropped": 18446744073709551616}', "\x00\xff", "x" * 20000],
    ids=range(11),
)
def test_a_mitigator_that_talks_nonsense_changes_nothing(web, mitigator, server, line):
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    mitigator.say(line)
    mitigator.report(job, 2)
    wait_status(web, 1, MITIGATED)
    if line:
        server.wait_log(r" mitigator-\w+: mitigator scrubber")


# ---- Observe ----


def test_rfc9132_figure_15_notified_of_each_status(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    observer = web.observe(1)
    observer.wait_status(IN_PROGRESS)
    mitigator.report(job, 2, bytes=1000)
    observer.wait_status(IN_PROGRESS, MITIGATED)
    mitigator.report(job, 3)
    observer.wait_status(IN_PROGRESS, MITIGATED, STOPPED)
    assert observer.bodies[-1]["ietf-dots-signal-channel:mitigation-scope"]["scope"][0]["bytes-dropped"] == "1000"
    assert observer.stop() == 0


def test_rfc9132_figure_12_observe_all(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe()
    observer.wait(lambda bodies: len(bodies) == 1, "the first representation")
    assert web.put(2, TWO).code == "2.01"

    def scopes(body):
        return body["ietf-dots-signal-channel:mitigation-scope"]["scope"]

    observer.wait(lambda bodies: [scope["mid"] for scope in scopes(bodies[-1])] == [1, 2], "both mitigations")
    mitigator.report(mitigator.wait_job(TWO), 2)
    observer.wait(lambda bodies: scopes(bodies[-1])[1]["status"] == MITIGATED, "the status of the second")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc9132_4_4_2_1_notifications_over_both_transports(server, make_client, pki, mitigator, transport):
    client = make_client(server, pki.psk("shop"), transport)
    assert client.put(1, ONE).code == "2.01"
    observer = client.observe(1)
    observer.wait_status(IN_PROGRESS)
    mitigator.report(mitigator.wait_job(ONE), 2)
    observer.wait_status(IN_PROGRESS, MITIGATED)


def observe(raw, mid=1):
    """Registers; (token, first Observe value)."""
    answer = raw.get("a", mid, options=OBSERVE)
    assert answer.text == "2.05" and answer.number(Option.OBSERVE) is not None
    return answer.token, answer.number(Option.OBSERVE)


def test_rfc9132_4_4_2_1_notifications_must_be_non_confirmable(raw, mitigator):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    job = mitigator.wait_job(ONE)
    token, sequence = observe(raw)
    for number in (2, 3):
        mitigator.report(job, number)
        notification = raw.response(token, 15)
        assert notification.kind == NON
        assert notification.scopes[0]["status"] == number
        assert notification.number(Option.OBSERVE) > sequence
        sequence = notification.number(Option.OBSERVE)


def test_rfc9132_4_4_2_1_at_most_one_notification_in_3_seconds(raw, mitigator):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    job = mitigator.wait_job(ONE)
    token, _ = observe(raw)
    mitigator.report(job, 2, bytes=1)
    assert raw.response(token, 15).scopes[0]["bytes-dropped"] == 1
    first = time.monotonic()
    for counter in range(2, 200):
        mitigator.report(job, 2 + counter % 2, bytes=counter)
    scope = raw.response(token, 15).scopes[0]
    assert time.monotonic() - first > 2.9
    assert scope["bytes-dropped"] == 199, "what is told is the state of the moment"


def test_rfc9132_4_4_2_1_notified_periodically_while_active(make_server, make_session, pki):
    server = make_server(status_interval="3s")
    raw = make_session(server, pki.psk("shop"))
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    token, _ = observe(raw)
    assert raw.response(token, 10).scopes[0]["status"] == 1
    assert raw.response(token, 10).scopes[0]["status"] == 1


def test_rfc9132_4_4_2_1_deregistered_client_hears_no_more(raw, mitigator):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    token, _ = observe(raw)
    raw.send(deregistration(token))
    answer = raw.response(token)
    assert answer.text == "2.05" and answer.number(Option.OBSERVE) is None
    mitigator.report(mitigator.wait_job(ONE), 2)
    wait_for(lambda: raw.get("a", 1).scopes[0]["status"] == 2, "the report")
    assert raw.response(token, 4) is None


def deregistration(token):
    path = [(Option.URI_PATH, part.encode()) for part in (*MITIGATE, "cuid=a", "mid=1")]
    return Message(GET, path + END_OBSERVE, b"", token, NON, 1)


def test_rfc7641_3_6_reset_of_a_notification_keeps_the_session(raw, mitigator):
    """A Reset ends the observation where libcoap tells of it; requests go on in any case."""
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    token, _ = observe(raw)
    mitigator.report(mitigator.wait_job(ONE), 2)
    notification = raw.response(token, 15)
    raw.send(Message(0, kind=RST, mid=notification.mid))
    assert raw.get("a", 1).text == "2.05"


def test_rfc7641_4_1_same_token_again_is_one_observation(raw, mitigator):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    path = [(Option.URI_PATH, part.encode()) for part in (*MITIGATE, "cuid=a", "mid=1")]
    for mid in (100, 101):
        raw.send(Message(GET, path + OBSERVE, b"", b"tok", CON, mid))
        assert raw.response(b"tok").text == "2.05"
    mitigator.report(mitigator.wait_job(ONE), 2)
    assert raw.response(b"tok", 15).scopes[0]["status"] == 2
    assert raw.response(b"tok", 2) is None


def test_observing_what_is_not_there_is_4_04_and_no_observation(raw, mitigator):
    answer = raw.get("a", 1, options=OBSERVE)
    assert answer.text == "4.04" and answer.number(Option.OBSERVE) is None
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    assert raw.response(answer.token, 1) is None


# ---- Active but terminating ----


def test_rfc9132_4_4_4_active_but_terminating_then_terminated(make_server, make_client, pki, mitigator):
    server = make_server(active_but_terminating={"initial": "3s", "max": "6s"})
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    mitigator.report(job, 2)
    observer = web.observe(1)
    observer.wait_status(MITIGATED)
    assert web.delete(1).code == "2.02"
    assert web.status(1) == CLIENT_WITHDRAWN
    assert job in mitigator.live, "the mitigation goes on for the period"
    observer.wait_status(MITIGATED, CLIENT_WITHDRAWN, TERMINATED)
    mitigator.wait_idle()
    wait_for(lambda: web.get(1).code == "4.04", "the record of the mitigation to go", 20)


def test_rfc9132_4_4_4_requested_again_the_period_doubles(make_server, make_client, pki, mitigator):
    server = make_server(active_but_terminating={"initial": "2s", "max": "4s"})
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert web.delete(1).code == "2.02"
    assert web.put(1, ONE).code in ("2.01", "2.04")
    assert web.status(1) == IN_PROGRESS
    never_within(lambda: not mitigator.live, 2.5, "the job must go on, withdrawn or not")
    assert job in mitigator.live
    assert web.delete(1).code == "2.02"
    begin = time.monotonic()
    mitigator.wait_idle()
    assert time.monotonic() - begin > 2.9, "the second period is longer than the first"


def test_rfc9132_4_4_4_new_mid_for_the_same_target_while_terminating(make_server, make_client, pki, mitigator):
    server = make_server(active_but_terminating={"initial": "60s"})
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    assert web.delete(1).code == "2.02"
    assert web.put(2, ONE).code == "2.01"
    assert web.get(1).code == "4.04"
    mitigator.wait_prefixes(ONE)
    assert web.status(2) == IN_PROGRESS
