"""SIGHUP: what changes, what stays, and what is refused as a whole."""

import datetime
import signal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from coap import CONFIG, GET
from fixtures import standard_clients
from gateway import client_entry
from waiting import wait_for

ONE, TWO, OUTSIDE = "203.0.113.1/32", "203.0.113.2/32", "2001:db8:6401::1/128"
UNMAPPED = "203.0.113.200/32"
IN_PROGRESS = "attack-mitigation-in-progress"
WITHDRAWN = "attack-mitigation-withdrawn"


def ends(gateway, name):
    return gateway.logged(f" session-down: client {name} on ")


# ---- A file that is bad, or asks for what needs a restart ----


def test_a_bad_file_changes_nothing(server, web, mitigator):
    held = web.hold()
    good = server.sections["clients"]
    text = server.reload_refused(clients=[client_entry("web", "web.test", scopes={"prefixes": ["203.0.113.0"]})])
    assert "stays in force" in text and ":" in text
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    server.reload(clients=good)
    assert not ends(server, "web")[1:], "only that of the put"
    held.stop()


@pytest.mark.parametrize(
    "sections, says",
    [
        ({"gateway": {"name": "other.test"}}, "gateway.name"),
        ({"gateway": {"state-dir": "elsewhere"}}, "gateway.state-dir"),
        ({"listeners": []}, "listeners"),
    ],
)
def test_what_needs_a_restart_is_refused_as_a_whole(make_server, make_client, pki, sections, says):
    server = make_server()
    clients = server.sections["clients"] + [client_entry("late", "late.test")]
    if "listeners" in sections:
        sections = {"listeners": [{"address": server.address, "port": server.port + 1}]}
    before = {key: server.sections[key].copy() for key in sections}
    text = server.reload_refused(clients=clients, **sections)
    assert says in text and "restart" in text or "stop it" in text
    late = make_client(server, pki.certificate("late.test"))
    assert late.put(1, ONE).code == "4.01", "nothing of it is in force"
    server.sections |= before
    server.reload()
    assert late.put(1, ONE).code == "2.01"


def test_a_certificate_that_does_not_fit_its_key_is_refused(server, web, pki):
    tls = server.sections["tls"] | {"private-key": str(pki.certificate("web.test").key)}
    assert "one pair" in server.reload_refused(tls=tls)
    assert web.put(1, ONE).code == "2.01"


# ---- Clients ----


def test_a_client_that_is_added_is_served(server, make_client, pki, raw):
    late = make_client(server, pki.certificate("late.test"))
    assert late.put(1, ONE).code == "4.01"
    assert "clients: 1 added" in server.reload(clients=standard_clients(pki) + [client_entry("late", "late.test")])
    assert late.put(1, ONE).code == "2.01"


def test_one_that_was_unknown_is_served_on_its_session(server, make_session, pki):
    session = make_session(server, pki.certificate("late.test"))
    assert session.get("cuid").text == "4.01"
    server.reload(clients=standard_clients(pki) + [client_entry("late", "late.test")])
    assert session.get("cuid").text == "4.04"


def test_a_client_that_is_removed_is_told_so_and_closed(server, web, shop, pki, mitigator):
    assert web.put(1, ONE).code == "2.01"
    assert shop.put(1, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    observer, stays = web.observe(1), shop.observe(1)
    observer.wait_status(IN_PROGRESS)
    stays.wait_status(IN_PROGRESS)
    assert "clients: 1 removed" in server.reload(clients=standard_clients(pki)[1:])
    observer.wait_status(IN_PROGRESS, WITHDRAWN)
    mitigator.wait_prefixes(TWO)
    server.wait_log(" session-not-allowed: client web ")
    server.wait_log(" session-down: client web on .*: closed by us")
    answer = web.put(2, ONE)
    assert answer.code == "4.01"
    assert shop.status(1) == IN_PROGRESS
    assert not [line for line in ends(server, "shop") if "closed by us" in line]


def test_the_cuid_of_a_removed_client_is_free_again(make_server, make_client, pki, mitigator):
    server = make_server()
    web = make_client(server, pki.certificate("web.test"), cuid="wanted")
    assert web.put(1, ONE).code == "2.01"
    other = make_client(server, pki.certificate("other.test"), cuid="wanted")
    clients = standard_clients(pki) + [client_entry("other", "other.test")]
    server.reload(clients=clients)
    assert other.put(1, TWO).code == "4.09"
    server.reload(clients=clients[1:])
    mitigator.wait_idle()
    wait_for(lambda: other.put(2, TWO).code == "2.01", "the cuid to be free", 25)


def test_a_removed_client_does_not_come_back_by_a_restart_or_its_state(server, web, pki, mitigator):
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    server.stop()
    server.configure(clients=standard_clients(pki)[1:])
    server.start()
    mitigator.wait_idle()


def test_what_is_outside_of_narrowed_scopes_is_withdrawn(server, web, pki, mitigator):
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, OUTSIDE).code == "2.01"
    observer = web.observe(2)
    observer.wait_status(IN_PROGRESS)
    server.reload(clients=standard_clients(pki, scopes={"prefixes": ["203.0.113.0/24"]}))
    observer.wait_status(IN_PROGRESS, WITHDRAWN)
    mitigator.wait_prefixes(ONE)
    assert web.status(1) == IN_PROGRESS
    assert web.status(2) == WITHDRAWN
    assert web.put(3, OUTSIDE).code == "4.03"
    server.wait_log(" warning scope-withdrawn: web")


def test_limits_are_those_of_now(server, web, pki):
    assert web.put(1, ONE).code == "2.01"
    assert web.put(2, TWO).code == "2.01"
    server.reload(clients=standard_clients(pki, limits={"mitigations": 2}))
    assert web.put(3, OUTSIDE).code == "5.03"
    server.reload(clients=standard_clients(pki))
    assert web.put(3, OUTSIDE).code == "2.01"


def test_another_key_of_a_psk_is_asked_for_in_new_handshakes_only(server, make_session, make_client, pki):
    session = make_session(server, pki.psk("shop"))
    assert session.get("cuid").text == "4.04"
    new = pki.other_key("shop")
    server.reload(clients=[standard_clients(pki)[0], client_entry("shop", new)])
    assert session.get("cuid").text == "4.04", "the session goes on"
    assert make_client(server, new, "tcp").put(1, ONE).code == "2.01"
    old = make_client(server, pki.psk("shop"), "tcp")
    assert old.put(2, TWO).code != "2.01", "neither its key nor a ticket is good any more"


def test_an_identity_that_moves_to_another_client_ends_its_session(server, make_session, pki):
    session = make_session(server, pki.psk("shop"))
    assert session.get("cuid").text == "4.04"
    server.reload(clients=[client_entry("web", "web.test"), client_entry("store", pki.psk("shop"))])
    server.wait_log(" session-not-allowed: client shop ")
    assert session.get("cuid").text == "4.01"
    assert make_session(server, pki.psk("shop")).get("cuid").text == "4.04"


# ---- Certificates, listeners, mitigators ----


def test_new_certificate_under_the_same_name(server, web, make_client, pki, mitigator):
    held = web.hold()
    new = pki.authority.issue("server.test")
    server.reload(tls=new.config())
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    assert held.process.running() and not ends(server, "web")[1:], "only that of the put"
    foreign = pki.foreign("server.test")
    server.reload(tls=foreign.config() | {"trust-anchors": str(pki.authority.file)})
    assert not web.put(2, TWO).code, "the client does not trust it: the new one is shown"
    server.reload(tls=new.config())
    assert web.put(3, TWO).code == "2.01"


def test_a_listener_more(server, make_client, pki):
    listeners = server.sections["listeners"]
    server.reload(listeners=listeners + [{"address": server.address, "port": 4647}])
    server.port = 4647
    assert make_client(server, pki.certificate("web.test")).put(1, ONE).code == "2.01"
    assert make_client(server, pki.psk("shop"), "tcp").put(1, TWO).code == "2.01"


def test_a_listener_that_cannot_be_had_refuses_all(make_server, make_gateway, make_client, pki):
    server, other = make_server(), make_server("other")
    text = server.reload_refused(
        clients=standard_clients(pki) + [client_entry("late", "late.test")],
        listeners=server.sections["listeners"] + [{"address": other.address, "port": other.port}],
    )
    assert "in use" in text
    assert make_client(server, pki.certificate("late.test")).put(1, ONE).code == "4.01"


def test_a_mitigator_takes_the_place_of_another(make_server, make_mitigator, make_client, pki):
    first, second = make_mitigator("first"), make_mitigator("second")
    server = make_server(mitigators=[first.config()])
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    first.wait_job(ONE)
    assert "mitigators: 1 added, 1 removed" in server.reload(mitigators=[second.config()])
    second.wait_job(ONE)
    first.wait_idle()
    server.wait_log(" info target-removed: first")
    assert web.status(1) == IN_PROGRESS
    assert web.put(2, TWO).code == "2.01"
    second.wait_prefixes(ONE, TWO)
    server.reload(mitigators=[first.config()])
    first.wait_prefixes(ONE, TWO)
    second.wait_idle()


# ---- Session parameters ----


def test_what_clients_may_negotiate_is_what_is_configured_now(server, web):
    assert web.config_put(1, mitigating_config={"heartbeat-interval": {"current-value": 200}}).code == "2.01"
    agreed = web.config_get(1).config["mitigating-config"]["heartbeat-interval"]
    assert agreed["current-value"] == 200
    server.reload(session_config={"heartbeat-interval": {"min": 15, "max": 100, "current": 20}})
    now = web.config_get(1).config["mitigating-config"]["heartbeat-interval"]
    assert (now["min-value"], now["max-value"], now["current-value"]) == (15, 100, 20)


# ---- Upstreams ----


@pytest.fixture
def above(make_upstream):
    return make_upstream().start()


@pytest.fixture
def gw(above, make_relay):
    return make_relay(above).start()


@pytest.fixture
def client(gw, make_client, pki):
    return make_client(gw, pki.certificate("web.test"))


def entry(server, name="isp", **more):
    return {"name": name, "servers": [server.server_entry()], "transports": ["udp"]} | more


def test_an_upstream_more_is_asked_for_what_is_there(above, gw, client, make_upstream, make_mitigator, mitigator):
    second = make_mitigator("second")
    other = make_upstream("other", mitigators=[second.config()]).start()
    assert client.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    gw.reload(upstreams=[entry(above), entry(other, "second")])
    second.wait_job(ONE)
    assert client.put(2, TWO).code == "2.01"
    second.wait_prefixes(ONE, TWO)
    mitigator.wait_prefixes(ONE, TWO)
    gw.reload(upstreams=[entry(other, "second")])
    mitigator.wait_idle()
    gw.wait_log(" info target-removed: isp")
    above.wait_log(" session-down: client gw on ")
    second.wait_prefixes(ONE, TWO)
    assert client.status(1) == IN_PROGRESS
    gw.reload(upstreams=[entry(above), entry(other, "second")])
    mitigator.wait_prefixes(ONE, TWO)


def test_a_renewed_certificate_of_the_gateway_keeps_what_is_there(above, gw, client, pki, mitigator):
    assert client.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    old = pki.certificate("gw.test")
    renewed = reissue(pki, old)
    gw.reload(tls=old.config() | {"certificate": str(renewed)})
    wait_for(lambda: len(above.logged(" session-up: client gw on ")) == 2, "a session with the new one")
    assert client.put(2, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    assert mitigator.wait_job(ONE) == job, "the same request as before"
    assert len([line for line in mitigator.told if line["op"] != "stop"]) == 2, mitigator.told


def reissue(pki, certificate):
    """Another certificate for the same key."""
    old = x509.load_pem_x509_certificate(certificate.cert.read_bytes())
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=old.not_valid_before,
        not_valid_after=old.not_valid_after + datetime.timedelta(days=1),
        extensions=list(old.extensions),
    )
    file = certificate.cert.with_name("renewed-" + certificate.cert.name)
    file.write_bytes(builder.sign(pki.authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


def test_another_key_of_the_gateway_is_another_client_upstream(above, gw, client, pki, mitigator):
    """Another cuid (RFC 9132 section 4.4.1.1): under the old one all is withdrawn, under the new one put."""
    assert client.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    gw.reload(tls=pki.authority.issue("gw.test").config())
    wait_for(lambda: mitigator.live and job not in mitigator.live, lambda: f"another job: {mitigator.told}", 30)
    mitigator.wait_prefixes(ONE)
    gw.wait_log(" info target-removed: isp")
    assert client.status(1) == IN_PROGRESS


def test_other_servers_of_an_upstream(above, gw, client, make_upstream, make_mitigator, mitigator):
    """The same upstream elsewhere: the session moves, and what is not there is put again."""
    second = make_mitigator("second")
    other = make_upstream("other", mitigators=[second.config()]).start()
    assert client.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    gw.reload(upstreams=[entry(other)])
    second.wait_job(ONE)
    assert client.put(2, TWO).code == "2.01"
    second.wait_prefixes(ONE, TWO)


def test_session_parameters_are_negotiated_anew_upstream(above, gw, make_session, pki):
    """The gateway's own session there goes on, with heartbeats as often as is configured now."""
    session = make_session(above, pki.certificate("gw.test"), "tcp")

    def in_force():
        sets = session.request(GET, CONFIG).body["ietf-dots-signal-channel:signal-config"]
        return sets["idle-config"]["heartbeat-interval"]["current-value"]

    wait_for(lambda: in_force() == 1, "what the gateway begins with")
    gw.reload(session_config={"heartbeat-interval": {"min": 1, "max": 240, "current": 7}})
    wait_for(lambda: in_force() == 7, "what it has now")
    assert not ends(above, "gw")


def test_identity_of_an_upstream(above, gw, client, pki, mitigator, make_session):
    assert client.put(1, ONE).code == "2.01"
    job = mitigator.wait_job(ONE)
    gw.reload(upstreams=[entry(above, identity="client")])
    wait_for(lambda: mitigator.live and job not in mitigator.live, lambda: f"another job: {mitigator.told}", 30)
    mitigator.wait_prefixes(ONE)
    assert client.status(1) == IN_PROGRESS


def test_sessions_of_an_upstream_where_the_clients_mids_pass(above, gw, client, pki, mitigator):
    """The same cuid and mid over other sessions: what the old one deletes must not be gone in the end."""
    gw.reload(upstreams=[entry(above, identity="client")])
    assert client.put(1, ONE).code == "2.01"
    mitigator.wait_prefixes(ONE)
    gw.reload(upstreams=[entry(above, identity="client", sessions="per-client")])
    gw.wait_log(" info target-removed: isp", 2)
    mitigator.wait_prefixes(ONE)
    assert client.put(2, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    assert client.status(1) == IN_PROGRESS


def test_two_sighups_at_once(above, gw, client, pki):
    """The second is not lost: the file may have changed since the first was read."""
    before = len(gw.logged(" notice reload: "))
    gw.process.signal(signal.SIGHUP)
    gw.configure(clients=standard_clients(pki) + [client_entry("late", "late.test")])
    gw.process.signal(signal.SIGHUP)
    wait_for(lambda: gw.logged(r" notice reload: .*clients: 1 added"), "the second one")
    assert len(gw.logged(" notice reload: ")) - before in (1, 2)


def test_the_end_comes_in_the_middle_of_a_reload(gw, client):
    assert client.put(1, ONE).code == "2.01"
    gw.process.signal(signal.SIGHUP)
    gw.stop()


def test_a_request_that_waits_for_its_verdict_is_answered(make_gateway, make_relay, make_client, pki):
    """The upstream is not there: the answer comes after response-wait, whatever is reloaded meanwhile."""
    nobody = make_gateway("nobody")
    gw = make_relay(nobody, response_wait="3s").start()
    web = make_client(gw, pki.certificate("web.test"))
    running = web.start("put", "1", "-p", ONE)
    gw.wait_log(" session-up: client web on ")
    for _ in range(3):
        gw.reload(status_interval="20s")
    wait_for(lambda: not running.process.running(), "the answer", 20)
    assert running.stop() == 0
    assert web.status(1) == IN_PROGRESS


def test_an_upstream_that_was_asked_in_vain_is_given_up(make_gateway, make_relay, make_client, make_upstream, pki):
    """Never reached: nothing is there, so nothing has to be withdrawn."""
    nobody, other = make_gateway("nobody"), make_upstream("other").start()
    gw = make_relay(nobody, response_wait="1s").start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    gw.reload(upstreams=[entry(other, "second")])
    other.wait_log(" session-up: client gw on ")
    assert web.status(1) == IN_PROGRESS


def test_fan_out_by_prefix_and_back(above, gw, client, make_upstream, make_mitigator, mitigator):
    second = make_mitigator("second")
    other = make_upstream("other", mitigators=[second.config()]).start()
    gw.reload(upstreams=[entry(above), entry(other, "second")])
    assert client.put(1, ONE).code == "2.01"
    assert client.put(2, OUTSIDE).code == "2.01"
    mitigator.wait_prefixes(ONE, OUTSIDE)
    second.wait_prefixes(ONE, OUTSIDE)
    gw.reload(
        fan_out="by-prefix",
        upstreams=[entry(above, owns=["203.0.113.0/24"]), entry(other, "second", owns=["2001:db8:6401::/48"])],
    )
    mitigator.wait_prefixes(ONE)
    second.wait_prefixes(OUTSIDE)
    gw.reload(fan_out="by-prefix", upstreams=[entry(above, owns=["203.0.113.0/24"]), entry(other, "second")])
    second.wait_idle()
    wait_for(lambda: client.status(2) == WITHDRAWN, "nobody owns it any more")
    assert client.status(1) == IN_PROGRESS


def test_serial_moves_from_an_upstream_that_is_removed(
    above, make_relay, make_client, pki, make_upstream, make_mitigator, mitigator
):
    second = make_mitigator("second")
    other = make_upstream("other", mitigators=[second.config()]).start()
    gw = make_relay(above, fan_out="serial").start()
    client = make_client(gw, pki.certificate("web.test"))
    gw.reload(upstreams=[entry(above), entry(other, "second")])
    assert client.put(1, ONE).code == "2.01"
    mitigator.wait_prefixes(ONE)
    assert not second.live
    gw.reload(upstreams=[entry(other, "second")])
    second.wait_prefixes(ONE)
    mitigator.wait_idle()
    gw.reload(upstreams=[entry(above), entry(other, "second")])
    assert client.put(2, TWO).code == "2.01"
    mitigator.wait_prefixes(TWO)  # the preferred one again, for what is new
    second.wait_prefixes(ONE)  # what runs stays
    assert client.status(1) == IN_PROGRESS
    assert "fan-out" in gw.reload_refused(fan_out="all")


def test_nat_mappings(above, gw, client, mitigator):
    assert client.put(1, ONE).code == "2.01"
    assert client.put(2, UNMAPPED).code == "2.01"
    mitigator.wait_prefixes(ONE, UNMAPPED)
    mapping = {"internal": "203.0.113.0/30", "external": "203.0.113.64/30"}
    gw.reload(nat={"mappings": [mapping]})
    mitigator.wait_prefixes("203.0.113.65/32")
    wait_for(lambda: client.status(2) == WITHDRAWN, "what is not mapped is withdrawn")
    gw.reload(nat=None)
    mitigator.wait_prefixes(ONE)


def test_a_client_that_is_removed_is_withdrawn_upstream(above, gw, client, make_client, pki, mitigator):
    shop = make_client(gw, pki.psk("shop"), "tcp")
    assert client.put(1, ONE).code == "2.01"
    assert shop.put(1, "203.0.113.0/30").code == "2.01"
    mitigator.wait_prefixes("203.0.113.0/30")
    gw.reload(clients=standard_clients(pki)[:1])
    mitigator.wait_prefixes(ONE)
    assert client.status(1) == IN_PROGRESS


def test_a_reload_without_a_change_sends_nothing(above, gw, client, mitigator):
    assert client.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    told, up = len(mitigator.told), len(above.logged(" session-up: "))
    for _ in range(3):
        assert "nothing in the file has changed" in gw.reload()
    assert client.put(2, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    assert len(mitigator.told) == told + 1
    assert len(above.logged(" session-up: ")) == up
