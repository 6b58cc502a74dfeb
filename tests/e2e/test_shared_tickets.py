"""Two gateways with one file of ticket keys: a client that was at the one resumes its session at the other, as itself."""

import base64
import secrets

import pytest

from coap import credential_flags
from fixtures import standard_clients
from gateway import client_entry
from processes import openssl, run

ONE = "203.0.113.1/32"


@pytest.fixture(params=["udp", "tcp"])
def transport(request):
    return request.param


@pytest.fixture(params=["certificate", "psk"])
def credentials(request, pki):
    return pki.certificate("web.test") if request.param == "certificate" else pki.psk("shop")


class Keys:
    """A file of ticket keys, newest first in the list."""

    def __init__(self, path, *keys):
        self.path = path
        path.touch(mode=0o600)
        self.write(*keys)

    def write(self, *keys):
        self.path.write_text("".join(f"{key}\n" for key in keys))


def new_key():
    return base64.b64encode(secrets.token_bytes(80)).decode()


@pytest.fixture
def key():
    return new_key()


@pytest.fixture
def make_pair(make_server, pki, tmp_path):
    """make_pair(keys of the first, of the second, clients of the second): two servers with state of their own."""

    def make(first, second, clients=None):
        servers = []
        for name, keys in (("first", first), ("second", second)):
            file = Keys(tmp_path / f"{name}.tickets", *keys)
            tls = pki.certificate("server.test").config() | {"ticket-keys-file": str(file.path)}
            more = {"clients": clients} if clients is not None and name == "second" else {}
            servers.append(make_server(name, tls=tls, **more))
            servers[-1].keys = file
        return servers

    return make


@pytest.fixture
def ticket_of(make_session, tmp_path):
    """ticket_of(server, credentials, transport): a session there, and the file with its ticket afterwards."""

    def take(server, credentials, transport):
        file = tmp_path / f"ticket-{secrets.token_hex(4)}"
        session = make_session(server, credentials, transport, "-sess_out", file)
        assert session.get("cuid").text == "4.04"
        session.close()
        assert file.stat().st_size > 0
        return file

    return take


def client_of(credentials):
    return "shop" if hasattr(credentials, "identity") else "web"


def resumed(server, session, credentials, transport):
    """It is up, and is that client; whether it was resumed."""
    before = len(server.logged(r" session-up: "))
    assert session.get("cuid").text == "4.04"
    found = server.wait_log(r" session-up: client (\S+) on \S+/(udp|tcp)(, resumed)?", max(before, 1))[-1]
    assert found[:2] == (client_of(credentials), transport), found
    return bool(found[2])


def test_rfc9132_7_1_a_session_of_one_gateway_is_resumed_at_another(
    make_pair, make_session, ticket_of, key, credentials, transport
):
    first, second = make_pair([key], [new_key(), key])
    ticket = ticket_of(first, credentials, transport)
    session = make_session(second, credentials, transport, "-sess_in", ticket)
    assert resumed(second, session, credentials, transport)


def test_without_the_same_keys_there_is_a_full_handshake(make_pair, make_session, ticket_of, key, credentials, transport):
    first, second = make_pair([key], [new_key()])
    ticket = ticket_of(first, credentials, transport)
    session = make_session(second, credentials, transport, "-sess_in", ticket)
    assert not resumed(second, session, credentials, transport)


def test_a_rotation_by_reload(make_pair, make_session, ticket_of, key, pki, transport):
    """docs/scaling.md: the new one second at all, then first at all, then the old one goes."""
    web, new = pki.certificate("web.test"), new_key()
    first, second = make_pair([key], [new_key()])
    ticket = ticket_of(first, web, transport)
    for server in (first, second):
        server.keys.write(key, new)
        assert "tls" in server.reload()
    assert resumed(second, make_session(second, web, transport, "-sess_in", ticket), web, transport)
    first.keys.write(new, key)
    first.reload()
    ticket = ticket_of(first, web, transport)
    assert resumed(second, make_session(second, web, transport, "-sess_in", ticket), web, transport)
    second.keys.write(new)
    second.reload()
    assert resumed(second, make_session(second, web, transport, "-sess_in", ticket), web, transport)


def test_a_broken_file_is_refused_by_the_reload_and_changes_nothing(make_pair, make_session, ticket_of, key, pki):
    web = pki.certificate("web.test")
    first, second = make_pair([key], [key])
    ticket = ticket_of(first, web, "udp")
    second.keys.write(key, key[:64])
    told = second.reload_refused()
    assert "ticket-keys-file" in told and "line 2" in told and "openssl rand 80 | base64 -w 0" in told
    assert key[:16] not in second.log
    assert resumed(second, make_session(second, web, "udp", "-sess_in", ticket), web, "udp")


def assert_unknown(make_session, server, peers, tickets, transport):
    """A certificate is proved, and gets 4.01; a PSK is not even that."""
    session = make_session(server, peers[0], transport, "-sess_in", tickets[0])
    assert session.get("cuid").text == "4.01"
    session = make_session(server, peers[1], transport, "-sess_in", tickets[1])
    assert session.get("cuid", seconds=3) is None
    assert not server.logged(" session-up")


def test_a_client_that_the_other_does_not_have_is_refused(make_pair, make_session, ticket_of, key, pki, transport):
    web, shop = pki.certificate("web.test"), pki.psk("shop")
    first, second = make_pair([key], [key], [client_entry("other", "other.test", pki.psk("other"))])
    tickets = [ticket_of(first, each, transport) for each in (web, shop)]
    assert_unknown(make_session, second, (web, shop), tickets, transport)


def test_a_client_that_is_removed_does_not_come_back(make_pair, make_session, ticket_of, key, pki, transport):
    web, shop = pki.certificate("web.test"), pki.psk("shop")
    first, second = make_pair([key], [key])
    tickets = [ticket_of(first, each, transport) for each in (web, shop)]
    second.reload(clients=[client_entry("other", "other.test", pki.psk("other"))])
    assert_unknown(make_session, second, (web, shop), tickets, transport)


def test_another_key_of_a_psk_or_other_anchors_end_its_tickets(make_pair, make_session, ticket_of, key, pki, transport):
    web, shop = pki.certificate("web.test"), pki.psk("shop")
    first, second = make_pair([key], [key])
    tickets = [ticket_of(first, each, transport) for each in (web, shop)]
    anchors = second.directory / "anchors.pem"
    anchors.write_bytes(pki.authority.file.read_bytes() + pki.stranger.file.read_bytes())
    second.reload(
        clients=[standard_clients(pki)[0], client_entry("shop", pki.other_key("shop"))],
        tls=second.sections["tls"] | {"trust-anchors": str(anchors)},
    )
    session = make_session(second, web, transport, "-sess_in", tickets[0])
    assert not resumed(second, session, web, transport)
    session = make_session(second, shop, transport, "-sess_in", tickets[1])
    assert session.get("cuid", seconds=3) is None
    assert len(second.logged(" session-up")) == 1


def s_client(server, port, certificate, *flags):
    done = run(
        [openssl(), "s_client", "-connect", f"{server.address}:{port}", "-tls1_2", *credential_flags(certificate), *flags],
        input=b"",
    )
    return b"Reused, TLSv1.2" in done.stdout


def test_rfc8783_3_1_the_data_channel_resumes_its_own_tickets(make_pair, pki, key, tmp_path):
    """And none of the signal channel, nor that one's."""
    web = pki.certificate("web.test")
    servers = make_pair([key], [key])
    for server in servers:
        server.stop()
        server.with_data_channel().start()
    first, second = servers
    data, signal = tmp_path / "data", tmp_path / "signal"
    assert not s_client(first, first.data_port, web, "-sess_out", data)
    assert not s_client(first, first.port, web, "-sess_out", signal)
    assert s_client(second, second.data_port, web, "-sess_in", data)
    assert s_client(second, second.port, web, "-sess_in", signal)
    assert not s_client(second, second.data_port, web, "-sess_in", signal)
    assert not s_client(second, second.port, web, "-sess_in", data)
    second.keys.write(new_key())
    second.reload()
    assert not s_client(second, second.data_port, web, "-sess_in", data)


def test_a_file_that_others_can_read_is_warned_of(make_pair, key):
    first, _ = make_pair([key], [key])
    first.stop()
    first.keys.path.chmod(0o644)
    first.start()
    assert first.logged(r" config-secret-open: .*first\.tickets holds a secret but its mode is 0644")
    assert key not in first.log
