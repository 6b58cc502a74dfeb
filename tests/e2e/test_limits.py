"""Limits: each with a CoAP error that says which, and redirection (RFC 9132 sections 4.6, 9; DESIGN section 4)."""

import pytest

import dots
from coap import Option
from gateway import client_entry
from waiting import wait_for

ONE = "203.0.113.1/32"


def limited(pki, **limits):
    return [client_entry("shop", pki.psk("shop"), limits=limits), client_entry("web", "web.test")]


def test_mitigations_of_a_client(make_server, make_client, pki):
    shop = make_client(make_server(clients=limited(pki, mitigations=2)), pki.psk("shop"))
    assert shop.put(1, "203.0.113.1/32").code == "2.01"
    assert shop.put(2, "203.0.113.2/32").code == "2.01"
    answer = shop.put(3, "203.0.113.3/32")
    assert answer.code == "5.03" and "2" in answer.reason and answer.max_age
    assert shop.put(1, "203.0.113.1/32").code == "2.04", "a refresh needs no room"
    assert shop.delete(1).code == "2.02"
    assert shop.put(3, "203.0.113.3/32").code == "2.01"


def test_mitigations_in_all(make_server, make_client, pki):
    server = make_server(limits={"mitigations": 1})
    assert make_client(server, pki.psk("shop")).put(1, ONE).code == "2.01"
    answer = make_client(server, pki.certificate("web.test")).put(1, "203.0.113.2/32")
    assert answer.code == "5.03" and answer.reason and answer.max_age


def test_cuids_of_a_client(make_server, make_session, pki):
    raw = make_session(make_server(clients=limited(pki, cuids=2)), pki.psk("shop"))
    for cuid in ("a", "b"):
        assert raw.put(cuid, 1, dots.request_body(f"203.0.113.{ord(cuid)}/32")).text == "2.01"
    answer = raw.put("c", 1, dots.request_body(ONE))
    assert answer.text == "5.03" and "cuid" in answer.reason


@pytest.mark.parametrize("which", ["client", "source"])
def test_requests_per_second(make_server, make_session, pki, which):
    clients = limited(pki, **({"requests-per-second": 5} if which == "client" else {}))
    server = make_server(clients=clients, limits={"requests-per-source": 5} if which == "source" else {})
    raw = make_session(server, pki.psk("shop"))
    answers = [raw.get("a") for _ in range(20)]
    over = [answer for answer in answers if answer.text == "5.03"]
    assert over and {answer.text for answer in answers} == {"4.04", "5.03"}
    assert {"client": "client", "source": "address"}[which] in over[0].reason
    assert over[0].number(Option.MAX_AGE) is not None
    wait_for(lambda: raw.get("a").text == "4.04", "requests to be taken again")
    assert server.logged(" request-refused: ")


def test_handshakes_per_source(make_server, make_client, make_session, pki):
    server = make_server(limits={"handshakes-per-source": 2})
    sessions = [make_session(server, pki.psk("shop"), "tcp") for _ in range(8)]
    answers = [session.get("a", seconds=2) for session in sessions]
    assert any(answers) and not all(answers)
    server.wait_log(" handshake-failed: .*(many|limit)")
    shop = make_client(server, pki.psk("shop"), "tcp")
    wait_for(lambda: shop.run("-t", "2", "get").code == "4.04", "handshakes to be taken again", 30)


REDIRECT = {"alt-server": "alt-server.example", "addresses": ["2001:db8:6401::1", "2001:db8:6401::2"], "ttl": "30m"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc9132_figure_26_redirected_over_the_session_limit(make_server, make_session, pki, transport):
    server = make_server(limits={"sessions": 1}, redirect=REDIRECT)
    first = make_session(server, pki.psk("shop"), transport)
    assert first.get("a").text == "4.04"
    second = make_session(server, pki.certificate("web.test"), transport)
    answer = second.put("b", 1, dots.request_body(ONE))
    assert answer.text == "5.03"
    assert answer.body == {
        "ietf-dots-signal-channel:redirected-signal": {
            "alt-server": "alt-server.example",
            "alt-server-record": ["2001:db8:6401::1", "2001:db8:6401::2"],
        }
    }
    assert answer.number(Option.MAX_AGE) == 1800
    server.wait_log(" session-limit: ")
    assert first.put("a", 1, dots.request_body(ONE)).text == "2.01", "the first is served on"
    first.close()
    wait_for(lambda: server.logged(" session-down"), "the end of the first session")
    assert second.put("b", 1, dots.request_body("203.0.113.2/32")).text == "2.01", "there is room again"


def test_session_limit_without_an_alternate_server(make_server, make_session, pki):
    server = make_server(limits={"sessions": 1})
    first = make_session(server, pki.psk("shop"))
    assert first.get("a").text == "4.04"
    answer = make_session(server, pki.certificate("web.test")).get("b")
    assert answer.text == "5.03" and answer.reason and answer.number(Option.MAX_AGE)


def test_rfc9132_4_6_dots_client_follows_a_redirection(make_server, make_gateway, make_session, make_client, make_mitigator, pki):
    clients = limited(pki)
    other = make_mitigator("other")
    alternate = make_gateway("alternate", clients=clients, mitigators=[other.config()]).start()
    redirect = {"alt-server": alternate.host, "addresses": [alternate.address]}
    server = make_server(clients=clients, limits={"sessions": 1}, redirect=redirect)
    first = make_session(server, pki.certificate("web.test"))
    assert first.get("a").text == "4.04"
    answer = make_client(server, pki.psk("shop")).put(1, ONE)
    assert answer.code == "2.01", answer
    other.wait_job(ONE)
    assert first.get("a").text == "4.04"
