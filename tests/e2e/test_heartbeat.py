"""Heartbeats, from either side (RFC 9132 section 4.7)."""

import time

import pytest

import dots
from coap import CHANGED, GET, HEARTBEAT, NON, PUT, Message, Option
from waiting import wait_for

ONE = "203.0.113.1/32"
EACH_SECOND = {"min": 1, "max": 240, "current": 1}
SELDOM = {"min": 1, "max": 240, "current": 240}


@pytest.fixture(params=["udp", "tcp"])
def transport(request):
    return request.param


@pytest.fixture
def lively(make_server):
    """A server that sends heartbeats each second, and gives up after three without an answer."""
    return make_server(session_config={"heartbeat-interval": EACH_SECOND, "missing-hb-allowed": {"min": 3, "current": 3}})


def test_rfc9132_figure_28_answered_2_04_with_an_empty_body(server, make_session, pki, transport):
    raw = make_session(server, pki.psk("shop"), transport)
    for status in (True, False):
        answer = raw.request(PUT, HEARTBEAT, dots.heartbeat(status), kind=NON)
        assert (answer.text, answer.payload) == ("2.04", b"")


def test_dots_client_heartbeat(web, shop):
    assert web.heartbeat().code == "2.04"
    assert shop.heartbeat().code == "2.04"


@pytest.mark.parametrize(
    "body, word",
    [
        (dots.encode({"ietf-dots-signal-channel:heartbeat": {}}), "peer-hb-status"),
        (dots.encode({"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": 1}}), "peer-hb-status"),
        (dots.encode({"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": True, "lifetime": 1}}), "lifetime"),
        (dots.request_body(ONE), "heartbeat"),
        (b"\xa1\x18\x31", ""),
    ],
    ids=["no status", "a number", "more", "another message", "truncated"],
)
def test_rfc9132_4_7_malformed_heartbeat_is_4_00(common, body, word):
    answer = common.raw.request(PUT, HEARTBEAT, body)
    assert answer.text == "4.00" and answer.reason and word in answer.reason


def test_rfc9132_4_7_server_sends_heartbeats(lively, make_session, pki, transport):
    raw = make_session(lively, pki.psk("shop"), transport)
    assert raw.get("a").text == "4.04"
    times = []
    for _ in range(3):
        heartbeat = raw.heartbeat()
        times.append(time.monotonic())
        assert transport == "tcp" or heartbeat.kind == NON, "heartbeats are Non-confirmable"
        assert heartbeat.number(Option.CONTENT_FORMAT) == dots.CONTENT_FORMAT
        assert set(heartbeat.body["ietf-dots-signal-channel:heartbeat"]) == {"peer-hb-status"}
        raw.answer(heartbeat)
    assert times[2] - times[0] > 1.8


def test_rfc9132_4_7_peer_hb_status_is_honest(lively, make_session, pki):
    """False as long as none of ours came in twice the interval, then true."""
    raw = make_session(lively, pki.psk("shop"))
    assert raw.get("a").text == "4.04"
    heartbeat = raw.heartbeat()
    raw.answer(heartbeat)
    assert heartbeat.body["ietf-dots-signal-channel:heartbeat"]["peer-hb-status"] is False
    assert raw.request(PUT, HEARTBEAT, dots.heartbeat(), kind=NON).text == "2.04"
    assert status(raw) is True
    wait_for(lambda: status(raw) is False, "the status to be false again, without heartbeats of ours")


def status(raw):
    heartbeat = raw.heartbeat()
    raw.answer(heartbeat)
    return heartbeat.body["ietf-dots-signal-channel:heartbeat"]["peer-hb-status"]


def test_rfc9132_4_7_silent_peer_is_disconnected(lively, make_session, pki, transport):
    raw = make_session(lively, pki.psk("shop"), transport)
    assert raw.get("a").text == "4.04"
    assert raw.ended(15)
    heartbeats = [message for message in raw.heard if message.code == PUT]
    assert len(heartbeats) >= 2, "it must have been asked"
    lively.wait_log(" session-lost: client shop")


def test_rfc9132_4_7_peer_that_only_answers_stays(lively, make_session, pki, transport):
    raw = make_session(lively, pki.psk("shop"), transport)
    assert raw.get("a").text == "4.04"
    for _ in range(4):  # longer than a silent peer would be waited for
        raw.answer(raw.heartbeat())
    assert raw.get("a").text == "4.04"


def test_rfc9132_4_7_peer_that_is_heard_must_not_count_as_disconnected(lively, make_session, pki):
    """It answers nothing, but its own heartbeats arrive: its link may be saturated towards it."""
    raw = make_session(lively, pki.psk("shop"))
    end = time.monotonic() + 4.5
    while time.monotonic() < end:
        assert raw.request(PUT, HEARTBEAT, dots.heartbeat(False), kind=NON, seconds=3).text == "2.04"
        raw.heartbeat(0.5)  # seen, and not answered
    assert raw.get("a").text == "4.04"
    lively.wait_log(" heartbeats-unheard: client shop")


def test_errors_to_heartbeats_are_answers(lively, make_session, pki):
    """A peer that refuses our heartbeats is there."""
    raw = make_session(lively, pki.psk("shop"))
    for _ in range(4):
        raw.answer(raw.heartbeat(), 0x84)
    assert raw.get("a").text == "4.04"


def test_rfc9132_4_5_the_set_in_force_follows_the_activity(make_server, make_session, pki):
    """Idle: next to none; with a mitigation under way: each second; after its end none again."""
    sets = {"idle": {"heartbeat-interval": SELDOM}, "mitigating": {"heartbeat-interval": EACH_SECOND}}
    server = make_server(session_config=sets, active_but_terminating={"initial": "0s"})
    raw = make_session(server, pki.psk("shop"))
    assert raw.get("a").text == "4.04"
    assert raw.heartbeat(3) is None
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    for _ in range(3):
        raw.answer(raw.heartbeat(5))
    assert raw.delete("a", 1).text == "2.02"
    wait_for(lambda: raw.heartbeat(3) is None, "heartbeats to become seldom again")


def test_rfc9132_4_5_2_heartbeats_negotiated_off(lively, make_session, pki):
    raw = make_session(lively, pki.psk("shop"))
    none = {"heartbeat-interval": {"current-value": 0}}
    body = dots.encode({"ietf-dots-signal-channel:signal-config": {"idle-config": none, "mitigating-config": none}})
    assert raw.request(PUT, (*HEARTBEAT[:2], "config", "sid=1"), body).text == "2.01"
    assert raw.heartbeat(4) is None
    assert raw.get("a").text == "4.04", "and silence is no loss then"


def test_rfc9132_4_7_heartbeat_of_a_stranger_is_4_01(server, make_session, pki):
    raw = make_session(server, pki.certificate("guest.test"))
    assert raw.request(PUT, HEARTBEAT, dots.heartbeat()).text == "4.01"
    assert raw.heartbeat(2) is None


def test_response_with_an_unknown_token_is_ignored(raw):
    raw.send(Message(CHANGED, token=b"nobody's", kind=NON, mid=99))
    assert raw.request(GET, HEARTBEAT).text == "4.05"
