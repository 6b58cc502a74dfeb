"""One whole story under valgrind: no leak, no invalid access, in gateway or server."""

import os
import shutil

import pytest

from fixtures import AT_ONCE, gateway_entry
from processes import program
from waiting import wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
WATCH = ["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=98"]
SLOW = 60  # s: valgrind is twenty times slower

pytestmark = pytest.mark.skipif(
    not shutil.which("valgrind") or not os.environ.get("DOTSGW_PLAIN_BUILD_DIR"),
    reason="needs valgrind, and in DOTSGW_PLAIN_BUILD_DIR a build without sanitizers",
)


def test_a_whole_story(make_upstream, make_relay, make_client, make_session, pki, mitigator):
    command = [*WATCH, program("dotsgw", "DOTSGW_PLAIN_BUILD_DIR")]
    calm = {"heartbeat-interval": 30}
    server = make_upstream(session_config=calm, clients=[gateway_entry()])
    gw = make_relay(server, session_config=calm, active_but_terminating=AT_ONCE, response_wait="10s")
    server.command = gw.command = command
    for each in (server, gw):
        each.configure(gateway={"seccomp": False})  # valgrind makes calls of its own
    server.start()
    gw.start()
    web = make_client(gw, pki.certificate("web.test"), "tcp")
    shop = make_client(gw, pki.psk("shop"), "udp")
    assert web.put(1, ONE, lifetime=600).code == "2.01"
    assert shop.put(1, TWO, flags=["--preconfigured"]).code == "2.01"
    job = mitigator.wait_job(ONE, SLOW)
    observer = web.observe(1)
    observer.wait_status("attack-mitigation-in-progress", deadline=SLOW)
    mitigator.report(job, 2, bytes=5)
    observer.wait_status("attack-successfully-mitigated", deadline=SLOW)
    assert web.efficacy(1, ONE).code == "2.04"
    assert web.put(1, TWO).code == "4.00"
    assert shop.put(2, "198.51.100.1/32").code == "4.03"
    assert shop.config_get().code == "2.05"
    assert shop.heartbeat().code == "2.04"
    raw = make_session(gw, pki.psk("shop"))
    assert raw.put("a", 9, b"\xa1\x01\xa1\x02\x9f").text == "4.00"
    guest = make_session(gw, pki.foreign("web.test"))
    assert guest.get("a", seconds=3) is None
    observer.stop()
    gw.restart()
    assert web.get(1).scope["status"] == "attack-successfully-mitigated"
    assert web.delete(1).code == "2.02"
    mitigator.wait_idle(SLOW)
    wait_for(lambda: web.get(1).code == "4.04", "the end of the mitigation", SLOW)
    for each in (gw, server):
        each.stop()
        assert "==" not in each.log, f"valgrind on {each.name}:\n{each.log}"
