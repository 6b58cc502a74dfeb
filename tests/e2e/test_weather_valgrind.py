"""One whole scenario with server, gateway and clients under valgrind: no invalid access, nothing leaked."""

import os
import pathlib
import shutil
import signal

import pytest

from waiting import wait_for

ERROR = 9
VALGRIND = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    "--show-leak-kinds=definite,indirect",
    f"--error-exitcode={ERROR}",
    "--child-silent-after-fork=yes",
    "--num-callers=30",
]
PATIENCE = 60
ONE, TWO, THREE, FOREIGN = "203.0.113.1/32", "203.0.113.2/32", "2001:db8:6401::3/128", "198.51.100.1/32"
MITIGATED = "attack-successfully-mitigated"


# A client is one command, and each start of valgrind costs seconds: one of each kind is enough.
SCRIPTS = {
    "dotsgw": 'exec {valgrind} "{program}" "$@"\n',
    "dots-client": 'case " $* " in\n'
    '*" put 1 "* | *" observe "* | *" delete 1 "* | *" hb "* | *" config put "*) exec {valgrind} "{program}" "$@" ;;\n'
    'esac\nexec "{program}" "$@"\n',
}


@pytest.fixture
def under_valgrind(tmp_path, monkeypatch):
    """The programs of the plain build, started by scripts that run them under valgrind."""
    plain = os.environ.get("DOTSGW_PLAIN_BUILD_DIR")
    assert plain, "DOTSGW_PLAIN_BUILD_DIR is not set: run ./dev test e2e, or point it at a build without sanitizers"
    assert shutil.which("valgrind"), "valgrind is not installed: run ./dev deps test"
    folder = tmp_path / "valgrind"
    folder.mkdir()
    for name, text in SCRIPTS.items():
        script = folder / name
        program = pathlib.Path(plain).resolve() / name
        script.write_text("#!/bin/sh\n" + text.format(valgrind=" ".join(VALGRIND), program=program))
        script.chmod(0o755)
    monkeypatch.setenv("DOTSGW_BUILD_DIR", str(folder))


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}", PATIENCE)


def ask_for_all_kinds_of_things(web, shop):
    """Each client its own requests, good and bad."""
    assert web.put(1, ONE).code == "2.01"
    assert shop.put(1, TWO, lifetime=600).code == "2.01"
    assert shop.put(1, TWO, lifetime=700).code == "2.04"
    assert shop.put(2, THREE).code == "2.01"
    assert web.put(2, FOREIGN).code == "4.03"
    ports = {"target-port-range": [{"lower-port": 80, "upper-port": 443}], "target-protocol": [6, 17]}
    assert web.put_json(3, {"target-prefix": [ONE], "lifetime": 600} | ports).code == "2.01", "it takes the place of 1"
    assert shop.put(9, "203.0.113.9/32", flags=["--preconfigured"]).code == "2.01"
    assert shop.efficacy(1, TWO, lifetime=700).code == "2.04"
    assert len(shop.get().scopes) == 3
    assert web.get(77).code == "4.04"
    assert web.heartbeat().code == "2.04"
    assert "mitigating-config" in web.config_get().config
    assert web.config_put(1, mitigating_config={"heartbeat-interval": {"current-value": 60}}).code == "2.01"
    assert web.config_delete(1).code == "2.02"


def test_whole_scenario(under_valgrind, make_upstream, make_relay, make_client, mitigator, pki):
    signal.alarm(4 * PATIENCE)
    server = make_upstream().start()
    gw = make_relay(server, {"transports": ["udp"]}).start()
    web = make_client(gw, pki.certificate("web.test"))
    shop = make_client(gw, pki.psk("shop"), "tcp")
    ask_for_all_kinds_of_things(web, shop)

    watching = shop.observe(1)
    mitigator.report(mitigator.wait_job(TWO, PATIENCE), 2, pkts=1000)
    watching.wait_status(MITIGATED, deadline=PATIENCE)
    assert watching.stop() == 0

    gw.restart()
    wait_status(shop, 1, MITIGATED)
    for mid in (1, 2, 9):
        assert shop.delete(mid).code == "2.02"
    assert web.delete(3).code == "2.02"
    mitigator.wait_idle(PATIENCE)
    gw.stop()
    server.stop()
