"""Attack reports of detectors, and what rules make of them."""

import hashlib
import json
import re
import shutil
import ssl
import time

import pytest

import detectors
from control import Control
from detectors import RULE, TARGETS, Detector
from fixtures import standard_clients
from gateway import client_entry
from waiting import never_within, wait_for

ONE, TWO, SIX = "203.0.113.1", "203.0.113.2", "2001:db8:6401::1"
TOKEN, OTHER = detectors.token(), detectors.token()


@pytest.fixture
def make_guarded(make_gateway, mitigator, pki):
    """make_guarded(**what detectors.sections takes): a started server, and its detector fnm."""

    def make(more=None, **what):
        server = make_gateway("server", clients=standard_clients(pki), mitigators=[mitigator.config()])
        what.setdefault("tokens", [("fnm", TOKEN)])
        server.configure(**detectors.sections(server, **what) | (more or {}))
        server.start()
        return server, Detector(server, pki.authority.file, TOKEN)

    return make


def ours(server):
    """Requests by rules that are in force, by mid."""
    listed = Control(server).mitigations("--client", "the detectors")
    return {each["mid"]: each for each in listed if each["state"] == "live"}


# ---- From a report to a mitigation, and back ----


def test_report_fires_a_rule_and_its_end_releases_it(make_guarded, mitigator):
    server, fnm = make_guarded()
    assert fnm.report(ONE, pps=999) == {"noted": 1, "mitigation-asked": False}
    assert fnm.report(ONE, pps=1000) == {"noted": 1, "mitigation-asked": True}
    (mine,) = ours(server).values()
    assert mine["target-prefix"] == [f"{ONE}/32"] and mine["cuid"] == "dotsgw-detectors" and 890 < mine["lifetime"] <= 900
    mitigator.wait_prefixes(f"{ONE}/32")
    (fired,) = server.logged(r"notice attack-begun: (.*)")
    assert fired == f"rule flood, detector fnm, target {ONE}/32: pps=1000; mitigation of {ONE}/32 is asked for as mid 1"
    fnm.report(ONE, ended=True)
    mitigator.wait_idle()
    assert server.logged(r"notice attack-over: rule flood, detector fnm, target \S+: the detector says that it has ended")
    assert ours(server) == {}


def test_ipv6_and_prefixes(make_guarded, mitigator):
    _, fnm = make_guarded()
    fnm.report(SIX, pps=5000)
    fnm.report("203.0.113.16/28", pps=5000)
    mitigator.wait_prefixes(f"{SIX}/128", "203.0.113.16/28")


def test_condition_must_hold(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"hold": "1s"}])
    begun = time.monotonic()
    assert not fnm.report(ONE, pps=2000)["mitigation-asked"]
    mitigator.wait_prefixes(f"{ONE}/32")
    assert time.monotonic() - begun >= 1
    fnm.report(TWO, pps=2000)
    fnm.report(TWO, pps=10)
    never_within(lambda: len(ours(server)) > 1, 1.5, "it fired although the condition did not hold")


def test_hysteresis(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"until-below": [{"pps": 500}], "release-after": "1s"}])
    fnm.report(ONE, pps=1000)
    fnm.report(ONE, pps=500)
    never_within(lambda: not ours(server), 1.5, "it released above until-below")
    fnm.report(ONE, pps=499)
    fnm.report(ONE, pps=600)
    never_within(lambda: not ours(server), 1.5, "it released although it was below for a moment only")
    fnm.report(ONE, pps=499)
    begun = time.monotonic()
    mitigator.wait_idle()
    assert time.monotonic() - begun >= 0.9
    assert server.logged("attack-over: .* it stayed below")


def test_silence_ends_it(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"silence": "2s"}])
    fnm.report(ONE, pps=1000)
    mitigator.wait_prefixes(f"{ONE}/32")
    mitigator.wait_idle()
    assert server.logged("attack-over: .* nothing was reported any more")


def test_lifetime_is_refreshed_while_the_attack_lasts(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"lifetime": "10s", "silence": "1h"}])
    fnm.report(ONE, pps=1000)
    never_within(lambda: not ours(server), 12, "the mitigation ended while the attack lasts")
    assert list(ours(server)) == [1]


def test_figures_in_any_combination(make_guarded):
    when = [{"pps": "1k", "sources": 50}, {"bps": "1G"}, {"connections": 300}]
    server, fnm = make_guarded(rules=[RULE | {"when": when}])
    for target, figures, fires in (
        (1, {"pps": 1000}, False),
        (2, {"pps": 1000, "sources": 49}, False),
        (3, {"pps": 1000, "sources": 50}, True),
        (4, {"bps": 999999999, "connections": 299}, False),
        (5, {"bps": 1000000000}, True),
        (6, {"connections": 300, "pps": 1}, True),
        (7, {}, False),
    ):
        assert fnm.report(f"203.0.113.{target}", **figures)["mitigation-asked"] == fires, figures


def test_rules_of_some_detectors_and_targets(make_guarded, pki):
    who = [{"name": "fnm", "targets": TARGETS}, {"name": "ids", "targets": ["203.0.113.0/25"]}]
    rules = [
        RULE | {"name": "first", "detectors": ["ids"]},
        RULE | {"name": "second", "targets": ["203.0.113.128/25"], "when": [{"pps": 10}]},
    ]
    server, fnm = make_guarded(detectors=who, rules=rules, tokens=[("fnm", TOKEN), ("ids", OTHER)])
    ids = Detector(server, pki.authority.file, OTHER)
    assert not fnm.report(ONE, pps=5000)["mitigation-asked"]
    assert ids.report(ONE, pps=5000)["mitigation-asked"]
    assert fnm.report("203.0.113.200", pps=10)["mitigation-asked"]


def test_rule_without_conditions_fires_with_any_report(make_guarded, mitigator):
    _, fnm = make_guarded(rules=[{"name": "any", "hold": "0s", "release-after": "0s"}])
    fnm.report(ONE)
    mitigator.wait_prefixes(f"{ONE}/32")
    fnm.report(ONE, ended=True)
    mitigator.wait_idle()


def test_address_is_widened_within_what_the_detector_may_report(make_guarded, mitigator):
    who = [{"name": "fnm", "targets": ["203.0.113.0/26", "203.0.113.128/25"]}]
    _, fnm = make_guarded(detectors=who, rules=[RULE | {"ipv4-length": 24}])
    fnm.report(ONE, pps=1000)
    fnm.report("203.0.113.200", pps=1000)
    mitigator.wait_prefixes("203.0.113.0/26", "203.0.113.128/25")


def test_attacks_that_one_mitigation_covers_share_it(make_guarded, mitigator):
    rules = [RULE, RULE | {"name": "wide", "ipv4-length": 28, "when": [{"bps": "1M"}]}]
    server, fnm = make_guarded(rules=rules)
    fnm.report(ONE, pps=1000)
    fnm.report(TWO, pps=1000)
    mitigator.wait_prefixes(f"{ONE}/32", f"{TWO}/32")
    fnm.report("203.0.113.3", bps=2000000)
    mitigator.wait_prefixes("203.0.113.0/28")
    fnm.report("203.0.113.3", ended=True)
    fnm.report(ONE, ended=True)
    never_within(lambda: mitigator.prefixes() != [["203.0.113.0/28"]], 1, "one attack is on, and it was changed")
    fnm.report(TWO, ended=True)
    mitigator.wait_idle()
    assert ours(server) == {}


def test_narrow_rule_asks_for_what_is_reported(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"narrow": True}])
    fnm.report(ONE, pps=1000, target_protocol=[17], target_port_range=[{"lower-port": 53}])
    (mine,) = ours(server).values()
    assert mine["target-protocol"] == [17] and mine["target-port-range"] == [{"lower-port": 53}]
    fnm.report(f"{ONE}/32", ended=True)
    mitigator.wait_idle()


def test_several_detectors_of_one_target(make_guarded, mitigator, pki):
    who = [{"name": name, "targets": TARGETS} for name in ("fnm", "ids")]
    server, fnm = make_guarded(detectors=who, tokens=[("fnm", TOKEN), ("ids", OTHER)])
    ids = Detector(server, pki.authority.file, OTHER)
    fnm.report(ONE, pps=1000)
    ids.report(ONE, pps=1000)
    assert list(ours(server)) == [1]
    fnm.report(ONE, ended=True)
    never_within(lambda: not ours(server), 1, "the other detector reports it still")
    ids.report(ONE, ended=True)
    mitigator.wait_idle()


def test_request_goes_upstream(make_upstream, make_relay, mitigator, pki):
    gw = make_relay(make_upstream().start())
    gw.configure(**detectors.sections(gw, tokens=[("fnm", TOKEN)]))
    fnm = Detector(gw.start(), pki.authority.file, TOKEN)
    fnm.report(ONE, pps=1000)
    mitigator.wait_prefixes(f"{ONE}/32")
    fnm.report(ONE, ended=True)
    mitigator.wait_idle()


def test_client_has_asked_for_it_already(make_guarded, mitigator, make_client, pki):
    """Overlapping requests of two clients, and no upstream: the later one is refused, and is tried again."""
    server, fnm = make_guarded(more={"conflicts": "reject"})
    shop = make_client(server, pki.psk("shop"))
    assert shop.put(1, f"{ONE}/32").code == "2.01"
    status, answer = fnm.post({"target": ONE, "pps": 1000})
    assert status == 409 and "refused" in answer["error"] and answer["noted"] == 1
    assert server.logged("warning attack-not-mitigated: ")
    assert mitigator.prefixes() == [[f"{ONE}/32"]]


# ---- Crashes, restarts, reloads ----


def test_what_was_answered_survives_kill_9_and_is_taken_up_again(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"lifetime": "60s", "silence": "1h"}])
    assert fnm.report(ONE, pps=1000)["mitigation-asked"]
    server.crash()
    server.start()
    assert list(ours(server)) == [1], "it was acknowledged, so it is there"
    fnm.report(ONE, pps=1000)
    assert list(ours(server)) == [1] and ours(server)[1]["lifetime"] >= 58
    fnm.report(ONE, ended=True)
    mitigator.wait_idle()


def test_what_nobody_reports_after_a_restart_ends_with_its_lifetime(make_guarded, mitigator):
    server, fnm = make_guarded(rules=[RULE | {"lifetime": "10s", "silence": "1h"}])
    fnm.report(ONE, pps=1000)
    server.crash()
    server.start()
    mitigator.wait_prefixes(f"{ONE}/32")
    mitigator.wait_idle(20)
    fnm.report(ONE, pps=1000)
    mitigator.wait_prefixes(f"{ONE}/32")


def test_reload_takes_rules_detectors_and_tokens_over(make_guarded, mitigator, pki):
    server, fnm = make_guarded(rules=[RULE, RULE | {"name": "low", "when": [{"pps": 10}]}])
    fnm.report(ONE, pps=1000)
    fnm.report(TWO, pps=10)
    mitigator.wait_prefixes(f"{ONE}/32", f"{TWO}/32")
    assert "attack-rules: 1 removed" in server.reload(attack_rules=[RULE])
    mitigator.wait_prefixes(f"{ONE}/32")
    detectors.write_tokens(server, ("fnm", OTHER))
    server.reload()
    assert fnm.post({"target": ONE})[0] == 401
    fresh = Detector(server, pki.authority.file, OTHER)
    assert fresh.report(ONE, pps=1000)["noted"] == 1
    server.reload(detectors=[{"name": "fnm", "targets": ["203.0.113.128/25"]}])
    mitigator.wait_idle()
    assert fresh.post({"target": ONE})[0] == 403
    assert "admin" in server.reload_refused(admin={"socket": "admin.sock"})


def test_reload_takes_another_certificate_over(make_guarded, pki, tmp_path):
    server, fnm = make_guarded()
    shown = ssl.get_server_certificate((server.address, detectors.PORT))
    server.reload(tls=pki.authority.issue("server.test").config())
    assert ssl.get_server_certificate((server.address, detectors.PORT)) != shown
    assert fnm.report(ONE, pps=1)["noted"] == 1


# ---- Who may report ----


def test_tokens(make_guarded, pki):
    hashed = f"sha256:{hashlib.sha256(OTHER.encode()).hexdigest()}"
    server, fnm = make_guarded(tokens=[("fnm", TOKEN), ("fnm", hashed)])
    assert fnm.report(ONE)["noted"] == 1
    assert Detector(server, pki.authority.file, OTHER).report(ONE)["noted"] == 1
    for wrong in (None, TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "x", "x" * 600, hashed):
        nobody = Detector(server, pki.authority.file, wrong)
        status, headers, answer = nobody.request("POST", "/attacks", json.dumps({"target": ONE}))
        assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer") and "token" in answer["error"], wrong
    assert nobody.request("POST", "/attacks", b"{}", {"Authorization": f"Basic {TOKEN}"}.items())[0] == 401
    assert len(server.logged("warning detector-unknown: ")) == 1
    assert TOKEN not in server.log and OTHER not in server.log and hashed not in server.log


def test_certificates(make_guarded, pki):
    by_name, by_key = pki.certificate("ids.test"), pki.authority.issue("whatever.test")
    who = [
        {"name": "ids", "targets": TARGETS, "san": "ids.test"},
        {"name": "fnm", "targets": ["203.0.113.1/32"], "spki-sha256": by_key.spki_sha256},
    ]
    server, _ = make_guarded(detectors=who)
    anchors = pki.authority.file
    assert Detector(server, anchors, None, by_name).report(TWO)["noted"] == 1
    assert Detector(server, anchors, None, by_key).report(ONE)["noted"] == 1
    assert Detector(server, anchors, None, by_key).post({"target": TWO})[0] == 403
    assert Detector(server, anchors, None, pki.certificate("web.test")).post({"target": ONE})[0] == 401
    assert Detector(server, anchors, "wrong" * 10, by_name).post({"target": ONE})[0] == 401
    assert Detector(server, anchors).post({"target": ONE})[0] == 401
    for bad in (pki.foreign("ids.test"), pki.expired("ids.test")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Detector(server, anchors, None, bad).post({"target": ONE})


def test_target_that_the_token_may_not_name(make_guarded):
    server, fnm = make_guarded()
    for target in ("198.51.100.1", "203.0.112.0/23", "2001:db8::1"):
        status, answer = fnm.post({"target": target, "pps": 5000})
        assert status == 403 and "outside" in answer["error"], target
    assert ours(server) == {}


def test_port_does_nothing_else(make_guarded, pki):
    server, fnm = make_guarded()
    paths = ["/", "/status", "/mitigations", "/metrics", "/attacks/", "/attacks/alertmanager/x", "/config", "//attacks"]
    for path in paths:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert fnm.request(method, path)[0] == 404, (method, path)
    assert Detector(server, pki.authority.file).request("GET", "/status")[0] == 404
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        status, headers, _ = fnm.request(method, "/attacks")
        assert status == 405 and headers["Allow"] == "POST"
    assert fnm.request("POST", "/attacks?detector=x", b'{"target": "203.0.113.1"}')[0] == 400


@pytest.mark.parametrize(
    "body, text",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        (b"[" * 10000, "not JSON"),
        (b"{}", "target"),
        (b'{"target": 7}', "target"),
        (b'{"target": "203.0.113.1", "target": "203.0.113.2"}', "not JSON"),
        (b'{"target": "203.0.113.1", "colour": 1}', "colour"),
        (b'{"target": "203.0.113.1\\u0000"}', "not JSON"),
        (b'{"target": "www.example.com"}', "target"),
        (b'{"target": "203.0.113.1/33"}', "target"),
        (b'{"target": "127.0.0.1"}', "loopback"),
        (b'{"target": "203.0.113.1", "pps": -1}', "pps"),
        (b'{"target": "203.0.113.1", "pps": "1"}', "pps"),
        (b'{"target": "203.0.113.1", "pps": 1e999}', "not JSON"),
        (b'{"target": "203.0.113.1", "ended": 1}', "ended"),
        (b'{"target": "203.0.113.1", "target-protocol": [256]}', "target-protocol"),
        (b'{"target": "203.0.113.1", "target-port-range": [{"lower-port": 5, "upper-port": 4}]}', "target-port-range"),
        (b'{"target": "\xff\xfe"}', "not JSON"),
    ],
)
def test_bad_body_is_refused_with_a_sentence(common_detector, body, text):
    status, answer = common_detector.post(body)
    assert status == 400 and text in answer["error"], answer


@pytest.fixture(scope="module")
def common_detector(tmp_path_factory, pki):
    from fixtures import gateways

    with gateways(tmp_path_factory.mktemp("detectors"), pki) as make:
        server = make("server", clients=standard_clients(pki), mitigators=[{"name": "o", "driver": "notify"}])
        server.configure(**detectors.sections(server, tokens=[("fnm", TOKEN)]))
        yield Detector(server.start(), pki.authority.file, TOKEN)


def test_body_that_is_too_large(common_detector, pki):
    large = json.dumps({"target": ONE, "target-protocol": [6] * 10000}).encode()
    assert common_detector.request("POST", "/attacks", large)[0] == 413
    assert common_detector.request("POST", "/attacks/alertmanager", b"", {"Content-Length": "2000000"}.items())[0] == 413
    stranger = Detector(common_detector.gateway, pki.authority.file)
    assert stranger.request("POST", "/attacks/alertmanager", b" " * 5000)[0] == 413
    assert common_detector.report(ONE)["noted"] == 1


def test_bounds_of_a_detector(make_guarded):
    who = [{"name": "fnm", "targets": TARGETS, "targets-max": 3, "requests-per-second": 5}]
    server, fnm = make_guarded(detectors=who)
    answers = [fnm.post({"target": f"203.0.113.{n}", "pps": 1}) for n in range(1, 5)]
    assert [status for status, _ in answers] == [202, 202, 202, 429] and "targets-max" in answers[3][1]["error"]
    assert fnm.report("203.0.113.1", pps=2)["noted"] == 1, "one that is known is still noted"
    wait_for(lambda: "requests-per-second" in fnm.post({"target": ONE})[1].get("error", ""), "the limit of reports")


# ---- Control socket, dotsgwctl, metrics ----


def test_control_socket(make_guarded, mitigator):
    server, _ = make_guarded()
    control = Control(server)

    def post(**body):
        return control.request("POST", "/attacks", json.dumps(body).encode())

    assert post(detector="fnm", target=ONE, pps=1000)[0] == 200
    mitigator.wait_prefixes(f"{ONE}/32")
    assert post(target=ONE)[0] == 400
    assert post(detector="nobody", target=ONE)[0] == 403
    assert post(detector="fnm", target="198.51.100.1")[0] == 403
    assert post(detector="fnm", target=ONE, pps="x")[0] == 400
    assert post(detector="fnm", target=ONE, ended=True)[0] == 202
    mitigator.wait_idle()


def test_operators_see_attacks(make_guarded):
    server, fnm = make_guarded(rules=[RULE, RULE | {"name": "large", "when": [{"bps": "1G"}]}])
    fnm.report(ONE, pps=1000, bps=7)
    control = Control(server)
    first, second = control.json("attacks")["attacks"]
    assert first["rule"] == "flood" and first["state"] == "fired" and first["mid"] == 1 and first["accepted"]
    assert first["pps"] == 1000 and first["bps"] == 7 and first["detector"] == "fnm" and first["target"] == f"{ONE}/32"
    assert second["rule"] == "large" and second["state"] == "idle" and "mid" not in second
    table = control.text("attacks").splitlines()
    assert table[0].split()[:4] == ["DETECTOR", "TARGET", "RULE", "STATE"] and f"{ONE}/32" in table[1]


def test_metrics(make_guarded, pki):
    server, fnm = make_guarded()
    fnm.report(ONE, pps=1000)
    fnm.post({"target": "198.51.100.1"})
    fnm.post({"target": ""})
    Detector(server, pki.authority.file).post({"target": ONE})
    lines = Control(server).text("metrics").splitlines()
    for line in (
        'dotsgw_detector_reports_total{detector="fnm",outcome="noted"} 1',
        'dotsgw_detector_reports_total{detector="fnm",outcome="outside"} 1',
        'dotsgw_detector_reports_total{detector="fnm",outcome="malformed"} 1',
        'dotsgw_detector_targets{detector="fnm"} 1',
        "dotsgw_detector_strangers_total 1",
        'dotsgw_attack_rule_fired_total{rule="flood"} 1',
        "dotsgw_attacks 1",
        "dotsgw_attack_mitigations 1",
    ):
        assert line in lines, line
