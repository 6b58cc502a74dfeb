"""Requests of different clients that overlap, and clients that use each other's cuid (RFC 9132 section 4.4.1.3)."""

import pytest

import dots
from coap import GET, MITIGATE, PUT
from pki import derived_cuid

ONE, NET, OTHER = "203.0.113.1/32", "203.0.113.0/28", "203.0.113.64/28"


def test_rfc9132_4_4_1_3_rejected_with_cause_scope_status_and_retry_timer(web, shop, mitigator, server):
    assert web.put(1, NET, lifetime=600).code == "2.01"
    answer = shop.put_json(7, {"target-prefix": [ONE, "203.0.113.99/32"], "lifetime": 60})
    assert answer.code == "4.09"
    conflict = answer.conflict
    assert conflict["conflict-cause"] == "overlapping-targets"
    assert conflict["conflict-status"] == "request-inactive-other-active"
    assert conflict["conflict-scope"]["target-prefix"] == [ONE]
    assert 590 <= int(conflict["retry-timer"]) <= 600
    assert "mid" not in conflict["conflict-scope"], "the mid of another client is none of its business"
    assert shop.get().code == "4.04"
    mitigator.wait_prefixes(NET)
    server.wait_log(" conflict: .*shop|conflict: .*web")


def test_rfc9132_4_4_1_3_no_conflict_without_overlap(web, shop):
    assert web.put(1, NET).code == "2.01"
    assert shop.put(1, OTHER).code == "2.01"


def test_rfc9132_4_4_1_3_the_same_mid_of_two_clients_is_two_requests(web, shop):
    assert web.put(1, ONE).code == "2.01"
    assert shop.put(1, OTHER).code == "2.01"
    assert web.get(1).scope["target-prefix"] == [ONE]
    assert shop.delete(1).code == "2.02"
    assert web.get(1).scope["status"] == "attack-mitigation-in-progress"


def test_rfc9132_4_4_1_3_withdrawn_request_conflicts_no_more(make_server, make_client, pki, mitigator):
    server = make_server(active_but_terminating={"initial": "0s"})
    web = make_client(server, pki.certificate("web.test"))
    shop = make_client(server, pki.psk("shop"))
    assert web.put(1, NET).code == "2.01"
    assert shop.put(1, ONE).code == "4.09"
    assert web.delete(1).code == "2.02"
    assert shop.put(1, ONE).code == "2.01"
    mitigator.wait_prefixes(ONE)


def test_rfc9132_4_4_1_3_accepted_and_both_told(make_server, make_client, pki, mitigator):
    server = make_server(conflicts="accept")
    web = make_client(server, pki.certificate("web.test"))
    shop = make_client(server, pki.psk("shop"))
    assert web.put(1, NET).code == "2.01"
    observer = web.observe(1)
    observer.wait(lambda bodies: bodies, "the first representation")
    answer = shop.put(7, ONE)
    assert answer.code == "2.01"
    for conflict in (answer.conflict, shop.get(7).scope["conflict-information"]):
        assert conflict["conflict-status"] == "request-active"
        assert conflict["conflict-cause"] == "overlapping-targets"
        assert conflict["conflict-scope"]["target-prefix"] == [ONE]
        assert "retry-timer" not in conflict, "only for those that were deactivated"

    def told(bodies):
        (scope,) = bodies[-1]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
        return scope.get("conflict-information", {}).get("conflict-status") == "request-active"

    observer.wait(told, "the conflict to be notified")
    assert len(mitigator.live) == 2
    # Over when one of them is withdrawn.
    assert shop.delete(7).code == "2.02"


# ---- cuid of another client ----


def figure_11(answer):
    return answer.body == dots.mitigation({"conflict-information": {"conflict-cause": 3}})


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc9132_figure_11_cuid_of_another_client(server, web, make_session, pki, mitigator, transport):
    cuid = derived_cuid(pki.certificate("web.test"))
    assert web.put(12, ONE).code == "2.01"
    raw = make_session(server, pki.psk("shop"), transport)
    answer = raw.put(cuid, 12, dots.request_body(OTHER))
    assert answer.text == "4.09"
    assert figure_11(answer), answer.body
    # A new one is taken, as in the figure.
    assert raw.put("f30d281ce6b64fc5a0b91e", 12, dots.request_body(OTHER)).text == "2.01"
    mitigator.wait_prefixes(ONE, OTHER)


def test_rfc9132_3_requests_of_another_client_are_neither_seen_nor_withdrawn(server, web, raw, pki):
    cuid = derived_cuid(pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    for answer in (raw.get(cuid, 1), raw.get(cuid), raw.delete(cuid, 1)):
        assert answer.text in ("4.01", "4.03", "4.04"), answer
        assert not answer.values(12), "nothing but a reason"
    assert web.status(1) == "attack-mitigation-in-progress"


def test_rfc9132_4_4_1_1_cuid_binding_outlives_requests_and_restarts(make_server, make_client, make_session, pki):
    server = make_server(active_but_terminating={"initial": "0s"})
    web = make_client(server, pki.certificate("web.test"))
    cuid = derived_cuid(pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    server.restart()
    raw = make_session(server, pki.psk("shop"))
    answer = raw.put(cuid, 1, dots.request_body(OTHER))
    assert answer.text == "4.09" and figure_11(answer)


def test_rfc9132_4_4_1_2_cdid_from_a_client_must_be_ignored(raw, mitigator):
    """A client cannot make two of itself, or somebody else, with cdid."""
    path = (*MITIGATE, "cdid=7eeaf349529eb55ed50113", "cuid=a", "mid=1")
    assert raw.request(PUT, path, dots.request_body(ONE)).text == "2.01"
    assert raw.get("a", 1).scopes[0]["target-prefix"] == [ONE]
    assert raw.request(GET, (*MITIGATE, "cdid=other", "cuid=a", "mid=1")).text == "2.05"


def test_rfc9132_4_4_1_2_cdid_from_a_trusted_gateway_tells_clients_apart(make_server, make_session, pki, mitigator):
    clients = [{"name": "shop", "identities": [pki.psk("shop").config()], "scopes": {"prefixes": ["203.0.113.0/24"]}}]
    clients[0]["supplies-cdid"] = True
    raw = make_session(make_server(clients=clients), pki.psk("shop"))
    one, two = ((*MITIGATE, f"cdid={cdid}", f"cuid={cuid}", "mid=1") for cdid, cuid in (("x", "a"), ("y", "b")))
    stolen = (*MITIGATE, "cdid=y", "cuid=a", "mid=1")
    assert raw.request(PUT, one, dots.request_body(ONE)).text == "2.01"
    answer = raw.request(PUT, stolen, dots.request_body(OTHER))
    assert answer.text == "4.09" and figure_11(answer)
    assert raw.request(GET, stolen).text in ("4.01", "4.04")
    assert raw.request(GET, two).text == "4.04"
    assert raw.request(PUT, two, dots.request_body(OTHER)).text == "2.01"
    scope = raw.request(GET, one).scopes[0]
    assert scope["target-prefix"] == [ONE]
    assert not {"cuid", "cdid"} & set(scope), "forbidden in a response (section 4.4.1.3)"
    mitigator.wait_prefixes(ONE, OTHER)
