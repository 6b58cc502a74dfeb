"""Bodies that no proper client sends: each refused with 4.00 and what is wrong, and nothing changes (RFC 9132 section 9)."""

import cbor2
import pytest

import dots

PREFIX = "203.0.113.1/32"
GOOD = dots.request_body(PREFIX)


def raw_scope(entries):
    """A request whose only scope has exactly these keys and values."""
    return cbor2.dumps({1: {2: [entries]}})


def change(**more):
    return dots.request_body(PREFIX, **more)


def nested(depth):
    return b"\x81" * depth + b"\x00"


CASES = {
    # not CBOR, or not all of it
    "one byte": (b"\xff", ""),
    "text": (b"hello", ""),
    "truncated": (GOOD[:-1], ""),
    "truncated in a text": (GOOD[:12], ""),
    "truncated after the first key": (GOOD[:2], ""),
    "more after the end": (GOOD + b"\x00", ""),
    "reserved additional information": (b"\xa1\x01\xbc", ""),
    "map that claims 2^64-1 pairs": (b"\xbb" + b"\xff" * 8, ""),
    "array that claims 2^32-1 entries": (b"\xa1\x01\xa1\x02\x9a\xff\xff\xff\xff\x00", ""),
    "text that claims 2^63 bytes": (b"\xa1\x01\xa1\x02\x81\xa1\x06\x81\x7b\x80" + b"\x00" * 7, ""),
    "nested a thousand deep": (nested(1000), ""),
    "nested in an unknown optional parameter": (raw_scope({6: [PREFIX], 14: 60}).replace(b"\xa2", b"\xa3", 1) + b"", None),
    "an indefinite map without an end": (b"\xbf\x01", ""),
    # the wrong shape
    "an array": (cbor2.dumps([1]), ""),
    "a number": (cbor2.dumps(1), ""),
    "an empty map": (cbor2.dumps({}), ""),
    "another kind of message": (dots.heartbeat(), "mitigation-scope"),
    "two kinds of message": (cbor2.dumps({1: {2: [{6: [PREFIX], 14: 60}]}, 49: {51: True}}), ""),
    "keys as texts": (cbor2.dumps({"ietf-dots-signal-channel:mitigation-scope": {"scope": []}}), ""),
    "unknown message": (cbor2.dumps({99: {}}), "99"),
    "scope missing": (cbor2.dumps({1: {}}), "scope"),
    "scope not an array": (cbor2.dumps({1: {2: {6: [PREFIX], 14: 60}}}), "scope"),
    "no scope": (cbor2.dumps({1: {2: []}}), "scope"),
    "two scopes": (dots.encode(dots.mitigation(dots.scope(PREFIX), dots.scope("203.0.113.2/32"))), "scope"),
    "an empty scope": (raw_scope({}), ""),
    # parameters
    "duplicate key": (b"\xa1\x01\xa1\x02\x81\xa3\x06\x81\x6e203.0.113.1/32\x0e\x18\x3c\x0e\x18\x3d", "lifetime"),
    "unknown required key": (raw_scope({6: [PREFIX], 14: 60, 1000: 1}), "1000"),
    "key that belongs elsewhere": (raw_scope({6: [PREFIX], 14: 60, 33: 1}), "heartbeat-interval"),
    "mid in the body": (change(mid=1), "mid"),
    "cuid in the body": (change(cuid="a"), "cuid"),
    "cdid in the body": (change(cdid="a"), "cdid"),
    "status from a client": (change(status=2), "status"),
    "counter from a client": (change(bytes_dropped=2), "bytes-dropped"),
    "no target": (dots.encode(dots.mitigation({"lifetime": 60})), "target"),
    "ports without a target": (dots.encode(dots.mitigation({"lifetime": 60, "target-port-range": [{"lower-port": 1}]})), ""),
    "empty list of prefixes": (dots.encode(dots.mitigation({"target-prefix": [], "lifetime": 60})), "target-prefix"),
    "empty prefix": (change(target_prefix=[""]), "target-prefix"),
    "prefix a number": (change(target_prefix=[7]), "target-prefix"),
    "prefix not in a list": (raw_scope({6: PREFIX, 14: 60}), "target-prefix"),
    "prefix bytes": (raw_scope({6: [b"203.0.113.1/32"], 14: 60}), "target-prefix"),
    "prefix no address": (change(target_prefix=["www.web.test"]), "target-prefix"),
    "prefix length 33": (change(target_prefix=["203.0.113.1/33"]), "target-prefix"),
    "prefix length 129": (change(target_prefix=["2001:db8:6401::/129"]), "target-prefix"),
    "prefix without length": (change(target_prefix=["203.0.113.1/"]), "target-prefix"),
    "loopback": (change(target_prefix=["127.0.0.1/32"]), "target-prefix"),
    "loopback, IPv6": (change(target_prefix=["::1/128"]), "target-prefix"),
    "multicast": (change(target_prefix=["224.0.0.1/32"]), "target-prefix"),
    "multicast, IPv6": (change(target_prefix=["ff02::1/128"]), "target-prefix"),
    "broadcast": (change(target_prefix=["255.255.255.255/32"]), "target-prefix"),
    "port 65536": (change(target_port_range=[{"lower-port": 65536}]), "lower-port"),
    "ports the wrong way": (change(target_port_range=[{"lower-port": 80, "upper-port": 79}]), "port"),
    "ports without a lower one": (change(target_port_range=[{"upper-port": 79}]), "lower-port"),
    "empty list of ports": (change(target_port_range=[]), "target-port-range"),
    "negative port": (change(target_port_range=[{"lower-port": -1}]), "lower-port"),
    "protocol 256": (change(target_protocol=[256]), "target-protocol"),
    "protocol a text": (change(target_protocol=["tcp"]), "target-protocol"),
    "empty name": (change(target_fqdn=[""]), "target-fqdn"),
    "name with a space": (change(target_fqdn=["www shop.test"]), "target-fqdn"),
    "name with a NUL": (change(target_fqdn=["www.shop.test\0.evil"]), "target-fqdn"),
    "name not UTF-8": (raw_scope({6: [PREFIX], 14: 60}).replace(b"203", b"\xff\xfe3"), ""),
    "no URI": (change(target_uri=["not a uri"]), "target-uri"),
    "empty alias": (change(alias_name=[""]), "alias-name"),
    "alias that nobody made": (change(alias_name=["server1"]), "alias-name"),
    "lifetime 0": (change(lifetime=0), "lifetime"),
    "lifetime -2": (change(lifetime=-2), "lifetime"),
    "lifetime a text": (change(lifetime="3600"), "lifetime"),
    "lifetime a float": (change(lifetime=60.0), "lifetime"),
    "lifetime 2^64-1": (change(lifetime=2**64 - 1), "lifetime"),
    "trigger a number": (change(trigger_mitigation=0), "trigger-mitigation"),
    "attack status 3": (change(attack_status=3), "attack-status"),
    "acl-list": (change(acl_list=[{"acl-name": "a", "activation-type": 1}]), ""),
}
CASES.pop("nested in an unknown optional parameter")
# Comprehension-optional parameters are skipped (section 10.6.1.1), but not without a limit.
CASES["an optional parameter, a thousand deep"] = (
    raw_scope({6: [PREFIX], 14: 60}).replace(b"\xa2", b"\xa3", 1) + b"\x19\x80\x00" + nested(1000),
    "",
)


@pytest.mark.parametrize("name", CASES)
def test_rfc9132_4_4_1_3_invalid_body_must_get_4_00(common, name):
    body, word = CASES[name]
    told = len(common.mitigator.told)
    answer = common.raw.put("a", 1, body)
    assert answer.text == "4.00", answer
    assert answer.reason, "the reason is missing"
    assert word in answer.reason
    assert common.raw.get("a").text == "4.04"
    assert len(common.mitigator.told) == told


@pytest.mark.parametrize(
    "body",
    [
        raw_scope({6: [PREFIX], 14: 60, 0x8000: 1}),
        raw_scope({6: [PREFIX], 14: 60, 0x8000: {1: [2, {3: "four"}]}}),
        raw_scope({6: [PREFIX], 14: 60, 0xBFFF: b"bytes"}),
    ],
    ids=["number", "structure", "bytes"],
)
def test_rfc9132_10_6_1_1_comprehension_optional_parameters_are_ignored(raw, body):
    assert raw.put("a", 1, body).text == "2.01"
    assert 0x8000 not in raw.get("a", 1).scopes[0]


@pytest.mark.parametrize(
    "body",
    [
        b"\xbf\x01\xbf\x02\x9f\xbf\x06\x9f\x6e203.0.113.1/32\xff\x0e\x18\x3c\xff\xff\xff\xff",
        b"\xa1\x01\xa1\x02\x81\xa2\x06\x81\x7f\x67203.0.1\x6713.1/32\xff\x0e\x18\x3c",
    ],
    ids=["containers", "text in pieces"],
)
def test_rfc8949_3_2_indefinite_lengths_are_understood_or_refused(common, body):
    """Section 6 of RFC 9132 does not forbid them: taken as what they mean, or refused as a whole."""
    answer = common.raw.put("indefinite", 1, body)
    if answer.text == "2.01":
        assert common.raw.get("indefinite", 1).scopes[0]["target-prefix"] == [PREFIX]
        assert common.raw.delete("indefinite", 1).text == "2.02"
    else:
        assert answer.text == "4.00" and answer.reason
        assert common.raw.get("indefinite").text == "4.04"


@pytest.mark.parametrize(
    "scope, word",
    [
        ({"target-prefix": ["198.51.100.1/32"]}, "198.51.100.1"),
        ({"target-prefix": ["203.0.112.0/23"]}, "203.0.112.0"),
        ({"target-prefix": ["203.0.113.1/32", "198.51.100.1/32"]}, "198.51.100.1"),
        ({"target-prefix": ["2001:db8::/32"]}, "2001:db8::"),
        ({"target-prefix": ["0.0.0.0/0"]}, "0.0.0.0"),
        ({"target-fqdn": ["www.web.test"]}, "www.web.test"),
        ({"target-uri": ["https://www.web.test/"]}, "www.web.test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rfc9132_4_4_1_1_target_outside_the_clients_domain_is_4_03(common, scope, word):
    told = len(common.mitigator.told)
    answer = common.raw.put("a", 1, dots.encode(dots.mitigation(scope | {"lifetime": 60})))
    assert answer.text == "4.03", answer
    assert word in answer.reason
    assert common.raw.get("a").text == "4.04"
    assert len(common.mitigator.told) == told


def test_names_that_resolve_to_loopback_are_refused(make_server, make_session, pki):
    """RFC 9132 section 4.4.1.1: the same validation as for prefixes, once a name is resolved."""
    clients = [{"name": "shop", "identities": [pki.psk("shop").config()], "scopes": {"fqdns": ["localhost"]}}]
    raw = make_session(make_server(clients=clients), pki.psk("shop"))
    answer = raw.put("a", 1, dots.encode(dots.mitigation({"target-fqdn": ["localhost"], "lifetime": 60})))
    assert answer.text == "4.00"
    assert "localhost" in answer.reason and ("127.0.0.1" in answer.reason or "::1" in answer.reason)
    assert raw.get("a").text == "4.04"
