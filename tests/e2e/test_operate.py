"""dotsgwctl reload, drain and redirect: the gateway as a whole, while clients use it (RFC 9132 section 4.6)."""

import json

import pytest

from control import ADMIN, Control
from fixtures import SOON_LOST, redirect_to
from gateway import client_entry
from waiting import wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"


@pytest.fixture
def server(make_server, other):
    return make_server(redirect=redirect_to(other), session_config=SOON_LOST, admin=ADMIN)


@pytest.fixture
def control(server):
    return Control(server)


def test_reload_tells_what_has_changed_or_why_not(server, control, mitigator, make_client, pki):
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    control.text("mitigate", TWO)
    mitigator.wait_prefixes(ONE, TWO)
    server.configure(clients=[*server.sections["clients"], client_entry("late", "late.test")])
    assert control.text("reload") == f"{server.file}: clients: 1 added\n"
    assert [client["name"] for client in control.json("clients")["clients"]][-1] == "late"
    assert json.loads(control.text("-j", "reload"))["result"].startswith(f"{server.file}: ")
    server.file.write_text(server.file.read_text().replace('"gateway"', '"gatway"'))
    code, reason = control.refusal("reload")
    assert code == 1 and reason.startswith(f"dotsgwctl: {server.file}:2:3: ") and "gateway" in reason
    assert "the running configuration stays in force" in reason
    server.configure()
    assert control.json("status")["mitigations"] == 2, "the operators' own request stands a reload, too"
    mitigator.wait_prefixes(ONE, TWO)


def test_a_drain_is_begun_taken_back_and_goes_to_its_end(server, other, control, make_client, pki):
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe(1)
    assert control.refusal("drain")[0] == 4, "nobody is there to be asked"
    assert not control.json("status")["draining"]
    control.text("-y", "drain")
    assert control.json("status")["draining"]
    assert control.text("undrain") == "clients are served again\n"
    assert not control.json("status")["draining"]
    observer.stop()
    assert make_client(server, pki.certificate("web.test")).put(2, TWO).code == "2.01"
    control.text("-y", "drain")
    wait_for(lambda: not server.running(), lambda: f"the end: {server.log[-1500:]}", 30)
    server.check_end()
    assert server.logged(r" notice drain: dotsgwctl: ")


def test_rfc9132_4_6_one_client_is_sent_elsewhere_and_the_rest_stays(server, other, control, make_session, pki):
    raw = make_session(server, pki.psk("shop"))
    shop = raw.get("cuid")
    assert shop.text == "4.04"
    assert control.refusal("redirect", "shop")[0] == 4
    control.text("-y", "redirect", "shop")
    answer = raw.get("cuid")
    assert answer.text == "5.03"
    assert {client["name"]: client["redirected"] for client in control.json("clients")["clients"]} == {
        "web": False,
        "shop": True,
    }
    server.reload(log={"level": "debug"})
    assert raw.get("cuid").text == "5.03", "a reload does not end it"
    control.text("unredirect", "shop")
    assert raw.get("cuid").text == "4.04"


def test_rfc9132_4_6_all_clients_follow_and_the_gateway_goes_on(server, other, control, make_client, pki):
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe(1)
    observer.wait_status("attack-mitigation-in-progress")
    control.text("-y", "redirect", "--all")
    other.wait_log(" session-up: client web on ")
    assert control.json("status")["redirecting-all"] and server.running()
    observer.stop()
    assert make_client(server, pki.certificate("web.test")).put(2, TWO).code == "2.01"
    other.mitigator.wait_job(TWO)
    control.text("unredirect", "--all")
    assert not control.json("status")["redirecting-all"]


def test_redirect_that_cannot_be(make_server, control):
    assert control.refusal("-y", "redirect", "nobody") == (
        1,
        "dotsgwctl: there is no client nobody in the configuration\n",
    )
    bare = Control(make_server("bare", admin=ADMIN))
    code, reason = bare.refusal("-y", "redirect", "web")
    assert code == 1 and "redirect.alt-server" in reason
    assert bare.request("POST", "/redirection", b'{"on": "yes"}')[0] == 400
    assert bare.request("POST", "/drain", b"{}")[0] == 400


def test_the_number_of_a_request_is_on_both_legs(make_upstream, make_relay, make_client, pki):
    upstream = make_upstream("first").start()
    gw = make_relay(upstream, log={"level": "debug"}).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    ((number, cuid),) = gw.wait_log(r" info mitigation-accepted: (r\d+) client web: mid 1 of cuid (\S+)")
    (line,) = gw.logged(rf" debug request: {number} client web on \S+: (.*)")
    assert line.startswith(f"PUT /.well-known/dots/mitigate/cuid={cuid}/mid=1, ")
    ((name, mid),) = gw.logged(rf" debug upstream-request: {number} upstream (\S+): PUT mid (\d+), ")
    assert gw.logged(rf" debug upstream-answer: {number} upstream {name}: mid {mid}: 2.01")
    assert gw.logged(rf" debug answer: {number} client web: 2.01, ")
    assert web.delete(1).code == "2.02"
    (withdrawal,) = gw.wait_log(r" info mitigation-withdrawn: (r\d+) client web: mid 1 ")
    assert web.delete(1).code == "2.02"
    assert len(gw.logged(" info mitigation-")) == 2, "what changes nothing is no news"
    gw.wait_log(rf" debug upstream-request: {withdrawal} upstream {name}: DELETE mid {mid}, ")
    assert web.put(2, "192.0.2.1/32").code == "4.03"
    (refused,) = gw.wait_log(r" notice request-refused: (r\d+) client web: 4.03, ")
    assert len({number, withdrawal, refused}) == 3
