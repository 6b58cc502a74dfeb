"""Who is it: certificates and PSKs, over every transport, and what they may not be (RFC 9132 sections 7.1, 8)."""

import socket

import pytest

import network
from coap import credential_flags, target
from fixtures import standard_clients
from gateway import client_entry
from pki import Authority, Psk, derived_cuid
from processes import openssl, run

ONE = "203.0.113.1/32"


@pytest.fixture(params=["udp", "tcp"])
def transport(request):
    return request.param


# ---- Known clients ----


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("kind", ["certificate", "psk"])
def test_rfc9132_3_every_transport_credential_and_family(make_gateway, make_client, pki, mitigator, kind, family, transport):
    if family == "ipv6" and not network.has_ipv6():
        pytest.skip("no IPv6 here")
    clients = [client_entry("web", "web.test"), client_entry("shop", pki.psk("shop"))]
    server = make_gateway("server", ipv6=family == "ipv6", clients=clients, mitigators=[mitigator.config()]).start()
    client = make_client(server, pki.certificate("web.test") if kind == "certificate" else pki.psk("shop"), transport)
    assert client.put(1, ONE).code == "2.01"
    assert client.get(1).scope["status"] == "attack-mitigation-in-progress"
    assert client.delete(1).code == "2.02"
    (job,) = {line["client"] for line in mitigator.told}
    assert job == ("web" if kind == "certificate" else "shop")


def test_rfc9132_4_3_client_without_a_choice_of_transport_takes_udp(server, make_client, pki):
    assert make_client(server, pki.psk("shop"), None).put(1, ONE).code == "2.01"
    server.wait_log(r" session-up: client shop on \S+/udp")


def test_rfc9132_4_3_client_falls_back_to_tcp(make_gateway, make_client, pki, mitigator):
    server = make_gateway("server", clients=standard_clients(pki), mitigators=[mitigator.config()])
    server.configure(listeners=[{"address": server.address, "port": server.port, "transports": ["tcp"]}])
    server.start()
    assert make_client(server, pki.psk("shop"), None).put(1, ONE).code == "2.01"


@pytest.mark.parametrize("kind", ["spki", "second name", "ip name", "uri name"])
def test_client_is_known_by(make_server, make_client, pki, kind):
    names = {
        "spki": ["nobody.test"],
        "second name": ["other.test", "web.test"],
        "ip name": ["192.0.2.7"],
        "uri name": ["urn:dots:web"],
    }[kind]
    certificate = pki.authority.issue("client", *names)
    identity = {"spki-sha256": certificate.spki_sha256} if kind == "spki" else {"san": names[-1]}
    clients = [{"name": "web", "identities": [identity], "scopes": {"prefixes": ["203.0.113.0/24"]}}]
    assert make_client(make_server(clients=clients), certificate).put(1, ONE).code == "2.01"


def test_two_identities_of_one_client(make_server, make_client, pki, mitigator):
    clients = [client_entry("web", "web.test", pki.psk("shop"))]
    server = make_server(clients=clients)
    for mid, credentials in enumerate((pki.certificate("web.test"), pki.psk("shop"))):
        assert make_client(server, credentials).put(mid, f"203.0.113.{mid}/32").code == "2.01"
    mitigator.wait_told(lambda told: [line["client"] for line in told] == ["web", "web"], "of one client twice")


def test_rfc9132_4_4_1_1_cuid_derived_from_the_key_or_identity(server, make_client, make_session, pki):
    """What dots-client derives is the hash of section 4.4.1.1: the request is found under it."""
    for credentials in (pki.certificate("web.test"), pki.psk("shop")):
        mid = 1 + isinstance(credentials, Psk)
        assert make_client(server, credentials).put(mid, f"203.0.113.{mid}/32").code == "2.01"
        raw = make_session(server, credentials)
        assert raw.get(derived_cuid(credentials), mid).text == "2.05"


# ---- Authenticated and unknown ----


def test_rfc9132_8_unknown_client_is_4_01(server, make_client, pki, mitigator, transport):
    guest = make_client(server, pki.certificate("guest.test"), transport)
    for answer in (guest.put(1, ONE), guest.get(), guest.delete(1), guest.config_get(), guest.heartbeat()):
        assert answer.code == "4.01"
        assert answer.reason, "a reason that a person can act on"
    assert mitigator.told == []
    server.wait_log(r' client-unknown: "guest.test"')


# ---- Handshakes that must fail ----


def refused(server, report):
    """No session came up, neither here nor there."""
    assert "Cipher is (NONE)" in report or "Cipher    : 0000" in report or "New, (NONE)" in report, report
    assert not server.logged(" session-up")


@pytest.mark.parametrize("version", ["-tls1_1", "-tls1", "-dtls1"])
def test_rfc9132_7_1_nothing_before_tls_1_2(server, pki, version):
    flags = [version, "-cipher", "ALL:@SECLEVEL=0", *credential_flags(pki.certificate("web.test"))]
    done = run([openssl(), "s_client", "-connect", target(server), *flags], input=b"", timeout=15)
    refused(server, (done.stdout + done.stderr).decode(errors="replace"))
    server.wait_log(r" handshake-\w+: ")


@pytest.mark.parametrize("flags", [[], ["-tls1_3"]], ids=["1.2", "1.3"])
def test_rfc9132_7_1_tls_1_2_and_1_3(server, make_session, pki, flags):
    raw = make_session(server, pki.certificate("web.test"), "tcp", *flags)
    assert raw.get("a").text == "4.04"


def session_fails(server, make_session, credentials, transport, *flags):
    raw = make_session(server, credentials, transport, *flags)
    answer = raw.get("a", seconds=3)
    assert answer is None, f"answered {answer}"
    assert not server.logged(" session-up")


@pytest.mark.parametrize("which", ["of another authority", "expired", "none", "self-signed"])
def test_rfc9132_8_certificate_that_does_not_count(server, make_session, make_client, pki, transport, which):
    credentials = {
        "of another authority": lambda: pki.foreign("web.test"),
        "expired": lambda: pki.expired("web.test"),
        "none": lambda: None,
        "self-signed": lambda: self_signed(pki),
    }[which]()
    session_fails(server, make_session, credentials, transport)
    server.wait_log(r" handshake-failed: .*certificate")
    if credentials:
        answer = make_client(server, credentials, transport).run("-t", "2", "get")
        assert answer.code is None and answer.status in (1, 3), answer
        assert answer.err.strip(), "dots-client says what went wrong"


def self_signed(pki):
    directory = pki.directory / "alone"
    directory.mkdir(exist_ok=True)
    return Authority(directory, "web.test").issue("web.test", anchors=pki.authority.file)


@pytest.mark.parametrize("which", ["unknown identity", "wrong key"])
def test_rfc9132_8_psk_that_does_not_count(server, make_session, make_client, pki, transport, which):
    credentials = pki.psk("nobody") if which == "unknown identity" else pki.other_key("shop")
    session_fails(server, make_session, credentials, transport)
    if (transport, which) != ("udp", "wrong key"):  # DTLS discards what does not decrypt: that ends by a time-out
        server.wait_log(r" handshake-failed: ")
    answer = make_client(server, credentials, transport).run("-t", "2", "get")
    assert answer.code is None and answer.status in (1, 3), answer


def test_psk_without_forward_secrecy_is_refused(server, make_session, pki, transport):
    """RFC 9132 section 7.1 wants PSK with (EC)DHE."""
    session_fails(server, make_session, pki.psk("shop"), transport, "-cipher", "PSK-AES128-GCM-SHA256")


# ---- The server's certificate, as dots-client checks it ----


@pytest.mark.parametrize("which", ["other name", "expired", "of another authority"])
def test_rfc9132_7_1_client_must_verify_the_server(make_gateway, make_client, pki, mitigator, transport, which):
    certificate = {
        "other name": lambda: pki.certificate("elsewhere.test"),
        "expired": lambda: pki.expired("server.test"),
        "of another authority": lambda: pki.foreign("server.test"),
    }[which]()
    clients = [client_entry("web", "web.test")]
    server = make_gateway("server", tls=certificate.config(), clients=clients, mitigators=[mitigator.config()]).start()
    answer = make_client(server, pki.certificate("web.test"), transport).run("-t", "2", "put", "1", "-p", ONE)
    assert answer.code is None and answer.status in (1, 3), answer
    assert "certificate" in answer.err or "name" in answer.err, answer.err
    assert mitigator.told == []


def test_rfc9132_7_1_common_name_does_not_count(make_gateway, make_client, pki, mitigator):
    certificate = pki.authority.issue("server.test", "elsewhere.test")
    clients = [client_entry("web", "web.test")]
    server = make_gateway("server", tls=certificate.config(), clients=clients, mitigators=[mitigator.config()]).start()
    answer = make_client(server, pki.certificate("web.test")).run("-t", "2", "get")
    assert answer.code is None, answer


# ---- Peers that are no DOTS clients ----


def test_plain_bytes_on_both_ports_harm_nobody(server, web):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        for data in (b"\x40\x01\x00\x01", b"GET / HTTP/1.0\r\n\r\n", bytes(1400), b"\x16\xfe\xfd" + b"\xff" * 200):
            with socket.socket(socket.AF_INET, kind) as peer:
                peer.connect((server.address, server.port))
                try:
                    peer.sendall(data)
                except OSError:
                    pass
    assert web.put(1, ONE).code == "2.01"


def test_rfc9132_7_1_resumption_without_state_at_the_server(server, make_session, pki, tmp_path):
    """A ticket of one session opens the next, also after a restart of the client program only."""
    ticket = tmp_path / "ticket"
    flags = [openssl(), "s_client", "-connect", target(server), "-tls1_2", *credential_flags(pki.certificate("web.test"))]
    run([*flags, "-sess_out", ticket], input=b"")
    done = run([*flags, "-sess_in", ticket], input=b"")
    assert b"Reused, TLSv1.2" in done.stdout
