"""Metrics: what they count, and that the published dashboard and alerts live on what a gateway says."""

import json
import os
import pathlib
import re
import signal
import socket
import ssl

import pytest
import yaml

import detectors
import dots
import metrics
from data import DATA, aliases, alias
from control import ADMIN, Control
from fixtures import AT_ONCE
from gateway import client_entry
from metrics import Metrics, Prometheus, metrics_address, promtool
from pki import Psk
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "packaging" / "prometheus" / "dotsgw.rules.yml"
ALERTS_TEST = pathlib.Path(__file__).with_name("alerts_test.yml")
DASHBOARD = json.loads((ROOT / "packaging" / "grafana" / "dotsgw.json").read_text())
ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"

needs_promtool = pytest.mark.skipif(not metrics.has("promtool"), reason="promtool (package prometheus) is not installed")
needs_prometheus = pytest.mark.skipif(not metrics.has("prometheus"), reason="prometheus is not installed")


def admin():
    return ADMIN | {"metrics": metrics_address()}


@pytest.fixture
def upstream(make_upstream):
    return make_upstream().start()


@pytest.fixture
def relay(upstream, make_relay):
    return make_relay(upstream, admin=admin(), active_but_terminating=AT_ONCE).start()


@pytest.fixture
def port(relay):
    return Metrics(relay)


MANY = {"data-requests-per-second": 100000, "cuids": 1000, "mitigations": 1000, "requests-per-second": 1000}


@pytest.fixture
def server(make_upstream):
    """With a data channel."""
    return make_upstream(clients=[client_entry("gw", "gw.test", limits=MANY)]).with_data_channel().start()


@pytest.fixture
def everything(server, make_relay, make_mitigator, pki):
    """A gateway with all that there is to be measured: both channels, a mitigator, a detector."""
    own = make_mitigator("own")
    gw = make_relay(
        server,
        {"data": {"port": server.data_port}},
        clients=[client_entry("web", "web.test", limits=MANY), client_entry("shop", pki.psk("shop"), limits=MANY)],
        mitigators=[own.config()],
        recursion="always",
    )
    gw.with_data_channel()
    gw.configure(**detectors.sections(gw, tokens=[("fnm", TOKEN)], metrics=metrics_address()))
    gw.start().wait_log(" notice data-channel-up: ")
    gw.own = own
    return gw


TOKEN = detectors.token()


def counted(port, value, name, **labels):
    wait_for(lambda: port.value(name, **labels) == value, lambda: f"{name} {labels} {value}: {port.value(name, **labels)}")


# ---- What they count ----


def test_sessions_by_state_and_transport(relay, port, make_client, pki):
    watching = make_client(relay, pki.psk("shop"), "tcp")
    assert watching.put(1, ONE).code == "2.01"
    observer = watching.observe(1)
    counted(port, 1, "dotsgw_sessions", state="served", transport="tcp")
    counted(port, 0, "dotsgw_sessions", state="served", transport="udp")
    assert port.value("dotsgw_handshakes_total", transport="tcp") >= 1
    observer.stop()
    counted(port, 0, "dotsgw_sessions")


def test_session_of_nobody_is_unknown(relay, port, make_session, pki):
    session = make_session(relay, pki.certificate("stranger.test"))
    assert session.put("a", 1, dots.request_body(ONE)).text == "4.01"
    counted(port, 1, "dotsgw_sessions", state="unknown", transport="udp")


@pytest.mark.parametrize(
    "reason", ["psk-identity", "psk-key", "certificate", "certificate-expired", "no-certificate", "parameters", "timeout"]
)
def test_failed_handshakes_by_reason(relay, port, make_client, pki, reason):
    failed = "dotsgw_handshakes_failed_total"
    shop = pki.psk("shop")
    if reason in ("no-certificate", "parameters"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if reason == "parameters":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("AES256-SHA256")
        with socket.create_connection((relay.address, relay.port)) as sock, pytest.raises((ssl.SSLError, OSError)):
            with context.wrap_socket(sock) as tls:
                tls.recv(1)
                raise OSError("it was let in")
    elif reason == "timeout":
        with socket.create_connection((relay.address, relay.port)) as sock:
            sock.sendall(CLIENT_HELLO)
    else:
        credentials = {
            "psk-identity": lambda: Psk("nobody", shop.key, shop.file),
            "psk-key": lambda: pki.other_key("shop"),
            "certificate": lambda: pki.foreign("web.test"),
            "certificate-expired": lambda: pki.expired("web.test"),
        }[reason]()
        make_client(relay, credentials, "tcp").start("hold")
    wait_for(lambda: port.value(failed, reason=reason), lambda: f"{reason}: {port.scrape()}")


def client_hello():
    """What a client begins with, of one that says no more."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


CLIENT_HELLO = client_hello()


def test_requests_by_method_and_code(relay, port, make_client, pki):
    shop = make_client(relay, pki.psk("shop"), "tcp")
    assert shop.put(1, ONE).code == "2.01"
    assert shop.put(2, "198.51.100.1/32").code == "4.03"
    assert shop.delete(1).code == "2.02"
    assert port.value("dotsgw_requests_total", method="PUT") == 2
    assert port.value("dotsgw_responses_total", method="PUT", code="2.01") == 1
    assert port.value("dotsgw_responses_total", method="PUT", code="4.03") == 1
    assert port.value("dotsgw_responses_total", method="DELETE", code="2.02") == 1
    assert port.value("dotsgw_responses_total", method="GET") is None


def test_latency_to_the_upstream(relay, port, make_client, pki):
    name = "dotsgw_upstream_latency_seconds"
    assert port.value(f"{name}_count", upstream="isp") == 0
    shop = make_client(relay, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    counted(port, 1, f"{name}_count", upstream="isp")
    assert 0 < port.value(f"{name}_sum", upstream="isp") < 30
    assert port.value(f"{name}_bucket", upstream="isp", le="+Inf") == 1
    assert shop.put(2, TWO).code == "2.01"
    counted(port, 2, f"{name}_count", upstream="isp")
    assert shop.delete(1).code == "2.02"
    assert port.value(f"{name}_count", upstream="isp") == 2, "a withdrawal is not what it measures"


def test_upstream_that_is_silent(relay, port, upstream, make_client, pki):
    """Its outage, what waits for it, and how long its clients' requests took in the end."""
    wait_for(lambda: port.value("dotsgw_upstream_up") == 1 and Control(relay).json("upstreams")["upstreams"][0]["sessions"], "up")
    upstream.stop()
    wait_for(lambda: port.value("dotsgw_upstream_up") == 0, "down")
    wait_for(lambda: port.value("dotsgw_upstream_outages_total", upstream="isp"), "an outage")
    wait_for(lambda: port.value("dotsgw_upstream_attempts_failed_total", upstream="isp"), "an attempt")
    shop = make_client(relay, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    assert port.value("dotsgw_upstream_requests_waiting", upstream="isp") > 0
    assert port.value("dotsgw_upstream_latency_seconds_count", upstream="isp") == 0


def test_heartbeats_that_an_upstream_misses(make_upstream, make_relay):
    upstream = make_upstream(admin=admin()).start()
    port = Metrics(make_relay(upstream, admin=admin()).start())
    there = Metrics(upstream)
    # The session configuration, and heartbeats at its interval.
    wait_for(lambda: there.value("dotsgw_requests_total", method="PUT") > 2, "heartbeats each second")
    upstream.process.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: port.value("dotsgw_upstream_heartbeats_missed_total", upstream="isp"), "a missed one", 30)
    finally:
        upstream.process.signal(signal.SIGCONT)


def test_heartbeats_that_a_client_misses(relay, port, make_client, pki):
    holding = make_client(relay, pki.psk("shop")).hold()
    holding.process.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: port.value("dotsgw_heartbeats_missed_total"), "a missed one", 30)
    finally:
        holding.process.signal(signal.SIGCONT)


def test_store_and_memory(relay, port, make_client, pki):
    assert make_client(relay, pki.psk("shop")).put(1, ONE).code == "2.01"
    assert port.value("dotsgw_store_commit_seconds_count") > 0
    assert port.value("dotsgw_store_queued_bytes") == 0
    assert port.value("dotsgw_store_failing") == 0
    assert port.value("dotsgw_bundles") == 1
    assert port.value("dotsgw_requests_waiting") == 0
    assert port.value("process_resident_memory_bytes") > 1 << 20


def test_data_channel(make_data_server, make_data_client):
    server = make_data_server(admin=admin())
    port = Metrics(server)
    requests, responses = "dotsgw_data_requests_total", "dotsgw_data_responses_total"
    assert port.value(requests) == 0 and port.value(responses) is None
    client = make_data_client(server)
    client.get()
    assert port.value(requests, method="GET") == port.value(requests) == 1
    assert port.value(responses, method="GET", status="404") == port.value(responses) == 1
    assert client.register().status == 201
    assert client.put("/aliases/alias=https", aliases(alias("https"))).status == 201
    assert client.delete("/aliases/alias=https").status == 204
    assert client.curl("HEAD", f"{DATA}?depth=1", flags=("--head",)).status == 200
    found = {(method, status) for method, status in re.findall(rf'{responses}{{method="(.*?)",status="(.*?)"}}', port.scrape())}
    assert found == {("GET", "404"), ("POST", "201"), ("PUT", "201"), ("DELETE", "204"), ("HEAD", "200")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((server.address, server.data_port)) as sock, pytest.raises(OSError):
        context.wrap_socket(sock)
    counted(port, 1, "dotsgw_data_handshakes_failed_total")


def test_data_channel_to_an_upstream(server, everything, make_data_client):
    port, requests = Metrics(everything), "dotsgw_upstream_data_requests_total"
    latency = "dotsgw_upstream_data_latency_seconds"
    assert port.value("dotsgw_upstream_data_up", upstream="isp") == 1
    assert port.value(f"{latency}_count", upstream="isp") == 0
    web = make_data_client(everything, "web")
    assert web.register().status == 201
    assert web.put("/aliases/alias=https", aliases(alias("https"))).status == 201
    assert port.value(requests, method="POST", status="201") == 1
    assert port.value(requests, method="PUT", status="201") == 1
    assert port.value(f"{latency}_count", upstream="isp") == 2
    assert 0 < port.value(f"{latency}_sum", upstream="isp") < 30
    counted(port, 0, "dotsgw_upstream_data_requests_waiting", upstream="isp")
    server.stop()
    assert web.put("/aliases/alias=http", aliases(alias("http"))).status >= 500
    assert port.value(requests, status="unanswered") >= 1
    assert port.value("dotsgw_upstream_data_up", upstream="isp") == 0
    assert port.value(f"{latency}_count", upstream="isp") == 2, "what was not acknowledged is not measured"


def test_jobs_of_a_mitigator(make_server, mitigator, make_client, pki):
    """A program that does not read: what it does not know waits."""
    server = make_server(admin=admin())
    port, jobs = Metrics(server), "dotsgw_mitigator_jobs"
    shop = make_client(server, pki.psk("shop"), "tcp")
    assert port.value(jobs, mitigator="scrubber") == 0
    assert shop.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    counted(port, 1, jobs, mitigator="scrubber", state="running")
    assert port.value(jobs) == 1
    broken = mitigator.program.with_suffix(".away")
    mitigator.program.rename(broken)
    (pid,) = server.logged(r" mitigator-started: .* runs with pid (\d+)")
    os.kill(int(pid), signal.SIGKILL)
    counted(port, 1, jobs, mitigator="scrubber", state="waiting")
    assert shop.put(2, TWO).code == "2.01"
    counted(port, 2, jobs, mitigator="scrubber", state="waiting")
    assert port.value(jobs, state="running") == 0
    broken.rename(mitigator.program)
    counted(port, 2, jobs, mitigator="scrubber", state="running")


def test_jobs_of_operators_who_are_told_by_a_program(make_server, tmp_path, make_client, pki):
    """Driver notify: one program for each event, which takes its time."""
    gate, program = tmp_path / "gate", tmp_path / "tell"
    program.write_text(f"#!/bin/sh\nwhile [ ! -e '{gate}' ]; do sleep 0.1; done\n")
    program.chmod(0o755)
    server = make_server(admin=admin(), mitigators=[{"name": "noc", "driver": "notify", "exec": str(program)}])
    port, jobs = Metrics(server), "dotsgw_mitigator_jobs"
    shop = make_client(server, pki.psk("shop"), "tcp")
    for mid in range(1, 7):
        assert shop.put(mid, f"203.0.113.{mid}/32").code == "2.01"
    counted(port, 4, jobs, mitigator="noc", state="telling")
    counted(port, 2, jobs, mitigator="noc", state="waiting")
    gate.touch()
    counted(port, 6, jobs, mitigator="noc", state="running")


# ---- What is published ----


def expressions():
    """(where, expression) of every query of the dashboard, its variable replaced as Grafana does."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$instance", ".*")


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_dashboard_is_one():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "instance"}


def test_dashboard_and_alerts_use_metrics_that_exist(everything):
    scraped = Metrics(everything).scrape()
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped, re.M))
    names = {
        name + tail for name, kind in families.items() for tail in (["_bucket", "_sum", "_count"] if kind == "histogram" else [""])
    }
    assert set(re.findall(r"^([a-z_]+)(?:\{| )", scraped, re.M)) <= names
    queries = [expression for _, expression in expressions()] + [rule["expr"] for rule in alerts()]
    used = {name for query in queries for name in re.findall(r"\b(?:dotsgw|process)_[a-z_]+", query)}
    assert used <= names, used - names
    # All that there is can be seen on the dashboard, but for what only labels others.
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert there - shown == {"dotsgw_build_info", "dotsgw_upstream_sessions", "dotsgw_upstream_links"}
    documented = (ROOT / "docs" / "control.md").read_text()
    for name in there:
        tail = name.removeprefix("dotsgw_upstream")
        assert f"`{name}" in documented or f"`{tail}" in documented, f"{name} is not in docs/control.md"


def test_alerts_are_those_an_operator_must_know():
    assert {rule["alert"].removeprefix("Dotsgw") for rule in alerts()} >= {
        "UpstreamDown",
        "RedirectLoop",
        "Conflict",
        "CertificateNearExpiry",
        "HopLimitReached",
        "StoreFull",
    }


@needs_promtool
def test_each_alert_fires_and_does_not_fire():
    done = [test for case in yaml.safe_load(ALERTS_TEST.read_text())["tests"] for test in case["alert_rule_test"]]
    for fires in (True, False):
        assert {test["alertname"] for test in done if bool(test["exp_alerts"]) == fires} == {rule["alert"] for rule in alerts()}
    status, said = promtool("test", "rules", ALERTS_TEST)
    assert status == 0, said


@needs_promtool
def test_promtool_takes_the_metrics(everything, make_client, make_data_client, pki):
    assert make_client(everything, pki.psk("shop")).put(1, ONE).code == "2.01"
    assert make_data_client(everything, "web").register().status == 201
    assert promtool("check", "metrics", input=Metrics(everything).scrape().encode()) == (0, "")


@needs_promtool
def test_promtool_takes_the_rules():
    status, said = promtool("check", "rules", RULES)
    assert status == 0 and f"SUCCESS: {len(alerts())} rules found" in said, said


@needs_prometheus
def test_dashboard_and_alerts_on_real_scrapes(tmp_path, everything, server, make_client, make_data_client, pki):
    """Prometheus scrapes the gateway: every query of the dashboard finds something, and an outage raises its alert."""
    assert make_client(everything, pki.psk("shop")).put(1, ONE).code == "2.01"
    assert make_data_client(everything, "web").register().status == 201
    port = Metrics(everything)
    prometheus = Prometheus(tmp_path, RULES, f"{port.address}:{port.port}")
    try:
        for title, expression in expressions():
            wait_for(lambda: prometheus.query(expression), lambda: f"{title}: {expression} finds nothing", 30)
        groups = prometheus.get("/api/v1/rules")["groups"]
        wait_for(
            lambda: all(rule["health"] == "ok" for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]),
            lambda: f"the rules are evaluated: {groups}",
        )
        quiet = set(prometheus.alerts()) - {"DotsgwCertificateNearExpiry"}  # those of the tests live for days only
        assert not quiet
        server.stop()
        wait_for(lambda: prometheus.alerts().get("DotsgwUpstreamDown"), lambda: f"the alert: {prometheus.alerts()}", 60)
    finally:
        prometheus.stop()
