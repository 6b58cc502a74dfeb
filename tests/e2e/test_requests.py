"""Uri-Path, methods, options, formats and blocks: what a request may look like (RFC 9132 sections 4.2, 4.4, 9)."""

import pytest

import dots
from coap import (
    CON,
    CONFIG,
    CSM,
    DELETE,
    GET,
    HEARTBEAT,
    MAX_MESSAGE_SIZE,
    MITIGATE,
    NON,
    PUT,
    ROOT,
    Message,
    Option,
    block,
    uint,
)

PREFIX = "203.0.113.1/32"
BODY = dots.request_body(PREFIX)


def mitigate(*segments):
    return (*MITIGATE, *segments)


def config(*segments):
    return (*CONFIG, *segments)


# name: (method, path, code, a word of the reason)
PATHS = {
    "put without cuid and mid": (PUT, MITIGATE, "4.00", "cuid"),
    "put without cuid": (PUT, mitigate("mid=1"), "4.00", "cuid"),
    "put without mid": (PUT, mitigate("cuid=a"), "4.00", "mid"),
    "put with mid before cuid": (PUT, mitigate("mid=1", "cuid=a"), "4.00", "mid"),
    "put with cdid after cuid": (PUT, mitigate("cuid=a", "cdid=b", "mid=1"), "4.00", "cdid"),
    "put with cdid last": (PUT, mitigate("cuid=a", "mid=1", "cdid=b"), "4.00", "cdid"),
    "put with empty cuid": (PUT, mitigate("cuid=", "mid=1"), "4.00", "cuid"),
    "put with empty mid": (PUT, mitigate("cuid=a", "mid="), "4.00", "mid"),
    "put with empty cdid": (PUT, mitigate("cdid=", "cuid=a", "mid=1"), "4.00", "cdid"),
    "put with an empty segment": (PUT, mitigate("", "cuid=a", "mid=1"), "4.00", "Uri-Path"),
    "put with an empty segment at the end": (PUT, mitigate("cuid=a", "mid=1", ""), "4.00", "Uri-Path"),
    "put with two cuids": (PUT, mitigate("cuid=a", "cuid=b", "mid=1"), "4.00", "cuid"),
    "put with two mids": (PUT, mitigate("cuid=a", "mid=1", "mid=2"), "4.00", "mid"),
    "put with an unknown parameter": (PUT, mitigate("cuid=a", "mid=1", "sid=1"), "4.00", "sid"),
    "put with a bare word": (PUT, mitigate("cuid=a", "mid=1", "now"), "4.00", "now"),
    "put with mid 2^32": (PUT, mitigate("cuid=a", "mid=4294967296"), "4.00", "mid"),
    "put with mid -1": (PUT, mitigate("cuid=a", "mid=-1"), "4.00", "mid"),
    "put with mid 01": (PUT, mitigate("cuid=a", "mid=01"), "4.00", "mid"),
    "put with mid one": (PUT, mitigate("cuid=a", "mid=one"), "4.00", "mid"),
    "put with a mid of 200 digits": (PUT, mitigate("cuid=a", "mid=" + "9" * 200), "4.00", "mid"),
    "put with a cuid of 250 bytes": (PUT, mitigate("cuid=" + "a" * 250, "mid=1"), "4.00", "cuid"),
    "put with a cuid that is no text": (PUT, mitigate(b"cuid=\x00\xff", "mid=1"), "4.00", "cuid"),
    "put with a line break in its cuid": (PUT, mitigate("cuid=a\nb", "mid=1"), "4.00", "cuid"),
    "put with a query": (PUT, mitigate("cuid=a", "mid=1"), "4.00", "Uri-Query"),
    "get without cuid": (GET, MITIGATE, "4.00", "cuid"),
    "get with empty cuid": (GET, mitigate("cuid="), "4.00", "cuid"),
    "get with empty mid": (GET, mitigate("cuid=a", "mid="), "4.00", "mid"),
    "get of an unknown mid": (GET, mitigate("cuid=a", "mid=1"), "4.04", "mid"),
    "get of a client without requests": (GET, mitigate("cuid=a"), "4.04", "cuid"),
    "delete without mid": (DELETE, mitigate("cuid=a"), "4.00", "mid"),
    "delete without cuid": (DELETE, mitigate("mid=1"), "4.00", "cuid"),
    "delete with empty mid": (DELETE, mitigate("cuid=a", "mid="), "4.00", "mid"),
    "post": (2, mitigate("cuid=a", "mid=1"), "4.05", ""),
    "fetch": (5, mitigate("cuid=a", "mid=1"), "4.05", ""),
    "ipatch": (7, mitigate("cuid=a", "mid=1"), "4.05", ""),
    "get of hb": (GET, HEARTBEAT, "4.05", "PUT"),
    "delete of hb": (DELETE, HEARTBEAT, "4.05", "PUT"),
    "hb with cuid": (PUT, (*HEARTBEAT, "cuid=a"), "4.00", "cuid"),
    "hb with mid": (PUT, (*HEARTBEAT, "mid=1"), "4.00", "mid"),
    "config put without sid": (PUT, CONFIG, "4.00", "sid"),
    "config put with empty sid": (PUT, config("sid="), "4.00", "sid"),
    "config put with cuid": (PUT, config("cuid=a", "sid=1"), "4.00", "cuid"),
    "config get of an unknown sid": (GET, config("sid=77"), "4.04", "sid"),
    "no resource": (GET, (), "4.04", ""),
    "root": (GET, ROOT, "4.04", ""),
    "unknown operation": (PUT, (*ROOT, "migitate", "cuid=a", "mid=1"), "4.04", ""),
    "elsewhere": (GET, (".well-known", "core"), "4.04", ""),
    "telemetry": (PUT, (*ROOT, "tm-setup", "cuid=a", "tsid=1"), "4.04", ""),
    "a path of forty segments": (PUT, (*MITIGATE, *("x",) * 40), "4.00", ""),
}


@pytest.mark.parametrize("name", PATHS)
def test_rfc9132_9_wrong_path_or_method(common, name):
    method, path, code, word = PATHS[name]
    told = len(common.mitigator.told)
    query = [(Option.URI_QUERY, b"c=a")] if "query" in name else []
    payload = BODY if method not in (GET, DELETE) else b""
    answer = common.raw.request(method, path, payload, query)
    assert answer.text == code, answer
    assert answer.reason, "the reason is missing"
    assert word in answer.reason
    assert common.raw.get("a").text == "4.04"
    assert len(common.mitigator.told) == told


@pytest.mark.parametrize("content_format", [None, 0, 50, 60, 65535])
def test_rfc9132_9_other_content_formats_are_4_15(common, content_format):
    answer = common.raw.put("a", 1, BODY, content_format=content_format)
    assert answer.text == "4.15"
    assert "application/dots+cbor" in answer.reason
    assert common.raw.get("a").text == "4.04"


def test_rfc9132_4_4_1_3_put_without_a_body_is_4_00(common):
    options = [(Option.CONTENT_FORMAT, uint(dots.CONTENT_FORMAT))]
    answer = common.raw.request(PUT, mitigate("cuid=a", "mid=1"), b"", options)
    assert answer.text == "4.00" and "body" in answer.reason


def test_rfc7252_5_10_4_accept_of_another_format_is_4_06(common):
    answer = common.raw.get("a", options=[(Option.ACCEPT, uint(50))])
    assert answer.text == "4.06" and answer.reason


@pytest.mark.parametrize("number", [9, 65001], ids=["reserved", "experimental"])
def test_rfc7252_5_4_1_unknown_critical_option_is_4_02(common, number):
    answer = common.raw.put("a", 1, BODY, options=[(number, b"x")])
    assert answer.text == "4.02"
    assert common.raw.get("a").text == "4.04"


def test_rfc7252_5_4_1_unknown_elective_option_is_ignored(raw):
    assert raw.put("a", 1, BODY, options=[(65000, b"x")]).text == "2.01"


@pytest.mark.parametrize("kind", [CON, NON])
def test_rfc7252_5_2_2_confirmable_or_not(raw, kind):
    """RFC 9132 section 4.4 wants requests Non-confirmable; Confirmable ones are answered as well."""
    assert raw.put("a", 1, BODY, kind=kind).text == "2.01"
    assert raw.get("a", kind=kind).text == "2.05"


@pytest.mark.parametrize("query", ["c=x", "c=", "c", "d=a", "c=aa"])
def test_rfc9132_table_2_other_values_of_c_are_refused(raw, query):
    assert raw.put("a", 1, BODY).text == "2.01"
    answer = raw.get("a", options=[(Option.URI_QUERY, query.encode())])
    assert answer.text == "4.00" and "c=a" in answer.reason


# ---- Blocks ----


def large_body(prefixes):
    return dots.request_body(*(f"203.0.113.{i}/32" for i in range(prefixes)))


def pieces(body, size):
    return [body[at : at + size] for at in range(0, len(body), size)]


def send_piece(raw, parts, i, size, mid=1, **more):
    option = (Option.BLOCK1, block(i, i + 1 < len(parts), size))
    return raw.put("a", mid, parts[i], options=[option], **more)


def test_rfc7959_2_3_body_in_pieces_is_one_request(raw, mitigator):
    parts = pieces(large_body(60), 256)
    answers = [send_piece(raw, parts, i, 256).text for i in range(len(parts))]
    assert answers == ["2.31"] * (len(parts) - 1) + ["2.01"]
    assert len(raw.get("a", 1, options=[(Option.BLOCK2, block(0, False, 1024))]).payload) > 0
    mitigator.wait_told(lambda told: told and len(told[0]["scope"]["target-prefix"]) == 60, "of 60 prefixes")


def test_rfc9132_9_missing_piece_is_4_08(common):
    told = len(common.mitigator.told)
    parts = pieces(large_body(60), 256)
    assert send_piece(common.raw, parts, 0, 256).text == "2.31"
    answer = send_piece(common.raw, parts, 2, 256)
    assert answer.text == "4.08", answer
    last = send_piece(common.raw, parts, len(parts) - 1, 256)
    assert last.text == "4.08", last
    assert common.raw.get("a").text == "4.04"
    assert len(common.mitigator.told) == told


def test_rfc7959_2_9_2_only_the_last_piece_is_4_08(common):
    parts = pieces(large_body(60), 256)
    answer = send_piece(common.raw, parts, len(parts) - 1, 256)
    assert answer.text == "4.08", answer
    assert common.raw.get("a").text == "4.04"


def test_rfc7959_2_9_3_body_beyond_the_limit_is_4_13(make_server, make_session, pki):
    server = make_server(limits={"body-size": 512})
    raw = make_session(server, pki.psk("shop"))
    parts = pieces(large_body(200), 256)
    codes = []
    for i in range(len(parts)):
        codes.append(send_piece(raw, parts, i, 256).text)
        if codes[-1] != "2.31":
            break
    assert codes[-1] == "4.13" and len(codes) <= 4
    assert raw.get("a").text == "4.04"


def test_body_beyond_the_limit_in_one_piece_over_tls(make_server, make_session, pki):
    server = make_server(limits={"body-size": 512})
    raw = make_session(server, pki.psk("shop"), "tcp")
    answer = raw.put("a", 1, large_body(34))
    assert answer.text == "4.13", answer
    assert raw.get("a").text == "4.04"


def test_rfc8323_5_3_1_message_beyond_what_was_announced_ends_the_session(make_server, make_session, pki):
    server = make_server(limits={"body-size": 512})
    raw = make_session(server, pki.psk("shop"), "tcp")
    csm = raw.receive()
    assert csm.code == CSM
    most = csm.number(MAX_MESSAGE_SIZE)
    assert 512 < most < 65536
    raw.send_bytes(Message(PUT, payload=bytes(most)).frame())
    assert raw.ended()
    again = make_session(server, pki.psk("shop"), "tcp")
    assert again.get("a").text == "4.04"


def fill(raw, count):
    for mid in range(1, count + 1):
        assert raw.put("a", mid, dots.request_body(f"203.0.113.{mid}/32")).text == "2.01"


def test_rfc9132_4_4_2_list_beyond_a_datagram_comes_in_blocks_with_etag(make_server, make_session, pki):
    clients = [{"name": "shop", "identities": [pki.psk("shop").config()], "scopes": {"prefixes": ["203.0.113.0/24"]}}]
    clients[0]["limits"] = {"requests-per-second": 1000}
    server = make_server(clients=clients, limits={"requests-per-source": 1000})
    raw = make_session(server, pki.psk("shop"))
    fill(raw, 50)
    first = raw.get("a")
    assert first.text == "2.05"
    value = first.number(Option.BLOCK2)
    assert value is not None and value >> 4 == 0 and value & 8, "Block2 with NUM 0 and more to come"
    etag = first.values(Option.ETAG)
    assert etag and etag[0]
    size = 16 << (value & 7)
    assert len(first.payload) == size <= 1024
    body, number = first.payload, 0
    while value & 8:
        number += 1
        option = (Option.BLOCK2, block(number, False, size))
        answer = raw.get("a", options=[option, (Option.ETAG, etag[0])])
        assert answer.text == "2.05" and answer.values(Option.ETAG) == etag
        value = answer.number(Option.BLOCK2)
        body += answer.payload
    first.payload = body
    assert [scope["mid"] for scope in first.scopes] == list(range(1, 51))


def test_rfc9132_4_4_2_client_may_ask_for_smaller_blocks(raw):
    fill(raw, 10)
    answer = raw.get("a", options=[(Option.BLOCK2, block(0, False, 64))])
    assert answer.text == "2.05"
    assert len(answer.payload) == 64
    assert answer.number(Option.BLOCK2) & 7 == 2


def test_list_over_tls_comes_whole(make_server, make_session, pki):
    """RFC 8323 section 6: no blocks are needed where messages may be long."""
    raw = make_session(make_server(), pki.psk("shop"), "tcp")
    fill(raw, 30)
    answer = raw.get("a")
    assert answer.number(Option.BLOCK2) is None or answer.number(Option.BLOCK2) & 8 == 0
    assert [scope["mid"] for scope in answer.scopes] == list(range(1, 31))
