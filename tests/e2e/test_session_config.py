"""Session configuration: discover, convey, refresh, delete, observe (RFC 9132 section 4.5)."""

import cbor2
import pytest

import dots
from coap import CON, CONFIG, DELETE, GET, PUT, Option


def current(**values):
    """{'heartbeat-interval': {'current-value': ...}}; a text is a decimal."""
    return {
        name.replace("_", "-"): {"current-value-decimal" if isinstance(value, str) else "current-value": value}
        for name, value in values.items()
    }


def test_rfc9132_figure_20_acceptable_and_current_values(web):
    answer = web.config_get()
    assert answer.code == "2.05"
    expected = {
        "heartbeat-interval": {"max-value": 240, "min-value": 15, "current-value": 30},
        "missing-hb-allowed": {"max-value": 20, "min-value": 3, "current-value": 15},
        "probing-rate": {"max-value": 20, "min-value": 5, "current-value": 5},
        "max-retransmit": {"max-value": 15, "min-value": 2, "current-value": 3},
        "ack-timeout": decimals("30.00", "1.00", "2.00"),
        "ack-random-factor": decimals("4.00", "1.10", "1.50"),
    }
    assert answer.config == {"mitigating-config": expected, "idle-config": expected}


def decimals(most, least, now):
    return {"max-value-decimal": most, "min-value-decimal": least, "current-value-decimal": now}


def test_rfc9132_4_5_3_max_age_is_returned(make_server, make_client, pki):
    server = make_server(session_config={"max-age": "1h"})
    assert make_client(server, pki.psk("shop")).config_get().max_age == 3600


def test_configured_ranges_and_sets(make_server, make_client, pki):
    sets = {"heartbeat-interval": {"max": 120, "current": 20}, "idle": {"heartbeat-interval": 90}}
    shop = make_client(make_server(session_config=sets), pki.psk("shop"))
    config = shop.config_get().config
    assert config["mitigating-config"]["heartbeat-interval"] == {"max-value": 120, "min-value": 15, "current-value": 20}
    assert config["idle-config"]["heartbeat-interval"] == {"max-value": 120, "min-value": 15, "current-value": 90}


FIGURE_23 = {
    "mitigating-config": current(
        heartbeat_interval=30,
        missing_hb_allowed=15,
        probing_rate=15,
        max_retransmit=3,
        ack_timeout="2.00",
        ack_random_factor="1.50",
    ),
    "idle-config": current(heartbeat_interval=0, max_retransmit=3, ack_timeout="2.00", ack_random_factor="1.50"),
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc9132_figure_23_convey_then_retrieve(server, make_client, pki, transport):
    shop = make_client(server, pki.psk("shop"), transport)
    assert shop.config_put(123, **FIGURE_23).code == "2.01"
    for answer in (shop.config_get(123), shop.config_get()):
        assert answer.code == "2.05"
        assert answer.config["idle-config"]["heartbeat-interval"]["current-value"] == 0
        assert answer.config["mitigating-config"]["probing-rate"]["current-value"] == 15
    assert shop.config_get(122).code == "4.04"


def test_rfc9132_4_5_2_known_sid_is_changed_new_sid_is_created(web):
    assert web.config_put(5, idle_config=current(heartbeat_interval=60)).code == "2.01"
    assert web.config_put(5, idle_config=current(heartbeat_interval=90)).code == "2.04"
    assert web.config_put(6, idle_config=current(missing_hb_allowed=10)).code == "2.01"
    assert web.config_get(5).code == "4.04", "the lower sid must be deleted"
    config = web.config_get(6).config["idle-config"]
    assert config["missing-hb-allowed"]["current-value"] == 10
    assert config["heartbeat-interval"]["current-value"] == 30, "what the lower sid said is gone"


def test_rfc9132_4_5_2_lower_sid_does_not_override(web):
    assert web.config_put(5, idle_config=current(heartbeat_interval=60)).code == "2.01"
    answer = web.config_put(4, idle_config=current(heartbeat_interval=90))
    assert answer.code in ("4.00", "4.09") and "sid" in answer.reason
    assert web.config_get(5).config["idle-config"]["heartbeat-interval"]["current-value"] == 60


@pytest.mark.parametrize(
    "values, word",
    [
        ({"heartbeat_interval": 14}, "heartbeat-interval"),
        ({"heartbeat_interval": 241}, "heartbeat-interval"),
        ({"missing_hb_allowed": 2}, "missing-hb-allowed"),
        ({"missing_hb_allowed": 21}, "missing-hb-allowed"),
        ({"probing_rate": 4}, "probing-rate"),
        ({"max_retransmit": 16}, "max-retransmit"),
        ({"ack_timeout": "0.99"}, "ack-timeout"),
        ({"ack_timeout": "30.01"}, "ack-timeout"),
        ({"ack_random_factor": "1.00"}, "ack-random-factor"),
        ({"heartbeat_interval": 60, "max_retransmit": 1}, "max-retransmit"),
    ],
    ids=str,
)
@pytest.mark.parametrize("which", ["mitigating-config", "idle-config"])
def test_rfc9132_4_5_2_unacceptable_value_must_be_4_22(common, values, word, which):
    body = {name: {key: decimal(value) for key, value in inner.items()} for name, inner in current(**values).items()}
    answer = put(common.raw, 9, {which: body})
    assert answer.text == "4.22", answer
    assert word in answer.reason and which in answer.reason
    assert common.raw.request(GET, (*CONFIG, "sid=9")).text == "4.04"


def decimal(value):
    return dots.decimal(round(float(value) * 100)) if isinstance(value, str) else value


def put(raw, sid, sets, **more):
    body = dots.encode({"ietf-dots-signal-channel:signal-config": sets})
    return raw.request(PUT, (*CONFIG, f"sid={sid}"), body, kind=CON, **more)


INTERVAL = {"heartbeat-interval": {"current-value": 60}}

BAD = {
    "nothing": ({}, ""),
    "empty sets": ({"mitigating-config": {}, "idle-config": {}}, ""),
    "no current value": ({"idle-config": {"heartbeat-interval": {}}}, "heartbeat-interval"),
    "max only": ({"idle-config": {"heartbeat-interval": {"max-value": 60}}}, ""),
    "bare number": ({"idle-config": {"heartbeat-interval": 60}}, "heartbeat-interval"),
    "a text": ({"idle-config": {"heartbeat-interval": {"current-value": "60"}}}, "current-value"),
    "negative": ({"idle-config": {"heartbeat-interval": {"current-value": -1}}}, "current-value"),
    "65536": ({"idle-config": {"heartbeat-interval": {"current-value": 65536}}}, "current-value"),
    "decimal where a number belongs": (
        {"idle-config": {"heartbeat-interval": {"current-value-decimal": dots.decimal(6000)}}},
        "current-value",
    ),
    "number where a decimal belongs": ({"idle-config": {"ack-timeout": {"current-value": 2}}}, "ack-timeout"),
    "float for a decimal": ({"idle-config": {"ack-timeout": {"current-value-decimal": 2.0}}}, "current-value-decimal"),
    "text for a decimal": ({"idle-config": {"ack-timeout": {"current-value-decimal": "2.00"}}}, "current-value-decimal"),
    "decimal with three digits": (
        {"idle-config": {"ack-timeout": {"current-value-decimal": cbor2.CBORTag(4, [-3, 2000])}}},
        "current-value-decimal",
    ),
    "decimal beyond 64 bits": (
        {"idle-config": {"ack-timeout": {"current-value-decimal": cbor2.CBORTag(4, [-2, 2**63 + 1])}}},
        "",
    ),
    "sid in the body": ({"sid": 1, "idle-config": INTERVAL}, "sid"),
    "unknown required key": ({"idle-config": INTERVAL, 1234: 1}, "1234"),
    "target in a configuration": ({"idle-config": INTERVAL | {"target-prefix": ["203.0.113.1/32"]}}, "target-prefix"),
}


@pytest.mark.parametrize("name", BAD)
def test_rfc9132_4_5_2_malformed_configuration_must_be_4_00(common, name):
    sets, word = BAD[name]
    answer = put(common.raw, 9, sets)
    assert answer.text in ("4.00", "4.22"), answer
    assert answer.text == "4.00" or name in ("no current value", "max only"), answer
    assert answer.reason and word in answer.reason
    assert common.raw.request(GET, (*CONFIG, "sid=9")).text == "4.04"


def test_rfc9132_4_5_4_delete_resets_to_defaults(web):
    assert web.config_put(1, idle_config=current(heartbeat_interval=60)).code == "2.01"
    assert web.config_delete(1).code == "2.02"
    assert web.config_get(1).code == "4.04"
    assert web.config_get().config["idle-config"]["heartbeat-interval"]["current-value"] == 30


def test_rfc9132_4_5_4_delete_without_sid(web):
    assert web.config_delete().code == "2.02"
    assert web.config_put(1, idle_config=current(heartbeat_interval=60)).code == "2.01"
    assert web.config_delete().code == "2.02"
    assert web.config_get().config["idle-config"]["heartbeat-interval"]["current-value"] == 30


def test_configuration_belongs_to_one_client(web, shop):
    assert web.config_put(1, idle_config=current(heartbeat_interval=60)).code == "2.01"
    assert shop.config_get(1).code == "4.04"
    assert shop.config_get().config["idle-config"]["heartbeat-interval"]["current-value"] == 30


def test_configuration_outlives_sessions_and_restarts(server, web):
    assert web.config_put(1, idle_config=current(heartbeat_interval=60)).code == "2.01"
    server.crash()
    server.start()
    assert web.config_get(1).config["idle-config"]["heartbeat-interval"]["current-value"] == 60


def test_rfc9132_4_5_3_observers_are_told_of_changes(raw, server, make_session, pki):
    answer = raw.request(GET, CONFIG, options=[(Option.OBSERVE, b"")])
    assert answer.text == "2.05" and answer.number(Option.OBSERVE) is not None
    other = make_session(server, pki.psk("shop"), "tcp")
    assert put(other, 1, {"idle-config": INTERVAL}).text == "2.01"
    told = raw.response(answer.token, 15)
    config = told.body["ietf-dots-signal-channel:signal-config"]
    assert config["idle-config"]["heartbeat-interval"]["current-value"] == 60
    assert other.request(DELETE, CONFIG).text == "2.02"
    told = raw.response(answer.token, 15)
    assert told.body["ietf-dots-signal-channel:signal-config"]["idle-config"]["heartbeat-interval"]["current-value"] == 30
