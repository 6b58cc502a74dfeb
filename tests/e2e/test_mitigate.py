"""Requests for mitigation at a DOTS server: put, refresh, efficacy, withdraw (RFC 9132 section 4.4)."""

import pytest

import dots
from coap import CON, MITIGATE, NON, PUT, Message, Option, uint
from pki import derived_cuid
from waiting import wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"


def test_rfc9132_4_4_1_1_request_reaches_the_mitigator(web, mitigator):
    scope = {
        "target-prefix": ["2001:db8:6401::1/128", "2001:db8:6401::2/128"],
        "target-port-range": [{"lower-port": 80}, {"lower-port": 443}, {"lower-port": 1024, "upper-port": 2048}],
        "target-protocol": [6, 17],
        "target-fqdn": ["www.web.test"],
        "lifetime": 3600,
    }
    assert web.put_json(123, scope).code == "2.01"
    (line,) = mitigator.wait_told(lambda told: told, "of the request")
    assert (line["op"], line["client"]) == ("start", "web")
    assert 3590 <= line["lifetime"] <= 3600
    assert line["scope"]["target-prefix"] == scope["target-prefix"]
    assert line["scope"]["target-port-range"] == [
        {"lower-port": 80, "upper-port": 80},
        {"lower-port": 443, "upper-port": 443},
        {"lower-port": 1024, "upper-port": 2048},
    ]
    assert line["scope"]["target-protocol"] == [6, 17]
    assert line["scope"]["target-fqdn"] == ["www.web.test"]


def test_rfc9132_figure_10_answer_has_mid_and_lifetime_only(web):
    answer = web.put(123, ONE, lifetime=3600)
    assert answer.code == "2.01"
    assert answer.scope == {"mid": 123, "lifetime": 3600}


def test_rfc9132_figure_8_the_very_bytes(server, make_session, pki):
    body = bytes.fromhex(
        "A1 01 A1 02 81 A4 06 82 74 323030313A6462383A363430313A3A312F313238 74 323030313A6462383A363430313A3A322F313238"
        "07 83 A1 08 18 50 A1 08 19 01BB A1 08 19 1F90 0A 81 06 0E 19 0E10"
    )
    raw = make_session(server, pki.certificate("web.test"))
    cuid = derived_cuid(pki.certificate("web.test"))
    assert raw.put(cuid, 123, body).text == "2.01"
    (scope,) = raw.get(cuid, 123).scopes
    # As it was processed: the same prefixes, ports and protocol, in the order of the request (section 4.4.2).
    assert scope["target-prefix"] == ["2001:db8:6401::1/128", "2001:db8:6401::2/128"]
    assert [each["lower-port"] for each in scope["target-port-range"]] == [80, 443, 8080]
    assert scope["target-protocol"] == [6]


def test_rfc9132_4_4_1_3_known_mid_is_a_refresh(web):
    assert web.put(1, ONE, lifetime=600).code == "2.01"
    answer = web.put(1, ONE, lifetime=1200)
    assert answer.code == "2.04"
    assert answer.scope == {"mid": 1, "lifetime": 1200}
    assert 1190 <= web.get(1).scope["lifetime"] <= 1200


@pytest.mark.parametrize(
    "change",
    [
        {"target-prefix": [TWO]},
        {"target-prefix": [ONE, TWO]},
        {"target-protocol": [17]},
        {"target-port-range": [{"lower-port": 80}]},
        {"trigger-mitigation": False},
    ],
    ids=lambda change: next(iter(change)) + str(len(str(change))),
)
def test_rfc9132_4_4_1_3_refresh_must_repeat_parameters(web, mitigator, change):
    scope = {"target-prefix": [ONE], "target-protocol": [6], "lifetime": 600}
    assert web.put_json(1, scope).code == "2.01"
    before = web.get(1, "c").scope
    answer = web.put_json(1, scope | change | {"lifetime": 1200})
    assert answer.code == "4.00"
    assert "repeat" in answer.reason
    after = web.get(1, "c").scope
    assert after["lifetime"] <= before["lifetime"]
    assert after | {"lifetime": 0} == before | {"lifetime": 0}
    assert [line["op"] for line in mitigator.told] == ["start"]


def test_rfc9132_4_4_1_1_lifetime_is_mandatory(server, make_session, pki):
    raw = make_session(server, pki.psk("shop"))
    answer = raw.put("a", 1, dots.request_body(ONE, lifetime=None))
    assert answer.text == "4.00" and "lifetime" in answer.reason
    assert raw.get("a").text == "4.04"


def test_rfc9132_4_4_1_3_lifetime_0_must_be_refused(web, mitigator):
    answer = web.put(1, ONE, lifetime=0)
    assert answer.code == "4.00" and "lifetime" in answer.reason
    assert web.get(1).code == "4.04"
    assert mitigator.told == []


def test_rfc9132_4_4_1_1_indefinite_lifetime_may_be_refused_and_the_granted_one_told(make_server, make_client, pki):
    server = make_server(clients=_limited(pki, {"max-lifetime": 7200}))
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE, lifetime=-1).scope["lifetime"] == 7200
    assert web.put(2, TWO, lifetime=100000).scope["lifetime"] == 7200


def test_rfc9132_4_4_1_1_indefinite_lifetime_where_allowed(make_server, make_client, mitigator, pki):
    server = make_server(clients=_limited(pki, {"indefinite-lifetime": True}))
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE, lifetime=-1).scope["lifetime"] == -1
    assert web.get(1).scope["lifetime"] == -1
    assert mitigator.live[mitigator.wait_job(ONE)]["lifetime"] == -1


def _limited(pki, limits):
    return [{"name": "web", "identities": [{"san": "web.test"}], "scopes": {"prefixes": [NET]}, "limits": limits}]


def test_rfc9132_4_4_1_1_request_is_removed_when_its_lifetime_ends(web, mitigator):
    assert web.put(1, ONE, lifetime=1).code == "2.01"
    mitigator.wait_told(lambda told: [line["op"] for line in told] == ["start", "stop"], "to start and to stop")
    wait_for(lambda: web.status(1) in (None, "attack-mitigation-terminated"), "the end of the mitigation")


def test_rfc9132_4_4_1_3_higher_mid_overrides_an_overlapping_lower_one(web, mitigator):
    assert web.put(10, NET).code == "2.01"
    assert web.put(11, ONE).code == "2.01"
    assert web.get(10).code == "4.04"
    assert [scope["mid"] for scope in web.get().scopes] == [11]
    mitigator.wait_prefixes(ONE)


def test_rfc9132_4_4_1_3_lower_mid_gets_conflict_with_its_source(web, mitigator):
    assert web.put(11, NET).code == "2.01"
    answer = web.put(10, ONE)
    assert answer.code == "4.09"
    conflict = answer.conflict
    assert conflict["conflict-cause"] == "overlapping-targets"
    assert conflict["conflict-scope"]["mid"] == 11
    assert web.get(10).code == "4.04"
    mitigator.wait_prefixes(NET)


def test_rfc9132_4_4_1_3_disjoint_requests_stand_side_by_side(web, mitigator):
    for mid, prefix in ((1, ONE), (2, TWO), (3, "2001:db8:6401::/64")):
        assert web.put(mid, prefix).code == "2.01"
    assert [scope["mid"] for scope in web.get().scopes] == [1, 2, 3]
    mitigator.wait_prefixes("2001:db8:6401::/64", ONE, TWO)


@pytest.mark.parametrize("name", ["target-fqdn", "target-uri"])
def test_rfc9132_4_4_1_3_overlap_by_name(make_server, make_client, pki, name):
    scopes = {"fqdns": ["www.web.test"], "uris": ["https://www.web.test/shop"]}
    server = make_server(clients=[{"name": "web", "identities": [{"san": "web.test"}], "scopes": scopes}])
    web = make_client(server, pki.certificate("web.test"))
    value = {"target-fqdn": "www.web.test", "target-uri": "https://www.web.test/shop/cart"}[name]
    assert web.put_json(2, {name: [value], "lifetime": 60}).code == "2.01"
    answer = web.put_json(1, {name: [value], "lifetime": 60})
    assert answer.code == "4.09"
    assert answer.conflict["conflict-scope"]["mid"] == 2
    assert web.put_json(3, {name: [value], "lifetime": 60}).code == "2.01"
    assert [scope["mid"] for scope in web.get().scopes] == [3]


def test_rfc9132_4_4_1_3_overlap_counts_within_one_trigger_type_only(web):
    assert web.put(5, NET, flags=["--preconfigured"]).code == "2.01"
    assert web.put(4, ONE).code == "2.01"  # lower, but immediate
    assert {scope["mid"] for scope in web.get().scopes} == {4, 5}
    assert web.put(3, NET, flags=["--preconfigured"]).code == "4.09"
    assert web.put(6, NET, flags=["--preconfigured"]).code == "2.01"
    assert {scope["mid"] for scope in web.get().scopes} == {4, 6}


# ---- Efficacy updates ----


def test_rfc9132_4_4_3_efficacy_update_is_a_refresh_and_reaches_the_mitigator(web, mitigator):
    assert web.put(1, ONE, lifetime=600).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert web.efficacy(1, ONE, lifetime=1200).code == "2.04"
    mitigator.wait_told(lambda told: told[-1].get("attack-status") == "under-attack", "of the attack")
    assert mitigator.told[-1]["id"] == job
    assert 1190 <= web.get(1).scope["lifetime"] <= 1200
    assert web.efficacy(1, ONE, flag="--mitigated").code == "2.04"
    mitigator.wait_told(lambda told: told[-1].get("attack-status") == "attack-successfully-mitigated", "of the end")
    assert len(mitigator.live) == 1


def test_rfc9132_4_4_3_efficacy_update_must_repeat_parameters(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    answer = web.efficacy(1, TWO)
    assert answer.code == "4.00" and "repeat" in answer.reason
    mitigator.wait_prefixes(ONE)


def test_rfc9132_4_4_3_attack_status_is_mandatory_in_an_efficacy_update(raw):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    answer = raw.put("a", 1, dots.request_body(ONE), options=[(Option.IF_MATCH, b"")])
    assert answer.text == "4.00" and "attack-status" in answer.reason


def test_rfc9132_4_4_3_attack_status_only_with_if_match(raw):
    answer = raw.put("a", 1, dots.request_body(ONE, attack_status=1))
    assert answer.text == "4.00" and "attack-status" in answer.reason
    assert raw.get("a").text == "4.04"


def test_rfc9132_4_4_3_efficacy_update_without_a_match_is_silently_ignored(raw, server, mitigator):
    body = dots.request_body(ONE, attack_status=1)
    assert raw.put("a", 1, body, options=[(Option.IF_MATCH, b"")], kind=NON, seconds=2) is None
    assert raw.get("a").text == "4.04"
    assert mitigator.told == []


def test_rfc9132_4_4_3_if_match_with_a_value_never_matches(raw):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    body = dots.request_body(ONE, attack_status=1)
    assert raw.put("a", 1, body, options=[(Option.IF_MATCH, b"tag")]).text == "4.12"


# ---- Withdrawal ----


def test_rfc9132_4_4_4_withdrawal_is_answered_without_payload(raw):
    assert raw.put("a", 1, dots.request_body(ONE)).text == "2.01"
    answer = raw.delete("a", 1)
    assert (answer.text, answer.payload) == ("2.02", b"")


def test_rfc9132_4_4_4_unknown_mid_is_deleted_as_well(web):
    assert web.delete(99).code == "2.02"


def test_rfc9132_4_4_4_withdrawal_ends_the_job_when_no_terminating_period_is_set(make_server, make_client, mitigator, pki):
    server = make_server(active_but_terminating={"initial": "0s"})
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    assert web.delete(1).code == "2.02"
    mitigator.wait_idle()
    wait_for(lambda: web.status(1) in (None, "attack-mitigation-terminated"), "the end of the mitigation")


def test_rfc7252_4_5_a_repeated_datagram_is_one_request(raw, mitigator):
    """CON, the same message ID and token: answered again, carried out once."""
    path = [(Option.URI_PATH, part.encode()) for part in (*MITIGATE, "cuid=a", "mid=1")]
    options = [*path, (Option.CONTENT_FORMAT, uint(dots.CONTENT_FORMAT))]
    message = Message(PUT, options, dots.request_body(ONE), b"token", CON, 4711)
    raw.send(message)
    assert raw.response(b"token").text == "2.01"
    raw.send(message)
    assert raw.response(b"token").text in ("2.01", "2.04")
    assert len(raw.get("a").scopes) == 1
    mitigator.wait_prefixes(ONE)
    assert [line["op"] for line in mitigator.told].count("start") == 1
