"""The examples for FastNetMon and for Prometheus' Alertmanager, with what those programs send."""

import datetime
import http.client
import json
import pathlib
import shutil
import subprocess

import pytest
import yaml

import detectors
import network
from detectors import RULE, Detector
from fixtures import standard_clients
from processes import Process, environment
from waiting import wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "examples"
NOTIFY = EXAMPLES / "fastnetmon-notify"
ONE, SIX = "203.0.113.7", "2001:db8:6401::7"
TOKEN = detectors.token()


@pytest.fixture
def make_guarded(make_gateway, mitigator, pki):
    def make(*rules):
        server = make_gateway("server", clients=standard_clients(pki), mitigators=[mitigator.config()])
        server.configure(**detectors.sections(server, rules=rules or [RULE], tokens=[("fnm", TOKEN)]))
        return server.start()

    return make


# ---- FastNetMon ----

# fastnetmon 1.2.9, src/fast_library.cpp, serialize_attack_description(), behind "IP: " of get_attack_description() and
# before the dump of packets, as src/fastnetmon_logic.cpp, call_blackhole_actions_per_host(), pipes it into the script.
DETAILS = """\
IP: 203.0.113.7
Attack type: udp_flood
Initial attack power: 187546 packets per second
Peak attack power: 187546 packets per second
Attack direction: incoming
Attack protocol: udp
Total incoming traffic: 2146 mbps
Total outgoing traffic: 3 mbps
Total incoming pps: 187552 packets per second
Total outgoing pps: 1066 packets per second
Total incoming flows: 912 flows per second
Total outgoing flows: 16 flows per second
Incoming ip fragmented traffic: 250 mbps
Outgoing ip fragmented traffic: 0 mbps
Incoming ip fragmented pps: 21025 packets per second
Outgoing ip fragmented pps: 0 packets per second
Incoming udp traffic: 2140 mbps
Outgoing udp traffic: 0 mbps
Incoming udp pps: 187463 packets per second
Outgoing udp pps: 0 packets per second


Attack traffic dump

2026-11-23 09:10:14.696360 198.51.100.9:4567 > 203.0.113.7:53 protocol: udp frag: 0  packets: 1 size: 1458 bytes ttl: 54 sample ratio: 1 


Flow dump

"""


@pytest.fixture
def fastnetmon(make_guarded, pki, tmp_path):
    """notify(arguments, details): runs the script as FastNetMon does."""
    when = [{"pps": 187552, "bps": "2146M", "connections": 912}]
    server = make_guarded(RULE | {"when": when}, RULE | {"name": "six", "targets": ["2001:db8:6401::/48"]})
    (tmp_path / "token").write_text(TOKEN + "\n")
    shown = tmp_path / "settings"
    shown.write_text(
        f"DOTSGW_URL=https://{server.host}:{detectors.PORT}/attacks DOTSGW_CA={pki.authority.file}\n"
        f"DOTSGW_TOKEN_FILE={tmp_path}/token\n"
    )
    curlrc = tmp_path / ".curlrc"
    curlrc.write_text(f'resolve = "{server.host}:{detectors.PORT}:{server.address}"\n')

    def notify(*arguments, details="", settings=shown):
        env = environment() | {"DOTSGW_SETTINGS": str(settings), "HOME": str(tmp_path)}
        return subprocess.run(
            [NOTIFY, *arguments], input=details.encode(), capture_output=True, env=env, timeout=60
        )

    notify.server = server
    return notify


@pytest.mark.parametrize("action", ["ban", "attack_details"])
def test_fastnetmon_bans_and_unbans(fastnetmon, mitigator, action):
    done = fastnetmon(ONE, "incoming", "187546", action, details=DETAILS)
    assert done.returncode == 0 and json.loads(done.stdout) == {"noted": 1, "mitigation-asked": True}, done.stderr
    mitigator.wait_prefixes(f"{ONE}/32")
    done = fastnetmon(ONE, "incoming", "187546", "unban")
    assert done.returncode == 0, done.stderr
    mitigator.wait_idle()


def test_fastnetmon_without_details(fastnetmon, mitigator):
    assert fastnetmon(SIX, "incoming", "5000", "ban").returncode == 0
    mitigator.wait_prefixes(f"{SIX}/128")


def test_fastnetmon_over_the_control_socket(fastnetmon, mitigator, tmp_path):
    local = tmp_path / "local"
    local.write_text(f"DOTSGW_SOCKET={fastnetmon.server.directory}/admin.sock DOTSGW_DETECTOR=fnm\n")
    assert fastnetmon(ONE, "incoming", "187546", "ban", details=DETAILS, settings=local).returncode == 0
    mitigator.wait_prefixes(f"{ONE}/32")
    assert fastnetmon(ONE, "incoming", "187546", "unban", settings=local).returncode == 0
    mitigator.wait_idle()


def test_fastnetmon_hears_what_is_wrong(fastnetmon, mitigator, tmp_path):
    assert fastnetmon(ONE, "outgoing", "187546", "ban", details=DETAILS).stdout == b"", "an attack of our own host"
    assert fastnetmon('7"}', "incoming", "1", "ban").returncode == 2
    assert fastnetmon(ONE, "incoming", "1").returncode == 2
    done = fastnetmon("198.51.100.1", "incoming", "5000", "ban", details=DETAILS)
    assert done.returncode != 0 and b"outside" in done.stdout
    (tmp_path / "token").write_text("x" * 64)
    assert fastnetmon(ONE, "incoming", "5000", "ban").returncode != 0
    assert mitigator.told == []


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_script_is_clean():
    assert subprocess.run(["shellcheck", NOTIFY], capture_output=True).stdout == b""


# ---- Alertmanager ----

# What Alertmanager 0.25.0 of Debian 12 sent; https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
FIRING = r"""{"receiver":"dotsgw","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"PacketFlood",
"severity":"critical","target":"203.0.113.7"},"annotations":{"bps":"9.6e+09","pps":"1.25e+06",
"summary":"203.0.113.7 gets 1.25M packets a second"},"startsAt":"2026-11-23T09:10:14.696360993Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example.com:9090/graph?g0.expr=x",
"fingerprint":"b38484b50bc67d80"}],"groupLabels":{"alertname":"PacketFlood"},"commonLabels":{"alertname":"PacketFlood",
"severity":"critical","target":"203.0.113.7"},"commonAnnotations":{"bps":"9.6e+09","pps":"1.25e+06",
"summary":"203.0.113.7 gets 1.25M packets a second"},"externalURL":"http://alertmanager.example.com:9093","version":"4",
"groupKey":"{}:{alertname=\"PacketFlood\"}","truncatedAlerts":0}
"""
RESOLVED = r"""{"receiver":"dotsgw","status":"resolved","alerts":[{"status":"resolved","labels":{"alertname":"PacketFlood",
"severity":"critical","target":"203.0.113.7"},"annotations":{"pps":"800","summary":"x"},
"startsAt":"2026-11-23T09:10:14.696360993Z","endsAt":"2026-11-23T09:10:17Z","generatorURL":"",
"fingerprint":"b38484b50bc67d80"}],"groupLabels":{"alertname":"PacketFlood"},"commonLabels":{"alertname":"PacketFlood",
"severity":"critical","target":"203.0.113.7"},"commonAnnotations":{"pps":"800","summary":"x"},
"externalURL":"http://alertmanager.example.com:9093","version":"4","groupKey":"{}:{alertname=\"PacketFlood\"}",
"truncatedAlerts":0}
"""
WEBHOOK = "/attacks/alertmanager"
LARGE = RULE | {"when": [{"pps": "1M", "bps": "9G"}]}


def test_body_of_alertmanager(make_guarded, mitigator, pki):
    server = make_guarded(LARGE)
    detector = Detector(server, pki.authority.file, TOKEN)
    assert detector.post(FIRING.encode(), WEBHOOK) == (200, {"noted": 1, "mitigation-asked": True})
    mitigator.wait_prefixes(f"{ONE}/32")
    assert detector.post(RESOLVED.encode(), WEBHOOK)[0] == 202
    mitigator.wait_idle()
    assert Detector(server, pki.authority.file).post(FIRING.encode(), WEBHOOK)[0] == 401


def alerts(*labels, **more):
    listed = [{"status": "firing", "labels": each, "annotations": {"pps": "5e6", "bps": "NaN"}} for each in labels]
    return {"version": "4", "alerts": listed} | more


def test_alert_that_cannot_be_taken_does_not_hold_up_the_others(make_guarded, mitigator, pki):
    detector = Detector(make_guarded(), pki.authority.file, TOKEN)
    status, answer = detector.post(alerts({"target": ONE}, {"alertname": "x"}, {"target": SIX}), WEBHOOK)
    assert status == 400 and answer["error"].startswith("alert 2: the label target") and answer["noted"] == 2
    mitigator.wait_prefixes(f"{ONE}/32", f"{SIX}/128")
    status, answer = detector.post(alerts({"target": "198.51.100.1"}, {"target": ONE}), WEBHOOK)
    assert status == 403 and answer["noted"] == 1


def test_large_notification(make_guarded, pki):
    """All that is taken of one body at once; what Alertmanager has left out is told to operators."""
    server = make_guarded(RULE | {"ipv4-length": 28})
    detector = Detector(server, pki.authority.file, TOKEN)
    targets = [f"203.0.113.{n}" for n in range(256)] + [f"2001:db8:6401::{n:x}" for n in range(1, 745)]
    body = alerts(*({"target": target} for target in targets), truncatedAlerts=3)
    assert detector.post(body, WEBHOOK) == (200, {"noted": 1000, "mitigation-asked": True})
    assert server.logged("warning attack-alerts-truncated: ")
    assert len(server.logged("notice attack-begun: ")) == 1000


@pytest.mark.parametrize(
    "body, text",
    [
        ({"version": "3", "alerts": []}, "version"),
        ({"alerts": []}, "version"),
        ([], "version"),
        ({"version": "4"}, "alerts"),
        ({"version": "4", "alerts": [{}] * 1025}, "alerts"),
        ({"version": "4", "alerts": [7]}, "alert 1: status"),
        (alerts({"target": "x"}), "alert 1: target"),
        (alerts({"target": ONE, "protocol": "quic"}), "alert 1: protocol"),
        (alerts({"target": ONE, "port": "70000"}), "alert 1: port"),
        (alerts({"target": ONE, "sources": "many"}), "alert 1: sources"),
    ],
)
def test_bad_webhook_is_refused_with_a_sentence(make_guarded, pki, body, text):
    status, answer = Detector(make_guarded(), pki.authority.file, TOKEN).post(body, WEBHOOK)
    assert status == 400 and text in answer["error"], answer


@pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="prometheus-alertmanager is not installed")
def test_alertmanager_itself(make_guarded, mitigator, pki, tmp_path):
    """The program, with the example's configuration."""
    server = make_guarded(LARGE)
    config = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())
    config["route"]["routes"][0] |= {"group_wait": "100ms", "group_interval": "1s"}
    (webhook,) = config["receivers"][1]["webhook_configs"]
    (tmp_path / "token").write_text(TOKEN)
    webhook["url"] = f"https://{server.address}:{detectors.PORT}{WEBHOOK}"
    webhook["http_config"]["authorization"]["credentials_file"] = str(tmp_path / "token")
    webhook["http_config"]["tls_config"] = {"ca_file": str(pki.authority.file), "server_name": server.host}
    (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
    host = network.loopback()
    port = network.port(host)
    process = Process(
        ["prometheus-alertmanager", f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/am",
         f"--web.listen-address={host}:{port}", "--cluster.listen-address="],
        tmp_path / "am.out",
        tmp_path / "am.err",
    )  # fmt: skip

    def post(ends=None, **annotations):
        connection = http.client.HTTPConnection(host, port, timeout=20)
        alert = {"labels": {"alertname": "PacketFlood", "target": ONE}, "annotations": annotations}
        alert |= {"endsAt": ends.isoformat()} if ends else {}
        connection.request("POST", "/api/v2/alerts", json.dumps([alert]), {"Content-Type": "application/json"})
        return connection.getresponse().status

    def begun():
        try:
            return post(pps="1.25e+06", bps="9.6e+09") == 200
        except OSError:
            assert process.running(), process.err
            return False

    try:
        wait_for(begun, lambda: f"Alertmanager: {process.err}", 30)
        mitigator.wait_prefixes(f"{ONE}/32", deadline=30)
        assert post(datetime.datetime.now(datetime.timezone.utc)) == 200
        mitigator.wait_idle(30)
    finally:
        process.kill()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian package prometheus) is not installed")
def test_promtool_takes_the_rules():
    rules = EXAMPLES / "prometheus-attacks.rules.yml"
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
