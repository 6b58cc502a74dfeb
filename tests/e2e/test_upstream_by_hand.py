"""What a gateway asks an upstream, byte by byte, and what it makes of answers that are strange (RFC 9132 section 4)."""

import cbor2
import pytest

import dots
from coap import CON, DELETE, GET, NON, PUT, Message, Option
from fixtures import AT_ONCE, standard_clients
from pki import derived_cuid
from upstream_by_hand import CONTENT, CREATED, DELETED, FORMAT, NOT_FOUND, HandUpstream
from waiting import never_within, wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
WITHDRAWN = "attack-mitigation-withdrawn"
CONFLICT, BAD_REQUEST, INTERNAL, UNAVAILABLE = 0x89, 0x80, 0xA0, 0xA3


@pytest.fixture(params=["udp"])
def hand(request, pki):
    upstream = HandUpstream(pki.certificate("hand.test"), request.param)
    yield upstream
    upstream.close()


@pytest.fixture
def gw(hand, make_gateway, pki):
    """response-wait is short: what matters here comes later."""
    transport = "tcp" if hand.stream else "udp"
    upstream = {"name": "isp", "servers": [hand.server_entry()], "transports": [transport]}
    sections = {"clients": standard_clients(pki), "response_wait": "500ms", "active_but_terminating": AT_ONCE}
    return make_gateway("gw", upstreams=[upstream], **sections).start()


@pytest.fixture
def web(gw, make_client, pki):
    return make_client(gw, pki.certificate("web.test"), "tcp")


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}", 30)


def observing(hand):
    """A rule that takes observations: in progress at first."""
    hand.rules[GET, "mitigate"] = lambda request: [
        request.answer(NOT_FOUND)
        if request.observe is None
        else request.answer(CONTENT, hand.granted(request, status=1), [(Option.OBSERVE, b"\x0a")])
    ]


# ---- What it asks ----


@pytest.mark.parametrize("hand", ["udp", "tcp"], indirect=True)
def test_rfc9132_figure_5_the_request_on_the_wire(hand, web, pki):
    assert web.put_json(7, {"target-prefix": [ONE], "target-protocol": [6], "lifetime": 600}).code == "2.01"
    (request,) = hand.wait_asked(PUT, "mitigate")
    message = request.message
    cuid = derived_cuid(pki.certificate("gw.test"))
    assert request.path[:4] == [".well-known", "dots", "mitigate", f"cuid={cuid}"]
    assert request.path[4].startswith("mid=") and len(request.path) == 5, "mid follows cuid, and there is no cdid"
    assert hand.stream or message.kind == NON, "marked as Non-confirmable (section 4.4)"
    assert message.number(Option.CONTENT_FORMAT) == dots.CONTENT_FORMAT
    assert message.number(Option.HOP_LIMIT) == 16, "inserted (RFC 8768 section 3)"
    (scope,) = message.scopes
    assert scope == {"target-prefix": [ONE], "target-protocol": [6], "lifetime": 600}


def test_hop_limit_of_the_client_is_counted_down(hand, gw, make_session, pki):
    raw = make_session(gw, pki.psk("shop"))
    options = [(Option.HOP_LIMIT, b"\x09")]
    assert raw.put("a", 1, dots.request_body(ONE), options=options).text == "2.01"
    assert hand.wait_asked(PUT, "mitigate")[0].message.number(Option.HOP_LIMIT) == 8


def test_rfc9132_4_4_3_efficacy_update_on_the_wire(hand, web):
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    assert web.efficacy(1, ONE).code == "2.04"
    first, update = hand.wait_asked(PUT, "mitigate", 2)[:2]
    assert first.path == update.path
    assert update.message.values(Option.IF_MATCH) == [b""]
    (scope,) = update.message.scopes
    assert scope["attack-status"] == 1 and scope["target-prefix"] == [ONE]


def test_withdrawal_on_the_wire(hand, web):
    assert web.put(1, ONE).code == "2.01"
    assert web.delete(1).code == "2.02"
    put, delete = hand.wait_asked(PUT, "mitigate")[0], hand.wait_asked(DELETE, "mitigate")[0]
    assert delete.path == put.path and delete.message.payload == b""


def test_rfc9132_4_5_configuration_requests_are_confirmable(hand, gw):
    (request,) = hand.wait_asked(GET, "config", observe=True)
    assert request.message.kind == CON
    assert not any(part.startswith(("cuid=", "mid=", "cdid=")) for part in request.path)


def test_rfc9132_4_4_repeated_until_answered(hand, web):
    """At growing intervals, from the round trip that was measured: never more than one in a round trip."""
    hand.rules[PUT, "mitigate"] = lambda request: []
    assert web.put(1, ONE).code == "2.01", "kept, the upstream is silent"
    requests = hand.wait_asked(PUT, "mitigate", 6, deadline=30)
    times = [request.at for request in requests]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert min(gaps) > 0.2 and gaps[-1] > 2 * gaps[0], gaps
    assert len({request.message.token for request in requests}) == 1
    assert len({request.message.payload for request in requests}) == 1
    hand.rules[PUT, "mitigate"] = lambda request: [request.answer(CREATED, hand.granted(request))]
    count = len(hand.wait_asked(PUT, "mitigate", len(requests) + 1, deadline=30))
    hand.rules[PUT, "mitigate"] = lambda request: []
    never_within(lambda: len(hand.asked(PUT, "mitigate")) > count, 3, "repeated although answered")


def test_rfc9132_4_7_heartbeats_both_ways(hand, gw):
    hand.send(Message(PUT, [*path_of("hb"), *FORMAT], dots.heartbeat(), b"beat", NON, 4000))
    answer = wait_for(lambda: [each for each in hand.responses if each.token == b"beat"], "the answer to a heartbeat")[0]
    assert (answer.text, answer.payload) == ("2.04", b"")


def path_of(*segments):
    return [(Option.URI_PATH, part.encode()) for part in (".well-known", "dots", *segments)]


def test_requests_of_a_server_that_are_none_of_its_business(hand, gw, web):
    for token, code, path in ((b"1", GET, path_of("mitigate", "cuid=a")), (b"2", PUT, path_of("config", "sid=1"))):
        hand.send(Message(code, path, b"", token, NON, 4001))
        answer = wait_for(lambda: [each for each in hand.responses if each.token == token], "an answer")[0]
        assert answer.text in ("4.04", "4.05"), answer
    assert web.put(1, ONE).code == "2.01"


# ---- What it makes of answers ----


def test_answered_twice(hand, web):
    hand.rules[PUT, "mitigate"] = lambda request: [request.answer(CREATED, hand.granted(request))] * 2
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    assert web.status(1) == web.status(2) == IN_PROGRESS
    assert len(hand.asked(PUT, "mitigate")) == 2


@pytest.mark.parametrize("second", [CONFLICT, BAD_REQUEST, UNAVAILABLE])
def test_answered_twice_and_differently(hand, web, second):
    """The first answer counts; what comes after it has no request any more."""
    hand.rules[PUT, "mitigate"] = lambda request: [
        request.answer(CREATED, hand.granted(request)),
        request.answer(second, b""),
    ]
    assert web.put(1, ONE).code == "2.01"
    never_within(lambda: web.status(1) != IN_PROGRESS, 1, "changed by a second answer")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"\xa1\x01", cbor2.dumps("text"), b"\x9f" * 500, dots.heartbeat(), dots.encode(dots.mitigation())],
    ids=["none", "break", "truncated", "a text", "deep", "another message", "no scope"],
)
def test_accepted_with_a_body_that_makes_no_sense(hand, web, gw, body):
    observing(hand)
    hand.rules[PUT, "mitigate"] = lambda request: [request.answer(CREATED, body)]
    assert web.put(1, ONE, lifetime=600).code == "2.01"
    assert web.status(1) == IN_PROGRESS
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    hand.notify(observation, 20, status=2)
    wait_status(web, 1, MITIGATED)


@pytest.mark.parametrize(
    "code, seen", [(BAD_REQUEST, "4.00"), (0x81, "5.03"), (INTERNAL, "5.03"), (UNAVAILABLE, "5.03"), (0x8D, "4.13")]
)
def test_refusals_as_the_client_sees_them(hand, web, code, seen):
    """What concerns the gateway and not the client (4.01, 5.00) is 5.03 to the client."""
    hand.rules[PUT, "mitigate"] = lambda request: [Message(code, [], b"because", request.message.token, NON, 1)]
    answer = web.put(1, ONE)
    assert answer.code == seen, answer
    assert "because" in answer.reason and "isp" in answer.reason
    assert web.get(1).code == "4.04"


def test_reason_that_would_steer_a_terminal(hand, web, gw):
    evil = b"\x1b[2Jforged\nline: 1"
    hand.rules[PUT, "mitigate"] = lambda request: [Message(BAD_REQUEST, [], evil, request.message.token, NON, 1)]
    answer = web.put(1, ONE)
    assert answer.code == "4.00" and "\x1b" not in answer.reason and "forged" in answer.reason
    assert "\x1b" not in gw.log and "\nline: 1" not in gw.log


def test_rfc7641_3_4_older_notifications_do_not_count(hand, web):
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    hand.notify(observation, 30, status=2, **{"bytes-dropped": 5})
    wait_status(web, 1, MITIGATED)
    hand.notify(observation, 29, status=4)
    hand.notify(observation, 31, status=2, **{"bytes-dropped": 6})
    wait_for(lambda: web.get(1).scope.get("bytes-dropped") == "6", "the newer notification")
    assert web.status(1) == MITIGATED


@pytest.mark.parametrize(
    "scope",
    [{"status": 99}, {"status": "2"}, {"bytes-dropped": -1}, {"lifetime": -7}, {"mid": 2**40}],
    ids=str,
)
def test_notifications_that_make_no_sense_change_nothing(hand, web, scope):
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    hand.notify(observation, 30, **({"status": 3} | scope))
    hand.notify(observation, 31, status=2)
    wait_status(web, 1, MITIGATED)


def test_notifications_to_nobody_are_ignored(hand, web):
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    body = dots.encode(dots.mitigation({"mid": hand.mid_of(observation), "lifetime": 3600, "status": 7}))
    for token in (b"", b"unknown", observation.message.token[::-1]):
        hand.send(Message(CONTENT, [*FORMAT, (Option.OBSERVE, b"\x50")], body, token, NON, 99))
    never_within(lambda: web.status(1) != IN_PROGRESS, 1, "changed by a notification to nobody")


def test_status_7_is_told_to_the_client(hand, web):
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    hand.notify(observation, 30, status=7)
    wait_status(web, 1, WITHDRAWN)


def test_request_that_the_server_forgot_is_put_again(hand, web):
    """An observation that ends with 4.04: the server does not know it any more."""
    observing(hand)
    assert web.put(1, ONE).code == "2.01"
    (observation,) = hand.wait_asked(GET, "mitigate", observe=True)
    hand.send(Message(NOT_FOUND, [], b"", observation.message.token, NON, 77))
    first, again = hand.wait_asked(PUT, "mitigate", 2, deadline=30)[:2]
    assert again.message.scopes[0]["target-prefix"] == [ONE]
    assert web.status(1) == IN_PROGRESS


def test_withdrawal_that_is_not_answered_is_repeated(hand, web):
    hand.rules[DELETE, "mitigate"] = lambda request: []
    assert web.put(1, ONE).code == "2.01"
    assert web.delete(1).code == "2.02"
    hand.wait_asked(DELETE, "mitigate", 3, deadline=20)
    hand.rules[DELETE, "mitigate"] = lambda request: [request.answer(DELETED)]
    count = len(hand.wait_asked(DELETE, "mitigate", 4, deadline=20))
    never_within(lambda: len(hand.asked(DELETE, "mitigate")) > count, 3, "repeated although answered")
