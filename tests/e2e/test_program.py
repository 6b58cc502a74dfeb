"""dotsgw and dots-client as programs: options, configuration check, signals, what outlives them."""

import json
import os
import signal
import subprocess
import time

import pytest

from client import Client
from gateway import client_entry
from processes import Process, program, run, spawn
from waiting import wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
IN_PROGRESS = "attack-mitigation-in-progress"


@pytest.fixture
def quiet(make_gateway, mitigator, pki):
    """Configured, not started."""
    return make_gateway("server", clients=[client_entry("web", "web.test")], mitigators=[mitigator.config()])


# ---- dotsgw -t, and files that are not good ----


def test_check_of_a_good_file(quiet):
    done = quiet.check()
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"good" in done.stdout
    assert not quiet.state.exists(), "a check leaves nothing behind"


BAD = {
    "no YAML": (lambda text: text + "\n}", "dotsgw.yaml"),
    "empty": (lambda text: "", ""),
    "unknown key": (lambda text: text.replace('"mitigators"', '"mitigaters"'), "mitigaters"),
    "wrong type": (lambda text: text.replace("4646", '"4646 "'), "port"),
    "port out of range": (lambda text: text.replace("4646", "70000"), "65535"),
    "missing key": (lambda text: text.replace('"state-dir": "state"', '"hop-limit": 9'), "state-dir"),
    "duplicate key": (lambda text: text.replace('"log": {', '"log": {}, "log": {'), "log"),
    "no such file": (lambda text: text.replace(".crt", ".nowhere"), "nowhere"),
    "bad prefix": (lambda text: text.replace("203.0.113.0/24", "203.0.113.0/33"), "203.0.113.0/33"),
    "host bits": (lambda text: text.replace("203.0.113.0/24", "203.0.113.7/24"), "203.0.113.7/24"),
    "bad duration": (lambda text: text.replace('"log"', '"response-wait": "1 hour", "log"'), "1 hour"),
    "key that is missing": (lambda text: text.replace('"log"', '"admin": {"detectors": {}}, "log"'), "listen"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("check", [True, False], ids=["check", "start"])
def test_bad_file_is_refused_with_line_column_and_what_was_expected(quiet, fault, check):
    change, word = BAD[fault]
    quiet.file.write_text(change(quiet.file.read_text()))
    done = run([program("dotsgw"), *(["-t"] if check else []), "-c", quiet.file])
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    name, row, column, text = line.split(":", 3)
    assert name == str(quiet.file) and int(row) >= 1 and int(column) >= 1 and text.strip()
    assert word in line


def test_two_clients_with_one_identity_are_refused(quiet):
    quiet.configure(clients=[client_entry("web", "web.test"), client_entry("other", "web.test")])
    done = quiet.check()
    assert done.returncode == 1 and b"web.test" in done.stderr


def test_private_key_that_is_not_the_certificates(quiet, pki):
    quiet.configure(tls=pki.certificate("server.test").config() | {"private-key": str(pki.certificate("web.test").key)})
    done = quiet.check()
    assert done.returncode == 1 and b"key" in done.stderr


def test_key_file_that_others_can_read_is_warned_of(quiet, pki):
    psk = pki.other_key("open")
    psk.file.chmod(0o644)
    quiet.configure(clients=[client_entry("open", psk)])
    quiet.start()
    assert str(psk.file) in quiet.log


@pytest.mark.parametrize(
    "words, status",
    [([], 2), (["-c"], 2), (["-x"], 2), (["-c", "a", "b"], 2), (["-c", "/nonexistent"], 1), (["-h"], 0), (["-V"], 0)],
    ids=str,
)
def test_command_line_of_dotsgw(words, status):
    done = run([program("dotsgw"), *words])
    assert done.returncode == status
    assert done.stdout if status == 0 else done.stderr


def test_address_that_is_in_use(quiet, make_gateway, pki):
    quiet.start()
    other = make_gateway("other", listeners=quiet.sections["listeners"], clients=quiet.sections["clients"])
    done = run([program("dotsgw"), "-c", other.file])
    assert done.returncode == 1
    assert quiet.address.encode() in done.stderr and b"in use" in done.stderr


def test_state_directory_of_another_process(quiet, make_gateway):
    quiet.start()
    other = make_gateway("other", gateway={"state-dir": str(quiet.state)}, clients=quiet.sections["clients"])
    done = run([program("dotsgw"), "-c", other.file])
    assert done.returncode == 1 and str(quiet.state).encode() in done.stderr


# ---- Signals ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_order_with_sessions_and_requests_under_way(quiet, make_client, pki, number):
    quiet.start()
    web = make_client(quiet, pki.certificate("web.test"))
    web.hold()
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe(1)
    observer.wait(lambda bodies: bodies, "the first representation")
    quiet.stop(number)
    assert quiet.logged(" stop: SIG")


def test_second_signal_while_stopping_is_harmless(quiet):
    quiet.start()
    for _ in range(5):
        quiet.process.signal(signal.SIGINT)
    quiet.check_end()


def test_sighup_checks_the_file_and_keeps_running(quiet, make_client, pki):
    quiet.start()
    web = make_client(quiet, pki.certificate("web.test"))
    good = quiet.file.read_text()
    quiet.file.write_text(good.replace("4646", "99999"))
    quiet.process.signal(signal.SIGHUP)
    quiet.wait_log(r" error reload-refused: \S+dotsgw.yaml:\d+:\d+: ")
    assert web.put(1, ONE).code == "2.01"
    quiet.file.write_text(good)
    quiet.process.signal(signal.SIGHUP)
    quiet.wait_log(r" reload: ")
    assert web.put(2, TWO).code == "2.01"


def test_log_in_json(quiet):
    quiet.configure(log={"level": "info", "format": "json"})
    quiet.process = Process([program("dotsgw"), "-c", quiet.file], quiet.directory / "out", quiet.directory / "log")
    quiet.wait_log('"event":"start"')
    for line in quiet.log.splitlines():
        assert {"time", "level", "event", "message"} <= set(json.loads(line))


# ---- What outlives a process ----


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_requests_outlive_it(quiet, make_client, pki, mitigator, end):
    quiet.start()
    web = make_client(quiet, pki.certificate("web.test"))
    assert web.put_json(1, {"target-prefix": [ONE], "target-protocol": [6], "lifetime": 600}).code == "2.01"
    assert web.put(2, TWO, flags=["--preconfigured"]).code == "2.01"
    job = mitigator.wait_job(ONE)
    before = web.get(1, "c").scope
    getattr(quiet, end)()
    quiet.start()
    after = web.get(1, "c").scope
    assert 0 <= before.pop("lifetime") - after.pop("lifetime") <= 10
    assert after == before
    assert web.status(1) == IN_PROGRESS
    assert web.status(2) == "attack-mitigation-signal-loss"
    # The mitigator gets its job anew, under the same id.
    mitigator.wait_told(lambda told: [line["id"] for line in told if line["op"] == "start"] == [job, job], "again")
    assert web.delete(1).code == "2.02"
    assert web.status(1) == "dots-client-withdrawn-mitigation"


def test_request_that_ended_while_it_was_down_is_gone(quiet, make_client, pki, mitigator):
    quiet.start()
    web = make_client(quiet, pki.certificate("web.test"))
    assert web.put(1, ONE, lifetime=3).code == "2.01"
    start = web.get(1).scope["mitigation-start"]
    quiet.stop()
    wait_for(lambda: time.time() > int(start) + 4, "the lifetime to end")
    quiet.start()
    assert web.status(1) in (None, "attack-mitigation-terminated")


def test_mitigator_that_dies_is_started_again_with_its_jobs(quiet, make_client, pki, mitigator):
    quiet.start()
    web = make_client(quiet, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    (pid,) = quiet.wait_log(r"mitigator-started: .* runs with pid (\d+)")
    os.kill(int(pid), signal.SIGKILL)
    quiet.wait_log("mitigator-started: ", count=2)
    mitigator.wait_told(lambda told: [line["op"] for line in told] == ["start", "start"], "of its job again")
    mitigator.report(mitigator.told[-1]["id"], 2)
    wait_for(lambda: web.status(1) == "attack-successfully-mitigated", "the report")


def test_program_of_the_driver_notify(make_gateway, make_client, pki, tmp_path):
    """Runs once for each event, with the event as JSON on its standard input."""
    events = tmp_path / "events"
    page = tmp_path / "page"
    page.write_text(f"#!/bin/sh\ncat >>'{events}'\n")
    page.chmod(0o755)
    mitigators = [{"name": "ops", "driver": "notify", "exec": str(page)}]
    server = make_gateway("server", clients=[client_entry("web", "web.test")], mitigators=mitigators)
    server.configure(active_but_terminating={"initial": "0s"})
    server.start()
    web = make_client(server, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    assert web.delete(1).code == "2.02"

    def seen():
        text = events.read_text() if events.exists() else ""
        return [json.loads(line)["op"] for line in text.splitlines(keepends=True) if line.endswith("\n")]

    wait_for(lambda: seen() == ["start", "stop"], lambda: f"both events; seen {seen()}")
    assert "203.0.113.1/32" in events.read_text()
    assert server.logged(" web")


# ---- dots-client ----


@pytest.mark.parametrize(
    "words",
    [
        ["get"],
        ["-s", "server.test", "get"],
        ["-s", "server.test", "-u", "me", "get"],
        ["-s", "server.test:0", "-u", "me", "-K", "/dev/null", "get"],
        ["-s", "server.test", "-u", "me", "-K", "/dev/null"],
        ["-s", "server.test", "-u", "me", "-K", "/dev/null", "put"],
        ["-s", "server.test", "-u", "me", "-K", "/dev/null", "put", "4294967296"],
        ["-s", "server.test", "-u", "me", "-K", "/dev/null", "dance"],
        ["-s", "server.test", "-u", "me", "-K", "/dev/null", "-T", "sctp", "get"],
    ],
    ids=lambda words: words[-1],
)
def test_wrong_command_line_of_dots_client_is_2(words):
    done = run([program("dots-client"), *words])
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_dots_client_without_a_server_is_3(make_gateway, pki, tmp_path):
    nowhere = make_gateway("server")
    answer = Client(nowhere, pki.psk("shop"), tmp_path).run("-t", "1", "get")
    assert answer.status == 3 and "no session" in answer.err


def test_dots_client_exit_status_is_the_class(server, web, make_client, pki):
    assert web.put(1, ONE).status == 0
    assert web.get(2).status == 4
    assert web.put(3, "198.51.100.1/32").status == 4


def test_dots_client_interrupted(web):
    assert web.put(1, ONE).code == "2.01"
    observer = web.observe(1)
    observer.wait(lambda bodies: bodies, "the first representation")
    assert observer.stop(signal.SIGINT) == 0


def test_dots_client_tells_a_full_disk(web):
    assert web.put(1, ONE).code == "2.01"
    with open("/dev/full", "wb") as full:
        client = spawn(web.arguments("get"), stdout=full, stderr=subprocess.PIPE)
        said = client.communicate(timeout=60)[1].decode()
    assert client.returncode == 1 and "standard output cannot be written: No space left" in said, said


def test_dots_client_ends_with_its_reader(web):
    assert web.put(1, ONE).code == "2.01"
    observer = spawn(web.arguments("observe", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert observer.stdout.readline() == b"{\n"
    observer.stdout.close()
    assert web.delete(1).code == "2.02"  # something to be told of
    try:
        said = observer.communicate(timeout=60)[1].decode()
    finally:
        observer.kill()
    assert observer.returncode == 1 and "standard output cannot be written" in said, said


def test_dots_client_verbose_shows_coap_and_cbor(web):
    answer = web.run("-v", "put", "1", "-p", ONE)
    assert "/.well-known/dots/mitigate/cuid=" in answer.err and "a1 01 a1 02" in answer.err
