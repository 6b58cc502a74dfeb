"""dots-client under valgrind: no leak, no invalid access, whatever it is asked to do. The gateway's turn is test_valgrind.py."""

import shutil

import pytest

from processes import program

WATCH = ["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=98"]
ONE, FOREIGN = "203.0.113.1/32", "198.51.100.1/32"
MITIGATED = "attack-successfully-mitigated"


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Makes dots-client a script that runs the one of the plain build under valgrind."""
    assert shutil.which("valgrind"), "valgrind is not installed: run ./dev deps test"
    script = tmp_path / "dots-client"
    script.write_text(f"#!/bin/sh\nexec {' '.join(WATCH)} '{program('dots-client', 'DOTSGW_PLAIN_BUILD_DIR')}' \"$@\"\n")
    script.chmod(0o755)
    return lambda: monkeypatch.setenv("DOTSGW_BUILD_DIR", str(tmp_path))


def test_the_commands_of_a_client(watched, server, make_client, mitigator, pki):
    watched()  # the server has started from the ordinary build
    web = make_client(server, pki.certificate("web.test"), "udp")
    assert web.put(1, ONE).code == "2.01"
    watching = web.observe(1)
    mitigator.report(mitigator.wait_job(ONE), 2, pkts=1000)
    watching.wait_status(MITIGATED, deadline=60)
    assert watching.stop() == 0
    assert web.put(2, FOREIGN).code == "4.03"
    shop = make_client(server, pki.psk("shop"), "tcp")
    assert shop.put_json(1, {"target-prefix": ["nonsense"], "lifetime": 60}).status == 1
    assert "mitigating-config" in shop.config_get().config
    assert shop.heartbeat().code == "2.04"
    assert web.delete(1).code == "2.02"


def test_nobody_there(watched, make_gateway, make_client, pki):
    watched()
    nobody = make_client(make_gateway("server"), pki.psk("shop"), None)
    assert nobody.run("-t", "1", "get").status == 3
