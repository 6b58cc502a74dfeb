"""DOTS messages in CBOR, made here from table 5 of RFC 9132 and not by the code under test."""

import cbor2

CONTENT_FORMAT = 271  # application/dots+cbor

# RFC 9132 section 6, table 5
KEYS = {
    "ietf-dots-signal-channel:mitigation-scope": 1,
    "scope": 2,
    "cdid": 3,
    "cuid": 4,
    "mid": 5,
    "target-prefix": 6,
    "target-port-range": 7,
    "lower-port": 8,
    "upper-port": 9,
    "target-protocol": 10,
    "target-fqdn": 11,
    "target-uri": 12,
    "alias-name": 13,
    "lifetime": 14,
    "mitigation-start": 15,
    "status": 16,
    "conflict-information": 17,
    "conflict-status": 18,
    "conflict-cause": 19,
    "retry-timer": 20,
    "conflict-scope": 21,
    "acl-list": 22,
    "acl-name": 23,
    "acl-type": 24,
    "bytes-dropped": 25,
    "bps-dropped": 26,
    "pkts-dropped": 27,
    "pps-dropped": 28,
    "attack-status": 29,
    "ietf-dots-signal-channel:signal-config": 30,
    "sid": 31,
    "mitigating-config": 32,
    "heartbeat-interval": 33,
    "max-value": 34,
    "min-value": 35,
    "current-value": 36,
    "missing-hb-allowed": 37,
    "max-retransmit": 38,
    "ack-timeout": 39,
    "ack-random-factor": 40,
    "max-value-decimal": 41,
    "min-value-decimal": 42,
    "current-value-decimal": 43,
    "idle-config": 44,
    "trigger-mitigation": 45,
    "ietf-dots-signal-channel:redirected-signal": 46,
    "alt-server": 47,
    "alt-server-record": 48,
    "ietf-dots-signal-channel:heartbeat": 49,
    "probing-rate": 50,
    "peer-hb-status": 51,
}
NAMES = {key: name for name, key in KEYS.items()}


def with_keys(value):
    """Names to numbers, all the way down; what has no number stays."""
    if isinstance(value, dict):
        return {KEYS.get(name, name): with_keys(inner) for name, inner in value.items()}
    return [with_keys(inner) for inner in value] if isinstance(value, list) else value


def with_names(value):
    if isinstance(value, dict):
        return {NAMES.get(key, key): with_names(inner) for key, inner in value.items()}
    return [with_names(inner) for inner in value] if isinstance(value, list) else value


def encode(message):
    return cbor2.dumps(with_keys(message))


def decode(body):
    return with_names(cbor2.loads(body))


def scope(*prefixes, lifetime=3600, **more):
    """One entry of 'scope'; None leaves a parameter out."""
    entry = {"target-prefix": list(prefixes) or None, "lifetime": lifetime}
    entry |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in entry.items() if value is not None}


def mitigation(*scopes):
    return {"ietf-dots-signal-channel:mitigation-scope": {"scope": list(scopes)}}


def request_body(*prefixes, **more):
    """The CBOR body of a mitigation request."""
    return encode(mitigation(scope(*prefixes, **more)))


def heartbeat(status=True):
    return encode({"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": status}})


def decimal(hundredths):
    """decimal64 with two fraction digits: tag 4 (RFC 9132 section 6)."""
    return cbor2.CBORTag(4, [-2, hundredths])
