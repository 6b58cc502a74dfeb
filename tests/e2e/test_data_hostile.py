"""Hostile clients of the data channel, while others ask for mitigation: the right answer or the end of the connection,
bounded memory, and a signal channel that does not notice."""

import json
import pathlib
import re
import subprocess
import sys
import time

import pytest

import dots
from data import JSON, MODULE, Answer, acl, acls, check
from gateway import client_entry
from processes import environment, program, spawn
from waiting import wait_for

MANY = {"data-requests-per-second": 1000000, "requests-per-second": 100000}
ROUNDS = 60  # mitigation requests that are timed
CALM = 11  # ENHANCE_YOUR_CALM
GROWTH = 80000  # kB, with what the sanitizer adds: 60 connections, each with its buffers and TLS


class Victim:
    """A server with both channels: web is hostile on the data channel, shop asks for mitigation."""

    def __init__(self, server, data, signal):
        self.server, self.data, self.signal = server, data, signal
        self.mid = 0

    def resident(self):
        status = pathlib.Path(f"/proc/{self.server.process.popen.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def times(self):
        """Of requests for mitigation, sorted: a new one and its refreshes, which take a commit each."""
        taken = []
        self.mid += 1
        for _ in range(ROUNDS):
            begin = time.monotonic()
            answer = self.signal.put("shop", self.mid, dots.request_body("203.0.113.1/32"), seconds=30)
            taken.append(time.monotonic() - begin)
            assert answer is not None and answer.text in ("2.01", "2.04"), answer
        return sorted(taken)


@pytest.fixture
def victim(make_data_server, make_data_client, make_session, pki):
    clients = [client_entry("web", "web.test", limits=MANY), client_entry("shop", pki.psk("shop"), limits=MANY)]
    limits = {"requests-per-source": 1000000, "handshakes-per-source": 100000}
    server = make_data_server(clients=clients, limits=limits, log={"level": "notice"})
    server.stop()
    options = environment()["ASAN_OPTIONS"] + ":quarantine_size_mb=1"  # or what was freed would count as held
    server.command = ["env", f"ASAN_OPTIONS={options}", program("dotsgw")]
    server.start()
    data = make_data_client(server)
    assert data.register().status == 201
    return Victim(server, data, make_session(server, pki.psk("shop"), "tcp"))


class Attack:
    def __init__(self, victim, form):
        data = self.data = victim.data
        target = {"host": data.gateway.host, "address": data.gateway.address, "port": data.port, "cuid": data.cuid}
        files = {key: str(getattr(data.certificate, key)) for key in ("anchors", "cert", "key")}
        script = pathlib.Path(__file__).with_name("http_attacks.py")
        self.out, self.err = (data.directory / f"{form}.{end}" for end in ("out", "err"))
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, script, form]
            self.process = spawn(command, stdin=subprocess.PIPE, stdout=out, stderr=err)
        self.process.stdin.write(json.dumps(target | files).encode() + b"\n")
        self.process.stdin.flush()
        wait_for(lambda: self.found or self.process.poll() is not None, self.err.read_text)

    @property
    def found(self):
        return [json.loads(line) for line in self.out.read_text().split("\n")[:-1]]

    def stop(self):
        """What came of it, after a whole round at least."""
        wait_for(lambda: ["round"] in self.found or self.process.poll() is not None, self.err.read_text, 120)
        self.process.stdin.close()
        assert self.process.wait(120) == 0, self.err.read_text()
        told = self.found
        self.check({text for name, *texts in told if name == "bodies" for text in texts})
        return [found for found in told if found[0] not in ("round", "bodies")]

    def check(self, texts):
        for text in sorted(texts)[:20]:
            check(self.data, "/", Answer(400, {"content-type": JSON}, text, ""))


def p99(taken):
    return taken[len(taken) * 99 // 100]


@pytest.fixture
def attack(victim):
    """attack(form): what came of it. Meanwhile the signal channel was answered as before, and memory bounded."""
    running = []

    def run(form):
        quiet, memory = victim.times(), victim.resident()
        running.append(Attack(victim, form))
        busy = victim.times()
        grown = victim.resident() - memory
        found = running[0].stop()
        # A machine that others use makes one of many late; what the gateway does makes all of them late.
        assert busy[len(busy) // 2] < 10 * quiet[len(quiet) // 2] + 0.1, (quiet, busy)
        assert p99(busy) < 10 * p99(quiet) + 1, (quiet, busy)
        assert max(grown, victim.resident() - memory) < GROWTH
        assert victim.data.get().status == 200, "the client is there, and so is the listener"
        return found

    yield run
    for each in running:
        each.process.kill()
        each.process.wait()


def test_rfc9112_6_smuggling_is_refused_and_the_connection_ends(attack):
    for name, responses in attack("smuggling"):
        assert len(responses) == 1, (name, responses)
        status, tag = responses[0]
        assert (status, tag) in ((400, "invalid-value"), (501, "operation-not-supported")), (name, responses)


def test_floods_of_header_fields_are_431_or_414(attack):
    for name, responses in attack("header_flood"):
        assert responses == [[414 if name == "long target" else 431, "too-big"]], name


def test_a_body_of_a_gib_is_413_unread(attack):
    for name, responses, sent in attack("huge_body"):
        assert responses in ([[413, "too-big"]], []), name  # []: our own bytes got in the way of its answer
        assert sent < 16 << 20, "what the sockets hold"


def test_bad_json_is_400(attack):
    for name, responses in attack("bad_json"):
        assert len(responses) == 1 and responses[0][0] == 400 and responses[0][1], (name, responses)


def test_slow_heads_and_bodies_hold_nobody_up_and_heads_are_408(attack):
    held, *heads = attack("slow")
    assert held == ["held", [], 60]
    late = [responses for name, responses, *_ in heads if name == "slow head"]
    assert [[408, "operation-failed"]] in late and all(each in ([[408, "operation-failed"]], []) for each in late)


def test_cve_2024_27316_continuation_floods_end_the_connection(attack):
    for name, found in attack("continuation_flood"):
        assert all(kind == "goaway" and error for kind, error in found), (name, found)


def test_cve_2023_44487_rapid_resets_end_the_connection(attack):
    for name, found in attack("rapid_reset"):
        assert found in ([["goaway", CALM]], []), name


def test_rfc9113_10_5_floods_of_control_frames_end_the_connection(attack):
    for name, found in attack("control_floods"):
        assert found in ([["goaway", CALM]], []), name


def test_rfc9113_8_malformed_requests_are_refused(attack):
    for name, found in attack("bad_http2"):
        if name in ("header list", "a GiB", "endless"):
            assert found[0] == ["answer", 0], (name, found)
        else:
            assert not found or found[-1][0] in ("reset", "goaway") or name == "length", (name, found)


def test_downloading_everything_in_a_loop_delays_no_mitigation(attack, victim):
    for part in range(4):
        many = acls(*(acl(f"acl-{part}-{number}", source=f"192.0.{part}.{number}/32") for number in range(250)))
        assert victim.data.post("", many).status == 201
    for _, _, size in attack("downloads"):
        assert size > 100000
    assert len(victim.data.get("/acls").body[f"{MODULE}:acls"]["acl"]) == 1000
