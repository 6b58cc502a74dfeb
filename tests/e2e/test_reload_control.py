"""SIGHUP beside a control socket: operators see the configuration that is in force."""

import http.client
import re
import time

import network
from control import ADMIN, Control
from fixtures import standard_clients
from gateway import client_entry
from waiting import wait_for

ONE = "203.0.113.1/32"


def rows(control):
    return {row["name"]: row for row in control.json("upstreams")["upstreams"]}


def test_operators_see_what_is_in_force(make_upstream, make_relay, make_mitigator, make_client, pki):
    first, second = make_upstream("first").start(), make_upstream("second").start()
    gw = make_relay(first, admin=ADMIN, recursion="always")
    gw.start()
    control = Control(gw)
    (old,) = rows(control)
    assert make_client(gw, pki.certificate("web.test")).put(1, ONE).code == "2.01"
    wait_for(lambda: rows(control)[old]["active"] == 1, "the request upstream")
    scrubber = make_mitigator("cleaner")
    (kept,) = gw.sections["upstreams"]
    new = {"name": "new", "servers": [second.server_entry()]}
    late = [client_entry("late", "late.test")]
    gw.reload(upstreams=[new, kept], mitigators=[scrubber.config()], clients=standard_clients(pki) + late)
    wait_for(
        lambda: [row["active"] for row in rows(control).values()] == [1, 1, 1],
        lambda: f"the request everywhere: {rows(control)}",
    )
    assert list(rows(control)) == ["new", old, "cleaner"]
    assert [client["name"] for client in control.json("clients")["clients"]] == ["web", "shop", "late"]
    assert control.json("status")["upstreams-configured"] == 2
    gw.reload(upstreams=[new], mitigators=[])
    assert list(rows(control)) == ["new"]
    gw.wait_log(" info target-removed: ", 2)
    assert rows(control)["new"]["active"] == 1


def test_metrics_are_of_what_is_in_force(make_upstream, make_relay, pki):
    first, second = make_upstream("first").start(), make_upstream("second").start()
    host, port = network.loopback(), 9646
    gw = make_relay(first, admin=ADMIN | {"metrics": f"{host}:{port}"}).start()

    def named():
        connection = http.client.HTTPConnection(host, port, timeout=20)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        expiry = re.findall(r'dotsgw_certificate_expiry_seconds\{file="[^"]*"\} (\S+)', text)
        assert expiry and all(float(each) > time.time() for each in expiry)
        return re.findall(r'dotsgw_upstream_up\{upstream="([^"]+)"\}', text)

    (kept,) = gw.sections["upstreams"]
    assert named() == [kept["name"]]
    gw.reload(upstreams=[{"name": "new", "servers": [second.server_entry()]}, kept])
    assert named() == ["new", kept["name"]]
    gw.reload(upstreams=[{"name": "new", "servers": [second.server_entry()]}])
    assert named() == ["new"]


def test_a_log_level_that_an_operator_has_set_stays(make_server):
    server = make_server(admin=ADMIN)
    control = Control(server)
    control.text("log-level", "debug")
    server.reload(log={"level": "info"})
    assert control.json("log-level")["level"] == "debug"
    assert "admin" in server.reload_refused(admin={"socket": "other.sock"})


def test_operators_requests_outlive_restarts_and_reloads(make_server, mitigator):
    """They belong to no configured client, and a review looks for clients that are gone."""
    server = make_server(admin=ADMIN)
    control = Control(server)
    control.text("mitigate", ONE)
    mitigator.wait_prefixes(ONE)
    server.restart()
    server.reload(limits={"sessions": 77})
    control.text("mitigate", "203.0.113.2")
    mitigator.wait_prefixes(ONE, "203.0.113.2/32")
    assert [each["state"] for each in control.mitigations()] == ["live", "live"]
