"""Debian's coap-client-openssl as a DOTS client: PUT, GET and DELETE with a PSK and with a certificate, over
coaps:// and coaps+tcp:// (RFC 9132 sections 3, 4.4)."""

import secrets

import pytest

import coap_client
import dots
from coap_client import CoapClient
from fixtures import standard_clients
from gateway import client_entry
from pki import Psk, write_private

pytestmark = pytest.mark.skipif(not coap_client.available(), reason="coap-client-openssl is not installed (libcoap3-bin)")

PREFIX = "203.0.113.1/32"
MITIGATE = (".well-known", "dots", "mitigate")
PATH = (*MITIGATE, "cuid=dz6pHjaADkaFTbjr0JGBpw", "mid=123")


@pytest.fixture(scope="session")
def text_psk(pki):
    """coap-client takes keys as text only: what is in the file after "text:"."""
    key = secrets.token_hex(16)
    file = pki.directory / "libcoap.psk"
    write_private(file, f"text:{key}\n".encode())
    return Psk("libcoap", key.encode(), file)


@pytest.fixture(params=["udp", "tcp"])
def transport(request):
    return request.param


@pytest.fixture(params=["psk", "certificate"])
def credentials(request, pki, text_psk):
    return text_psk if request.param == "psk" else pki.certificate("web.test")


@pytest.fixture
def server(make_server, pki, text_psk):
    clients = [*standard_clients(pki), client_entry("libcoap", text_psk)]
    return make_server(clients=clients, active_but_terminating={"initial": "0s"})


@pytest.fixture
def client(server, credentials, transport, tmp_path):
    return CoapClient(server, credentials, transport, tmp_path)


def test_put_get_delete(client, mitigator):
    body = dots.request_body(PREFIX, lifetime=600, target_protocol=[6])
    answer = client.request("put", PATH, body)
    assert answer.code == "2.01"
    assert answer.body == dots.mitigation({"mid": 123, "lifetime": 600})
    job = mitigator.wait_job(PREFIX)

    answer = client.request("get", PATH)
    assert answer.code == "2.05"
    (scope,) = answer.scopes
    assert scope["mid"] == 123 and scope["target-prefix"] == [PREFIX] and scope["target-protocol"] == [6]
    assert scope["status"] == 1 and 590 <= scope["lifetime"] <= 600

    answer = client.request("put", PATH, dots.request_body(PREFIX, lifetime=1200, target_protocol=[6]))
    assert answer.code == "2.04"
    answer = client.request("get", (*PATH[:-1],), flags=["-O", "15,c=n"])
    assert answer.code == "2.05" and "target-prefix" not in answer.scopes[0]

    answer = client.request("delete", PATH)
    assert (answer.code, answer.payload) == ("2.02", b"")
    mitigator.wait_told(lambda told: told[-1]["op"] == "stop" and told[-1]["id"] == job, "to stop")


def test_refusals_have_reasons(client, mitigator):
    for path, body, flags, code, word in (
        (PATH, dots.request_body("198.51.100.1/32"), [], "4.03", "198.51.100.1"),
        (PATH, dots.request_body(PREFIX, lifetime=0), [], "4.00", "lifetime"),
        (PATH, dots.request_body(PREFIX)[:-1], [], "4.00", ""),
        (PATH[:-1], dots.request_body(PREFIX), [], "4.00", "mid"),
        ((*MITIGATE, "mid=1", "cuid=a"), dots.request_body(PREFIX), [], "4.00", "mid"),
        (PATH, dots.request_body(PREFIX), ["-O", "16,0x01"], "5.08", "server.test"),
    ):
        answer = client.request("put", path, body, flags)
        assert answer.code == code, (path, answer)
        assert answer.reason and word in answer.reason
    answer = client.request("get", PATH)
    assert answer.code == "4.04" and answer.reason
    assert client.request("post", PATH, dots.request_body(PREFIX)).code == "4.05"
    assert mitigator.told == []


def test_session_configuration(client):
    path = (".well-known", "dots", "config")
    answer = client.request("get", path)
    assert answer.code == "2.05" and "Max-Age" in answer.options
    assert set(answer.body["ietf-dots-signal-channel:signal-config"]) == {"mitigating-config", "idle-config"}
    body = dots.encode(
        {"ietf-dots-signal-channel:signal-config": {"idle-config": {"heartbeat-interval": {"current-value": 60}}}}
    )
    assert client.request("put", (*path, "sid=1"), body).code == "2.01"
    answer = client.request("get", (*path, "sid=1"))
    config = answer.body["ietf-dots-signal-channel:signal-config"]
    assert config["idle-config"]["heartbeat-interval"]["current-value"] == 60
    assert client.request("delete", (*path, "sid=1")).code == "2.02"


def test_heartbeat(client):
    answer = client.request("put", (".well-known", "dots", "hb"), dots.heartbeat())
    assert (answer.code, answer.payload) == ("2.04", b"")


def test_body_in_blocks_both_ways(server, text_psk, tmp_path, mitigator, transport):
    client = CoapClient(server, text_psk, transport, tmp_path)
    prefixes = [f"203.0.113.{i}/32" for i in range(100)]
    assert client.request("put", PATH, dots.request_body(*prefixes), ["-b", "256"]).code == "2.01"
    mitigator.wait_told(lambda told: told and len(told[0]["scope"]["target-prefix"]) == 100, "of 100 prefixes")
    answer = client.request("get", PATH, flags=["-b", "256"])
    assert answer.code == "2.05"
    assert answer.scopes[0]["target-prefix"] == prefixes


@pytest.mark.parametrize("kind", ["NON", "CON"])
def test_notifications_are_non_confirmable(server, text_psk, tmp_path, mitigator, make_client, pki, kind):
    """RFC 9132 section 4.4.2.1, seen by libcoap: -s observes for some seconds."""
    client = CoapClient(server, text_psk, "udp", tmp_path)
    flags = ["-N"] if kind == "NON" else []
    assert client.request("put", PATH, dots.request_body(PREFIX), flags).code == "2.01"
    mitigator.report(mitigator.wait_job(PREFIX), 2)
    answer = client.request("get", PATH, flags=["-s", "1", *flags])
    assert answer.code == "2.05"
    assert answer.kind in (("NON",) if kind == "NON" else ("ACK", "NON"))


def test_through_a_gateway(make_upstream, make_relay, credentials, transport, pki, text_psk, tmp_path, mitigator):
    gw = make_relay(make_upstream().start(), clients=[*standard_clients(pki), client_entry("libcoap", text_psk)]).start()
    client = CoapClient(gw, credentials, transport, tmp_path)
    assert client.request("put", PATH, dots.request_body(PREFIX), ["-O", "16,0x01"]).reason == "gw.test"
    assert client.request("put", PATH, dots.request_body(PREFIX)).code == "2.01"
    job = mitigator.wait_job(PREFIX)
    mitigator.report(job, 2)
    assert client.request("get", PATH).code == "2.05"
    assert client.request("delete", PATH).code == "2.02"


@pytest.mark.parametrize("which", ["foreign", "expired", "wrong key", "unknown identity"])
def test_credentials_that_do_not_count(server, pki, text_psk, tmp_path, transport, which, mitigator):
    credentials = {
        "foreign": lambda: pki.foreign("web.test"),
        "expired": lambda: pki.expired("web.test"),
        "wrong key": lambda: Psk("libcoap", b"f" * 32, text_psk.file),
        "unknown identity": lambda: Psk("nobody", text_psk.key, text_psk.file),
    }[which]()
    client = CoapClient(server, credentials, transport, tmp_path)
    assert client.request("put", PATH, dots.request_body(PREFIX), ["-B", "2"]) is None
    assert not server.logged(" session-up")
    assert mitigator.told == []
