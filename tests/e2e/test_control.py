"""dotsgwctl and the control socket."""

import json
import os
import stat

import pytest

import dots
from control import ADMIN, Control
from fixtures import AT_ONCE, gateways, standard_clients
from gateway import client_entry
from waiting import wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"


@pytest.fixture
def server(make_server):
    return make_server(admin=ADMIN, active_but_terminating=AT_ONCE)


@pytest.fixture
def control(server):
    return Control(server)


@pytest.fixture
def relay(make_upstream, make_relay):
    """A gateway with a control socket, and its upstream."""
    return make_relay(make_upstream().start(), admin=ADMIN, active_but_terminating=AT_ONCE).start()


# ---- What is there ----


def test_status(control, server):
    assert control.json("status")["name"] == server.host
    assert f"name                     {server.host}\n" in control.text("status")


def test_clients(control):
    assert [client["name"] for client in control.json("clients")["clients"]] == ["web", "shop"]
    lines = control.text("clients").splitlines()
    assert lines[0].split()[:2] == ["NAME", "DOMAIN"]
    assert "203.0.113.0/24,2001:db8:6401::/48" in lines[1]


def test_sessions(control, shop):
    observer = shop.put(1, ONE) and shop.observe(1)
    observer.wait_status("attack-mitigation-in-progress")
    (session,) = control.json("sessions", "--client", "shop")["sessions"]
    assert session["state"] == "served" and session["transport"] == "tcp" and session["observers"] == 1
    assert control.json("sessions", "--client", "web")["sessions"] == []
    assert "shop" in control.text("sessions")


def test_mitigations(control, web, shop):
    assert web.put(7, ONE).code == "2.01"
    assert shop.put(9, TWO).code == "2.01"
    mine, other = control.mitigations()
    assert (mine["client"], mine["mid"], mine["target-prefix"], mine["state"]) == ("web", 7, [ONE], "live")
    assert control.mitigations("--client", "shop") == [other]
    table = control.text("mitigations").splitlines()
    assert table[0].split()[:3] == ["CLIENT", "CUID", "MID"]
    assert ONE in table[1] and TWO in table[2]


def test_bundles_say_who_and_why(relay, make_client, pki):
    control = Control(relay)
    web, shop = make_client(relay, pki.certificate("web.test")), make_client(relay, pki.psk("shop"))
    assert web.put(1, NET).code == "2.01"
    assert shop.put(1, ONE).code == "2.01"
    (bundle,) = [each for each in control.json("bundles")["bundles"] if each["member-count"] == 2]
    assert {member["client"] for member in bundle["members"]} == {"web", "shop"}
    assert "overlap" in bundle["why"] and bundle["scope"]["target-prefix"] == [NET]
    assert "- client shop" in control.text("bundles")


def test_upstreams(relay, mitigator):
    control = Control(relay)
    wait_for(lambda: control.json("upstreams")["upstreams"][0]["state"] == "up", "the upstream")
    (upstream,) = control.json("upstreams")["upstreams"]
    assert upstream["name"] == "isp" and "server.test" in upstream["server"] and upstream["sessions"] == 1
    assert "isp" in control.text("upstreams")


def test_config_tells_no_key(control):
    text = control.text("-j", "config")
    assert json.loads(text)["recursion"] == "always"
    assert "psk" not in text and "private" not in text and ".pem" not in text


def test_long_list_is_whole(make_server, make_session, pki, mitigator):
    """More than one piece of a list; it is walked over many turns of the loop."""
    many = {"mitigations": 1000, "requests-per-second": 10000}
    server = make_server(
        admin=ADMIN,
        clients=[client_entry("shop", pki.psk("shop"), limits=many)],
        limits={"requests-per-source": 10000},
    )
    raw = make_session(server, pki.psk("shop"))
    for mid in range(1, 201):
        assert raw.put("a", mid, dots.request_body(f"203.0.113.{mid}/32")).text == "2.01"
    assert sorted(each["mid"] for each in Control(server).mitigations()) == list(range(1, 201))


# ---- What changes something ----


def test_operators_own_request(control, mitigator):
    assert "accepted as mid 1" in control.text("mitigate", "203.0.113.1", "--port", "80-81", "--protocol", "tcp")
    mitigator.wait_prefixes(ONE)
    (mine,) = control.mitigations()
    assert mine["client"] == "the operators" and mine["target-port-range"] == [{"lower-port": 80, "upper-port": 81}]
    assert mine["target-protocol"] == [6] and 3500 < mine["lifetime"] <= 3600
    assert control.refusal("withdraw", "1")[0] == 4, "nobody is there to be asked"
    assert control.text("-y", "withdraw", "1") == "withdrawn\n"
    mitigator.wait_idle()
    assert control.refusal("-y", "withdraw", "77") == (1, "dotsgwctl: the operators have no request 77\n")


def test_operators_request_survives_a_restart(control, server, mitigator):
    control.text("mitigate", ONE)
    mitigator.wait_prefixes(ONE)
    server.restart()
    (mine,) = control.mitigations()
    assert mine["target-prefix"] == [ONE]
    assert control.json("mitigate", TWO)["mid"] == 2


def test_operators_preconfigured_request_is_activated(control, mitigator):
    control.text("mitigate", ONE, "--preconfigured")
    (mine,) = control.mitigations()
    assert not mine["active"]
    assert control.text("-y", "activate", f"{mine['cuid']}/1") == "activated\n"
    mitigator.wait_prefixes(ONE)
    assert control.mitigations()[0]["activated"]
    assert control.refusal("-y", "activate", "nobody/1")[0] == 1


def test_preconfigured_request_of_a_client_is_activated(control, shop, mitigator):
    scope = {"target-prefix": [ONE], "lifetime": 3600, "trigger-mitigation": False}
    assert shop.put_json(5, scope).code == "2.01"
    (mine,) = control.mitigations("--client", "shop")
    assert mitigator.told == []
    control.text("-y", "activate", f"{mine['cuid']}/5")
    mitigator.wait_prefixes(ONE)
    wait_for(lambda: shop.get(5).scope["status"] == "attack-mitigation-in-progress", "the client's view of it")


def test_immediate_request_cannot_be_activated(control):
    control.text("mitigate", ONE)
    (mine,) = control.mitigations()
    name = f"{mine['cuid']}/1"
    refusal = f"dotsgwctl: {name} is not a preconfigured request that could be activated\n"
    assert control.refusal("-y", "activate", name) == (1, refusal)


@pytest.mark.parametrize(
    "target, reason",
    [("127.0.0.1", "loopback"), ("300.1.1.1", "target-prefix"), ("203.0.113.0/99", "target-prefix")],
)
def test_bad_target_is_refused_with_the_reason(control, target, reason):
    code, text = control.refusal("mitigate", target)
    assert code == 1 and reason in text


def test_mitigator_status(make_server, make_client, pki):
    """The operators are the mitigator: driver notify."""
    server = make_server(mitigators=[{"name": "ops", "driver": "notify"}], admin=ADMIN)
    control = Control(server)
    shop = make_client(server, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    (job,) = [each["id"] for each in control.json("bundles")["bundles"]]
    observer = shop.observe(1)
    assert control.text("mitigator-status", str(job), "attack-successfully-mitigated") == "noted\n"
    observer.wait_status("attack-successfully-mitigated")
    assert control.refusal("mitigator-status", str(job), "8")[0] == 1
    assert control.refusal("mitigator-status", "999999", "2") == (1, "dotsgwctl: no mitigator has a job 999999\n")


def test_recursion_by_hand(make_upstream, make_relay, make_mitigator, make_client, pki, mitigator):
    own = make_mitigator("own")
    gw = make_relay(make_upstream().start(), admin=ADMIN, recursion="manual", mitigators=[own.config()])
    gw.configure(active_but_terminating=AT_ONCE)
    control = Control(gw.start())
    shop = make_client(gw, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    own.wait_prefixes(ONE)
    (mine,) = control.mitigations()
    name = f"{mine['cuid']}/1"
    assert mitigator.told == []
    control.text("recurse", name)
    mitigator.wait_prefixes(ONE)
    assert control.mitigations()[0]["recursed"]
    assert control.refusal("unrecurse", name)[0] == 4
    control.text("-y", "unrecurse", name)
    mitigator.wait_idle()


def test_recursion_that_is_not_by_hand(control, shop):
    assert shop.put(1, ONE).code == "2.01"
    code, text = control.refusal("recurse", f"{control.mitigations()[0]['cuid']}/1")
    assert code == 1 and "recursion: manual" in text


def test_log_level(control, server):
    assert control.json("log-level") == {"level": "debug"}
    control.text("log-level", "error")
    assert control.json("log-level") == {"level": "error"}
    assert control.refusal("log-level", "loud")[0] == 1


def test_watch(control, shop):
    people = control.watch()
    assert shop.put(3, ONE).code == "2.01"
    wait_for(lambda: "session-up: client shop" in people.out, lambda: people.out)
    wait_for(lambda: "mitigation client=shop" in people.out and "mid=3" in people.out, lambda: people.out)
    people.kill()
    programs = control.watch("-j")
    assert shop.put(4, TWO).code == "2.01"
    wait_for(lambda: '"mid":4' in programs.out, lambda: programs.out)
    for line in programs.out.splitlines():
        json.loads(line)
    programs.kill()


# ---- The tool itself ----


def test_exit_codes(control, tmp_path):
    assert control.run().returncode == 2
    assert control.run("no-such-command").returncode == 2
    assert control.run("withdraw").returncode == 2
    assert control.run("withdraw", "x").returncode == 2
    assert control.run("-h").returncode == 0
    control.socket = tmp_path / "nobody"
    code, text = control.refusal("status")
    assert code == 3 and "is dotsgw running" in text


# ---- The socket ----


def test_permissions_of_the_socket(control, server):
    mode = os.stat(control.socket)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    server.stop()
    assert not control.socket.exists()


@pytest.mark.parametrize(
    "method, path, body, status, text",
    [
        ("POST", "/mitigations", b"{", 400, "not JSON"),
        ("POST", "/mitigations", b"[]", 400, "object"),
        ("POST", "/mitigations", b"", 400, "not JSON"),
        ("POST", "/mitigations", b'{"target-prefix": ["203.0.113.1/32"], "colour": 1}', 400, "colour"),
        ("POST", "/mitigations", b'{"target-prefix": ["203.0.113.1/32"], "target-prefix": []}', 400, "not JSON"),
        ("POST", "/mitigations", b'{"lifetime": 10}', 400, "target"),
        ("POST", "/mitigations", b'{"target-prefix": "203.0.113.1/32"}', 400, "target-prefix"),
        ("POST", "/mitigations", b'{"target-prefix": ["203.0.113.1/32"], "lifetime": 0}', 400, "lifetime"),
        ("POST", "/mitigations", b"[" * 100000, 400, "not JSON"),
        ("POST", "/activation", b'{"cuid": 7, "mid": 1}', 400, "cuid"),
        ("POST", "/activation", b'{"cuid": "a", "mid": -1}', 400, "mid"),
        ("POST", "/activation", b'{"cuid": "' + b"a" * 5000 + b'", "mid": 1}', 404, "no mitigation"),
        ("POST", "/recursion", b'{"cuid": "a", "mid": 1}', 400, "on"),
        ("POST", "/mitigator-status", b'{"job": -4, "status": 2}', 400, "job"),
        ("PUT", "/log-level", b'{"level": null}', 400, "level"),
        ("GET", "/mitigations?client=%00", b"", 400, "escape"),
        ("GET", "/mitigations?colour=red", b"", 400, "query"),
        ("GET", "/status?client=a", b"", 400, "query"),
        ("GET", "/status", b"{}", 400, "body"),
        ("GET", "/nothing", b"", 404, "path"),
        ("DELETE", "/mitigations/99999999999999999999", b"", 404, "no request"),
        ("DELETE", "/mitigations/1/2", b"", 404, "path"),
        ("DELETE", "/status", b"", 405, "method"),
    ],
)
def test_hostile_input(common_control, method, path, body, status, text):
    got, answer = common_control.request(method, path, body)
    assert got == status and text in answer["error"], (got, answer)


@pytest.fixture(scope="module")
def common_control(tmp_path_factory, pki):
    with gateways(tmp_path_factory.mktemp("hostile"), pki) as make:
        server = make("server", clients=standard_clients(pki), mitigators=[{"name": "o", "driver": "notify"}])
        server.configure(admin=ADMIN)
        yield Control(server.start())


def test_body_that_is_too_large(common_control):
    head = b"POST /mitigations HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
    assert common_control.raw(head).startswith(b"HTTP/1.1 413 ")
    assert common_control.request("GET", "/status")[0] == 200


def test_no_http_at_all(common_control):
    assert b"400" in common_control.raw(b"\x16\x03\x01\x00\r\n\r\n")
    assert common_control.request("GET", "/status")[0] == 200


# ---- Metrics ----


def test_metrics_count(control, shop):
    assert shop.put(1, ONE).code == "2.01"
    lines = control.text("metrics").splitlines()
    assert "dotsgw_mitigations 1" in lines
    assert 'dotsgw_requests_total{method="PUT"} 1' in lines
    assert 'dotsgw_responses_total{method="PUT",code="2.01"} 1' in lines
    assert 'dotsgw_handshakes_total{transport="tcp"} 1' in lines
    (count,) = [int(line.split()[1]) for line in lines if line.startswith("dotsgw_store_commit_seconds_count")]
    assert count > 0
