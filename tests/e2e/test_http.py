"""The HTTP server library under clients that others wrote: curl, nghttp, h2load. Over them: tests/tools/http_echo.c."""

import contextlib
import filecmp
import re
import signal
import subprocess
import time

import pytest

from processes import END, SANITIZER, environment, program, run, spawn
from waiting import wait_for


class Echo:
    """http_echo, running: its port, and what it said."""

    def __init__(self, directory, *arguments):
        env = environment()
        env["ASAN_OPTIONS"] += ":quarantine_size_mb=1"  # or what was freed would count as held
        self.output = directory / "echo.out"
        self.errors = directory / "echo.err"
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            self.process = spawn([program("tests/http_echo"), *arguments], env=env, stdout=output, stderr=errors)
        said = wait_for(lambda: re.search(r"port (\d+)", self.output.read_text()), self.errors.read_text)
        self.port = int(said[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END)
        finally:
            self.process.kill()
        assert status == 0 and not SANITIZER.search(self.errors.read_text()), self.errors.read_text()


@contextlib.contextmanager
def echo(*arguments):
    server = Echo(*arguments)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def plain(tmp_path):
    with echo(tmp_path, "-u", tmp_path / "socket", "-l", "per_source=200") as server:
        server.url = f"http://127.0.0.1:{server.port}"
        server.socket = tmp_path / "socket"
        yield server


@pytest.fixture
def secure(tmp_path, pki):
    own = pki.certificate("echo.test", "127.0.0.1", "localhost")
    with echo(tmp_path, "-t", own.cert, own.key, own.anchors, "required", "-l", "per_source=200") as server:
        server.url = f"https://127.0.0.1:{server.port}"
        yield server


@pytest.fixture
def credentials(pki):
    client = pki.certificate("client.test")
    return ["--cacert", client.anchors, "--cert", client.cert, "--key", client.key]


def curl(*arguments):
    done = run(["curl", "-sS", "-m", "60", *arguments], timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


VERSIONS = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


@VERSIONS
def test_curl_is_known_by_its_certificate(secure, credentials, version):
    said = curl(version, *credentials, f"{secure.url}/about?x=1").decode()
    assert said.startswith("GET /about x=1 version=" + ("20" if version == "--http2" else "11"))
    assert "certificate=client.test" in said


def test_curl_without_a_certificate_is_refused(secure, credentials):
    done = run(["curl", "-sS", "-m", "60", *credentials[:2], f"{secure.url}/about"])
    assert done.returncode != 0 and not done.stdout


def test_curl_over_the_unix_socket(plain):
    assert b"version=11" in curl("--unix-socket", plain.socket, "http://localhost/about")


@VERSIONS
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_an_upload_comes_back(secure, credentials, tmp_path, version, framing):
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(bytes(i * i % 251 for i in range(1 << 20)))
    source = ["--data-binary", f"@{sent}"] if framing == "content-length" else ["-T", "-"]
    command = ["curl", "-sS", "-m", "60", version, *credentials, "-o", back, "-X", "POST", *source, f"{secure.url}/echo"]
    with open(sent, "rb") as data:
        done = subprocess.run([str(word) for word in command], stdin=data, capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert filecmp.cmp(sent, back, shallow=False)


@VERSIONS
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
def test_an_upload_that_is_too_large_reads_why(secure, credentials, tmp_path, version, expect):
    large = tmp_path / "large"
    large.write_bytes(bytes(3 << 20))
    said = curl(version, *credentials, "-H", expect, "--data-binary", f"@{large}", "-w", "%{http_code}", f"{secure.url}/echo")
    assert said == b"413 Content Too Large\n413"


@VERSIONS
@pytest.mark.parametrize("path", ["big", "made"])
def test_a_large_download_is_whole(secure, credentials, version, path):
    assert len(curl(version, *credentials, f"{secure.url}/{path}?30000000")) == 30000000


@VERSIONS
def test_head_says_the_length(secure, credentials, version):
    said = curl(version, *credentials, "-I", f"{secure.url}/big?1234").decode().lower()
    assert "content-length: 1234" in said and "date: " in said


@VERSIONS
def test_a_watcher_gets_each_line(secure, credentials, version):
    assert curl(version, *credentials, "-N", f"{secure.url}/watch?5") == b"line\n" * 5


def test_nghttp_multiplexes(secure, credentials):
    paths = [f"{secure.url}/{path}" for path in ("later?200", "big?300000", "about", "made?300000")]
    done = run(["nghttp", "-v", "-n", "--no-dep", f"--cert={credentials[3]}", f"--key={credentials[5]}", *paths], timeout=60)
    said = done.stdout.decode()
    assert done.returncode == 0 and said.count(":status: 200") == 4, said
    assert said.index("stream_id=1) :status") > said.index("stream_id=5) :status"), "the slow one held up the others"


def h2load(*arguments):
    done = run(["h2load", *arguments], timeout=100)
    said = done.stdout.decode()
    return int(re.search(r"(\d+) succeeded", said)[1]), said


def test_h2load_with_many_streams(tmp_path, pki):
    own = pki.certificate("echo.test", "127.0.0.1", "localhost")
    with echo(tmp_path, "-t", own.cert, own.key, own.anchors, "optional") as server:
        succeeded, said = h2load("-n", "3000", "-c", "10", "-m", "20", f"https://localhost:{server.port}/about")
        assert succeeded == 3000, said


def test_h2load_with_http1(plain):
    succeeded, said = h2load("--h1", "-n", "3000", "-c", "20", f"{plain.url}/about")
    assert succeeded == 3000, said


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def test_slow_readers_cost_no_memory(plain):
    """Each asks for 100 MB and takes 20 kB a second of it."""
    curl(f"{plain.url}/made?20000000")
    before = resident(plain.process)
    slow = [
        spawn(["curl", "-s", "--limit-rate", "20k", "-o", "/dev/null", f"{plain.url}/made?100000000"]) for _ in range(20)
    ]
    try:
        counters = wait_for(
            lambda: re.search(r"connections=2[01] memory=(\d+)", curl(f"{plain.url}/counters").decode()), "20 readers"
        )
        assert int(counters[1]) < 200000
        assert resident(plain.process) - before < 30000  # kB; with what the sanitizer adds
    finally:
        for reader in slow:
            reader.kill()
            reader.wait()


def test_downloads_hold_up_nobody(plain):
    greedy = [spawn(["curl", "-s", "-o", "/dev/null", f"{plain.url}/made?100000000000"]) for _ in range(6)]
    try:
        times = []
        for _ in range(20):
            begin = time.monotonic()
            curl(f"{plain.url}/about")
            times.append(time.monotonic() - begin)
        assert sorted(times)[10] < 1, times
    finally:
        for reader in greedy:
            reader.kill()
            reader.wait()


def test_a_reload_cuts_nobody(tmp_path, pki, credentials):
    own, later = pki.certificate("echo.test", "127.0.0.1", "localhost"), pki.authority.issue("later.test", "127.0.0.1")
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.write_bytes(own.cert.read_bytes())
    key.write_bytes(own.key.read_bytes())
    with echo(tmp_path, "-t", cert, key, own.anchors, "required") as server:
        url = f"https://127.0.0.1:{server.port}"
        command = ["curl", "-sS", "-m", "60", *credentials, "-N", f"{url}/watch?100"]
        watcher = spawn(command, stdout=subprocess.PIPE)
        assert watcher.stdout.readline() == b"line\n"
        cert.write_bytes(later.cert.read_bytes())
        key.write_bytes(later.key.read_bytes())
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload done" in server.output.read_text(), server.output.read_text)
        shown = run(["curl", "-sS", "-v", "-m", "60", *credentials, f"{url}/about"])
        assert b"later.test" in shown.stderr
        assert watcher.communicate(timeout=60)[0] == b"line\n" * 99 and watcher.returncode == 0


def test_a_watcher_that_stops_reading_is_dropped(plain):
    watcher = spawn(["curl", "-s", f"{plain.url}/flood"], stdout=subprocess.PIPE)
    try:
        wait_for(lambda: b"too_slow=1" in curl(f"{plain.url}/counters"), "the watcher to be dropped")
    finally:
        watcher.kill()
        watcher.communicate()
