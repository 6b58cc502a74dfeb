"""What the log says: one line an event, numbers of requests on both legs, no secrets, no flood."""

import base64
import collections
import json
import re
import socket
import ssl
import time

import pytest

import detectors
from data import DATA, acl, acls, alias, aliases
from detectors import Detector
from gateway import client_entry
from pki import Psk, derived_cuid, write_private
from waiting import wait_for

ONE = "203.0.113.1/32"
MANY = {"data-requests-per-second": 100000, "requests-per-second": 1000, "cuids": 1000, "mitigations": 1000}
TOKEN = detectors.token()


@pytest.fixture
def server(make_upstream):
    return make_upstream(clients=[client_entry("gw", "gw.test", limits=MANY)]).with_data_channel().start()


@pytest.fixture
def make_gw(server, make_relay, pki):
    """make_gw(**sections): a gateway with both channels and a detectors' port, started."""

    def make(**sections):
        clients = [client_entry("web", "web.test", limits=MANY), client_entry("shop", pki.psk("shop"), limits=MANY)]
        gw = make_relay(server, {"data": {"port": server.data_port}}, clients=clients).with_data_channel()
        gw.configure(**detectors.sections(gw, tokens=[("fnm", TOKEN)]))
        gw.configure(limits={"requests-per-source": 100000, "handshakes-per-source": 100000}, **sections)
        if sections.get("log", {}).get("format") == "json":
            gw.STARTED = '"event":"start"'
        gw.start().wait_log("data-channel-up")
        return gw

    return make


# ---- Numbers of the data channel ----


def test_the_number_of_a_request_is_on_both_legs_of_the_data_channel(make_gw, make_data_client):
    gw = make_gw()
    web = make_data_client(gw, "web")
    assert web.register().status == 201
    assert web.put("/aliases/alias=secret-name", aliases(alias("secret-name"))).status == 201
    ((number, size),) = gw.wait_log(r" debug request: (r\d+) client web on \S+: PUT alias, (\d+) bytes")
    assert int(size) > 0
    assert gw.logged(rf" debug upstream-request: {number} upstream isp: PUT alias, \d+ bytes")
    assert gw.logged(rf" debug upstream-answer: {number} upstream isp: PUT alias: 201, 0 bytes")
    assert gw.logged(rf" debug answer: {number} client web: 201, 0 bytes")
    (registration,) = gw.logged(r" debug request: (r\d+) client web on \S+: POST (?:dots-data|data), ")
    assert gw.logged(rf" debug upstream-request: {registration} upstream isp: POST dots-data, ")
    assert number != registration
    assert web.get("/aliases").status == 200
    (read,) = gw.logged(r" debug request: (r\d+) client web on \S+: GET aliases, 0 bytes")
    assert gw.logged(rf" debug answer: {read} client web: 200, ") and not gw.logged(rf"upstream-request: {read} ")
    assert web.put("/aliases/alias=far", aliases(alias("far", "198.51.100.1/32"))).status == 403
    assert gw.logged(r" notice request-refused: r\d+ client web: 403, ")
    assert gw.logged(r" debug upstream-request: r0 upstream isp: GET host-meta, 0 bytes")
    assert "secret-name" not in gw.log, "names are a client's"


def test_a_repair_has_the_number_of_the_request_that_left_it_in_doubt(server, make_gw, make_data_client):
    gw = make_gw()
    web = make_data_client(gw, "web")
    assert web.register().status == 201
    server.stop()
    assert web.put("/aliases/alias=a", aliases(alias("a"))).status >= 500
    (number,) = gw.wait_log(r" debug upstream-answer: (r\d+) upstream isp: PUT alias: none, ")
    server.start()
    gw.wait_log(rf" debug upstream-answer: {number} upstream isp: GET dots-client: \d+, ")


def test_filter_control_has_the_number_of_the_mitigation_request(make_gw, make_data_client, make_client, pki):
    gw = make_gw()
    certificate = pki.certificate("web.test")
    data, signal = make_data_client(gw, "web", cuid=derived_cuid(certificate)), make_client(gw, certificate, "tcp")
    assert data.register().status == 201 and data.post("", acls(acl("a"))).status == 201
    one = {"acl-name": "a", "activation-type": "deactivate"}
    wanted = {"target-prefix": [ONE], "lifetime": 3600, "ietf-dots-signal-control:acl-list": [one]}
    assert signal.put_json(1, wanted).code == "2.01"
    (number,) = gw.wait_log(r" info mitigation-accepted: (r\d+) client web: mid 1 ")
    assert gw.logged(rf" debug upstream-request: {number} upstream isp: PUT acl, ")
    assert gw.logged(rf" debug upstream-request: {number} upstream isp: PUT mid ")


# ---- No flood ----


def lines_of(gw, event):
    return gw.logged(rf" (?:error|warning|notice|info) {event}: (.*)")


def bounded(gw, event, begun, most=1):
    """So many lines in ten seconds, and those that were left out are told of when the next one is written."""
    windows = 1 + (time.monotonic() - begun) // 10
    assert 1 <= len(lines_of(gw, event)) <= most * windows, lines_of(gw, event)


def connect(gw, port, say=b""):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((gw.address, port), timeout=20) as sock:
        try:
            if say:
                sock.sendall(say)
                sock.recv(100)
            else:
                context.wrap_socket(sock).recv(1)
        except OSError:
            pass


def test_handshakes_that_fail_are_counted(make_gw, make_client, pki):
    gw = make_gw(log={"level": "info"})
    for event, port, most in (("handshake-failed", gw.port, 1), ("http-handshake-failed", gw.data_port, 5)):
        begun = time.monotonic()
        for _ in range(200):
            connect(gw, port)
        bounded(gw, event, begun, most)
    before = len(lines_of(gw, "http-handshake-failed"))
    begun = time.monotonic()
    for _ in range(50):
        connect(gw, detectors.PORT, b"x" * 64)
    assert len(lines_of(gw, "http-handshake-failed")) - before <= 5 * (1 + (time.monotonic() - begun) // 10)


def test_refusals_of_the_data_channel_are_counted(make_gw, make_data_client):
    gw = make_gw(log={"level": "info"})
    web, begun = make_data_client(gw, "web"), time.monotonic()
    missing = f"{DATA}/dots-client={web.cuid}"
    for _ in range(30):
        assert web.curl("GET", missing).status == 404
    bounded(gw, "request-refused", begun)
    wait_for(
        lambda: web.curl("GET", missing).status == 404
        and [line for line in lines_of(gw, "request-refused") if line.endswith("such lines were left out before)")],
        "the number of those that were left out",
        20,
    )


def test_reports_that_are_refused_are_counted(make_gw, pki):
    gw = make_gw(log={"level": "info"})
    begun = time.monotonic()
    for _ in range(50):
        assert Detector(gw, pki.authority.file, TOKEN).post({"target": "8.8.8.8", "pps": 1})[0] == 403
    bounded(gw, "attack-report-refused", begun, 5)


def test_sessions_that_come_and_go_are_counted(make_gw, make_session, pki):
    gw = make_gw(log={"level": "info"})
    begun = time.monotonic()
    for _ in range(40):
        session = make_session(gw, pki.psk("shop"), "tcp")
        assert session.get("a").text == "4.04"
        session.vanish()
    wait_for(lambda: lines_of(gw, "session-down"), "the end of one")
    for event in ("session-up", "session-down"):
        bounded(gw, event, begun, 20)


def test_outage_of_an_upstream_is_told_once(server, make_gw, make_client, make_data_client, pki):
    gw = make_gw(log={"level": "info"})
    shop, web = make_client(gw, pki.psk("shop"), "tcp"), make_data_client(gw, "web")
    assert web.register().status == 201 and shop.put(1, ONE).code == "2.01"
    server.stop()
    gw.wait_log(" warning upstream-down: ")
    for number in range(2, 12):
        assert shop.put(number, f"203.0.113.{number}/32").code == "2.01"
        assert web.put(f"/aliases/alias=a{number}", aliases(alias(f"a{number}"))).status >= 500
    counts = collections.Counter(gw.logged(r" (?:error|warning|notice|info) (\S+): "))
    assert counts["upstream-down"] == counts["data-channel-down"] == 1 and counts["request-refused"] <= 2
    assert counts["mitigation-accepted"] == 11, "what a client was promised is told each time"


# ---- No secrets, and lines that programs read ----


def private_lines(file):
    return [line for line in file.read_text().splitlines() if line and not line.startswith("-----")]


def secrets_of(pki):
    key = pki.psk("shop").key
    raw = {key.hex(), key.hex().upper(), base64.b64encode(key).decode(), key.decode("latin-1")}
    keys = {line for name in ("web", "gw", "server") for line in private_lines(pki.certificate(f"{name}.test").key)}
    return {each for each in raw | keys | {TOKEN, "guessed-token"} if len(each) > 7}


TEXT = re.compile(r"(?P<time>\S+Z) (?P<level>error|warning|notice|info|debug) (?P<event>[a-z0-9-]+): (?P<message>.*)")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_at_debug_and_each_line_is_one_event(make_gw, make_client, make_data_client, pki, form):
    gw = make_gw(log={"level": "debug", "format": form})
    shop, web = make_client(gw, pki.psk("shop"), "tcp"), make_data_client(gw, "web")
    assert shop.put(1, ONE).code == "2.01" and web.register().status == 201
    assert shop.put(2, "8.8.8.8/32").code == "4.03" and web.get("/acls/acl=none").status == 404
    for credentials in (pki.other_key("shop"), Psk("nobody", pki.psk("shop").key, pki.psk("shop").file)):
        for transport in ("udp", "tcp"):
            make_client(gw, credentials, transport).start("hold")
    assert Detector(gw, pki.authority.file, TOKEN).report("203.0.113.9", pps=5000)["noted"] == 1
    status, _, _ = Detector(gw, pki.authority.file, "guessed-token").request("POST", "/attacks", b"{}")
    assert status == 401
    gw.wait_log("handshake-failed")
    if form == "text":
        gw.reload(log={"level": "debug", "format": form})
    gw.stop()
    log = gw.log
    found = [secret for secret in secrets_of(pki) if secret in log]
    assert not found
    events = set()
    for line in log.splitlines():
        if form == "json":
            event = json.loads(line)
            assert set(event) == {"time", "level", "event", "message"}
        else:
            event = TEXT.fullmatch(line)
            assert event, line
        events.add(event["event"])
    assert {"request", "answer", "upstream-request", "upstream-answer", "request-refused", "handshake-failed"} <= events


def test_a_bad_secret_is_not_quoted(make_gw, pki):
    """What is wrong with a file of secrets is told without its contents."""
    gw = make_gw()
    (gw.directory / "tokens").unlink()
    write_private(gw.directory / "tokens", b"fnm almost-a-secret short\n")
    assert "tokens" in gw.reload_refused() and "almost-a-secret" not in gw.log
    detectors.write_tokens(gw, ("fnm", TOKEN))
    broken = gw.directory / "broken.psk"
    write_private(broken, b"almost-a-secret\x00")
    web, shop = gw.sections["clients"]
    gw.configure(clients=[web, shop | {"identities": [Psk("shop", b"", broken).config()]}])
    checked = gw.check()
    assert checked.returncode == 1 and b"broken.psk" in checked.stderr and b"almost" not in checked.stdout + checked.stderr
