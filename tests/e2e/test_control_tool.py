"""dotsgwctl as operators meet it: wrong words, questions, closed pipes, full disks, what a terminal would obey."""

import http.server
import json
import os
import pty
import shutil
import signal
import socket
import socketserver
import subprocess
import threading

import pytest

import detectors
from control import ADMIN, Control
from detectors import RULE, Detector
from fixtures import AT_ONCE, gateways, standard_clients
from processes import environment, program, run
from waiting import wait_for

ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
CLEAR = "\x1b[2J\x9b31m\x7f"


@pytest.fixture(scope="module")
def common(tmp_path_factory, pki):
    with gateways(tmp_path_factory.mktemp("tool"), pki) as make:
        server = make("server", clients=standard_clients(pki), mitigators=[{"name": "o", "driver": "notify"}])
        server.configure(admin=ADMIN, active_but_terminating=AT_ONCE)
        yield Control(server.start())


# ---- Words ----


@pytest.mark.parametrize(
    "words, text",
    [
        (["mitigate", ONE, "--lifetime", "1h"], "--lifetime 1h: expected a number of seconds"),
        (["mitigate", ONE, "--port", "99999"], "--port 99999: expected a port"),
        (["mitigate", ONE, "--port", "81-80"], "--port 81-80: expected a port"),
        (["mitigate", ONE, "--protocol", "quic"], "--protocol quic: expected tcp, udp or a number"),
        (["mitigate", ONE, "--colour"], "--colour"),
        (["mitigate"], "usage: dotsgwctl mitigate TARGET"),
        (["withdraw", "x"], "MID is the number"),
        (["activate", "x"], "ID is CUID/MID"),
        (["mitigator-status", "x", "2"], "JOB is the number"),
        (["sessions", "shop"], "usage: dotsgwctl sessions [--client NAME]"),
        (["log-level", "info", "x"], "usage: dotsgwctl log-level [LEVEL]"),
        (["frobnicate"], "there is no command frobnicate"),
        (["-s", "/" + "a" * 200, "status"], "no socket has a path as long"),
    ],
)
def test_wrong_word_is_told(common, words, text):
    code, said = common.refusal(*words)
    assert code == 2 and text in said


@pytest.mark.parametrize("command", ["mitigations", "sessions"])
def test_client_that_is_not_there_is_told(common, command):
    code, said = common.refusal(command, "--client", "shopp")
    assert code == 1 and "there is no client shopp" in said
    for name in ("shop", "the operators", "the detectors"):
        assert json.loads(common.text(command, "--client", name, "-j")) == {command: []}


def test_flags_behind_the_command(common):
    before, behind = (json.loads(common.text(*words)) for words in (("-j", "status"), ("status", "-j")))
    assert before.keys() == behind.keys() and before["version"] == behind["version"]
    assert common.refusal("withdraw", "77", "-y") == (1, "dotsgwctl: the operators have no request 77\n")


@pytest.fixture
def asked(common):
    """Requests of the operators, which end with the test."""
    mids = []

    def make(*words):
        mids.append(common.json("mitigate", *words)["mid"])
        return mids[-1]

    yield make
    for mid in mids:
        common.run("-y", "withdraw", str(mid))


def test_tables_show_what_is_asked_for(common, asked):
    asked("https://www.example.com/", "mail.example.com")
    asked("198.51.100.1", "--port", "80-81", "--port", "443", "--protocol", "tcp")
    lines = common.text("mitigations").splitlines()
    assert lines[0].split()[-4:] == ["PREFIXES", "NAMES", "PROTOCOLS", "PORTS"] and "CDID" not in lines[0]
    assert lines[1].split()[-4:] == ["-", "mail.example.com,https://www.example.com/", "-", "-"]
    assert lines[2].split()[-4:] == ["198.51.100.1/32", "-", "6", "80-81,443"]
    bundles = common.text("bundles")
    assert "\n  for mail.example.com https://www.example.com/\n" in bundles
    assert "\n  for 198.51.100.1/32, protocol 6, port 80-81 443\n" in bundles


def test_what_a_request_takes_the_place_of_is_told(common, asked):
    """It may be narrower: then less is protected than before."""
    wide, other = asked("198.51.100.0/24"), asked("192.0.2.1")
    ready = asked("198.51.100.0/25", "--preconfigured")
    said = common.text("mitigate", "198.51.100.7")
    narrow = wide + 3
    assert said == (
        f"accepted as mid {narrow}; dotsgwctl withdraw {narrow} ends it\n"
        f"mid {wide} has ended: this one overlaps it, and takes its place\n"
    )
    live = {each["mid"] for each in common.mitigations() if each["state"] == "live"}
    assert live == {other, ready, narrow}
    answers = []
    for words in (["198.51.100.6/31", "192.0.2.0/24"], ["198.51.100.7", "--preconfigured"], ["203.0.113.77"]):
        answers.append(common.json("mitigate", *words))
    assert [sorted(each.get("replaced", [])) for each in answers] == [[other, narrow], [ready], []]
    assert "replaced" not in answers[2]
    for each in answers:
        common.text("-y", "withdraw", str(each["mid"]))


def test_cdid_is_shown_where_there_is_one(make_server, make_client, pki):
    """Else `activate CDID CUID/MID` could not be written."""
    entry = standard_clients(pki)
    entry[1] |= {"supplies-cdid": True}
    server = make_server(admin=ADMIN, clients=entry)
    shop = make_client(server, pki.psk("shop"))
    assert shop.run("put", "1", "-p", ONE, "--cdid", "customer-7").code == "2.01"
    control = Control(server)
    lines = control.text("mitigations").splitlines()
    assert lines[0].split()[:3] == ["CLIENT", "CDID", "CUID"] and lines[1].split()[1] == "customer-7"
    assert f", customer-7 {lines[1].split()[2]}/1\n" in control.text("bundles")


def test_attacks_that_are_left_out_are_told(make_gateway, pki):
    who = [{"name": "fnm", "targets": detectors.TARGETS, "targets-max": 2000, "requests-per-second": 10000}]
    server = make_gateway("server", clients=standard_clients(pki), mitigators=[{"name": "o", "driver": "notify"}])
    token = detectors.token()
    server.configure(**detectors.sections(server, rules=[RULE], detectors=who, tokens=[("fnm", token)]))
    alerts = [{"status": "firing", "labels": {"target": f"2001:db8:6401::{n:x}"}} for n in range(1, 1002)]
    port = Detector(server.start(), pki.authority.file, token)
    assert port.post({"version": "4", "alerts": alerts}, "/attacks/alertmanager") == (
        202,
        {"noted": 1001, "mitigation-asked": False},
    )
    assert port.report("203.0.113.1", pps=1000)["mitigation-asked"]
    done = Control(server).run("attacks")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and len(lines) == 1001 and "203.0.113.1/32" in lines[1]
    assert done.stderr == b"dotsgwctl: these are 1000 of 1002; those whose rules have fired come first\n"


# ---- What a terminal would obey ----


class Hostile(http.server.BaseHTTPRequestHandler):
    """A control socket with what no gateway should pass on."""

    MITIGATION = {"client": "shop", "cuid": f"a{CLEAR}b", "mid": 1, "alias-name": [CLEAR]}
    BUNDLE = {"kind": "upstream", "target": CLEAR, "mid": 1, "state": "refused", "status": "unknown", "why": "so"} | {
        "scope": {"target-fqdn": [CLEAR]}, "members": [MITIGATION], "refusal": {"code": 400, "reason": CLEAR}
    }  # fmt: skip
    ANSWERS = {
        "/mitigations": {"mitigations": [MITIGATION]},
        "/bundles": {"bundles": [BUNDLE]},
        "/status": {"name": CLEAR, "nested": {"a": CLEAR}},
        "/events": {"event": "x", "level": "info", "message": CLEAR},
        "/config": {"error": CLEAR},
    }

    def do_GET(self):
        self.send_response(400 if self.path == "/config" else 200)
        self.end_headers()
        self.wfile.write((json.dumps(self.ANSWERS[self.path]) + "\n").encode())

    def log_message(self, *_):
        pass

    def address_string(self):
        return ""


@pytest.mark.parametrize("words", ["mitigations", "bundles", "status", "watch", "config"])
def test_nothing_reaches_the_terminal_that_it_would_obey(tmp_path, words):
    with socketserver.UnixStreamServer(str(tmp_path / "sock"), Hostile) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        done = run([program("dotsgwctl"), "-s", tmp_path / "sock", words])
        fake.shutdown()
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode == (1 if words == "config" else 0), shown
    assert ".[2J..31m." in shown and not any(ord(each) < 0x20 and each != "\n" or 0x7f <= ord(each) < 0xa0 for each in shown)


# ---- Questions ----


def answer(control, text, *words):
    """Exit code, with somebody at the terminal who says that."""
    ours, theirs = pty.openpty()
    os.write(ours, text.encode())
    done = subprocess.run(
        [program("dotsgwctl"), "-s", control.socket, *words], stdin=theirs, capture_output=True, env=environment(), timeout=60
    )
    os.close(ours), os.close(theirs)
    return done.returncode, done.stderr.decode()


HURTS = [
    (["withdraw", "77"], "withdraw the operators' mitigation 77?"),
    (["activate", "a/1"], "activate this preconfigured mitigation"),
    (["unrecurse", "a/1"], "end what upstreams do for this mitigation?"),
    (["redirect", "shop"], "send shop to the server of redirect?"),
    (["redirect", "--all"], "send all clients to the server of redirect?"),
    (["drain"], "send all clients elsewhere and end this gateway?"),
]


@pytest.mark.parametrize("words, question", HURTS, ids=[" ".join(words) for words, _ in HURTS])
def test_what_hurts_is_asked_about(common, words, question):
    for text in ("n\n", "\n", "\x04"):
        code, said = answer(common, text, *words)
        assert code == 4 and said.startswith(question) and said.endswith("[y/N] "), said
    code, said = common.refusal(*words)
    assert code == 4 and "There is nobody to ask: give -y" in said
    if words != ["drain"]:  # it would be done
        assert answer(common, "y\n", *words)[0] == 1, "the gateway was asked, and knows of no such thing"


# ---- Where the output goes ----


@pytest.fixture
def start(common):
    """dotsgwctl with its standard output somewhere."""
    running = []

    def make(*words, **options):
        argv = [program("dotsgwctl"), "-s", common.socket, *words]
        running.append(subprocess.Popen(argv, stderr=subprocess.PIPE, env=environment(), **options))
        return running[-1]

    yield make
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("words", [["mitigations"], ["bundles"], ["-j", "status"], ["metrics"], ["watch"]], ids=" ".join)
def test_full_disk_is_told(start, asked, words):
    asked("198.51.100.8")
    with open("/dev/full", "wb") as full:
        process = start(*words, stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 5 and b"standard output cannot be written" in said


@pytest.mark.parametrize("ignored", [False, True], ids=["as in a shell", "SIGPIPE ignored"])
def test_watch_ends_with_its_reader(common, start, asked, ignored):
    process = start("watch", stdout=subprocess.PIPE, restore_signals=not ignored)
    assert process.stdout.readline() == b"watching\n"
    process.stdout.close()
    asked("198.51.100.9")  # an event to be written
    assert process.wait(60) == (5 if ignored else -signal.SIGPIPE)


def test_watch_is_interrupted(start):
    # As in a terminal: tests that run in the background of a shell have SIGINT ignored, and so have their children.
    process = start(
        "watch", stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    assert process.stdout.readline() == b"watching\n"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and said == b""


def test_watch_ends_with_the_gateway(make_server):
    server = make_server(admin=ADMIN)
    watching = Control(server).watch()
    server.stop()
    wait_for(lambda: not watching.running(), "its end")
    assert watching.popen.returncode == 0, watching.err


def test_too_many_watch(common, start):
    for _ in range(64):
        process = start("watch", stdout=subprocess.PIPE)
        if process.stdout.readline() != b"watching\n":
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and b"watch" in said and b"status 5" not in said, said


# ---- No gateway, no permission ----


def test_why_the_gateway_is_not_reached(common, tmp_path):
    def said(path):
        done = subprocess.run([program("dotsgwctl"), "-s", path, "status"], capture_output=True, env=environment(), timeout=60)
        assert done.returncode == 3
        return done.stderr.decode()

    assert "there is no socket" in said(tmp_path / "nobody") and "is dotsgw running" in said(tmp_path / "nobody")
    (tmp_path / "file").write_text("")
    assert "nobody listens" in said(tmp_path / "file")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
        assert "nobody listens" in said(tmp_path / "left")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to be somebody else")
def test_no_permission(common):
    tool = common.socket.parent / "dotsgwctl"
    shutil.copy(program("dotsgwctl"), tool)
    reach = [folder for folder in common.socket.parents if not folder.stat().st_mode & 1 and str(folder) != "/"]
    for folder in reach:
        folder.chmod(folder.stat().st_mode | 0o011)
    try:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", tool, "-s", common.socket, "status"],
            capture_output=True,
            env=environment() | {"ASAN_OPTIONS": "detect_leaks=0"},
            timeout=60,
        )
    finally:
        for folder in reach:
            folder.chmod(folder.stat().st_mode & ~0o011)
    assert done.returncode == 3 and b"you have no permission" in done.stderr, done.stderr
