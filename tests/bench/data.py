"""What the data channel does in a second, and what the signal channel's requests take meanwhile (p50, p99): a server,
and h2load with two connections of HTTP/2 and 16 requests under way on each, that reads one alias or writes one. One JSON
object a line on stdout, a table on stderr. Of the end-to-end tests come the certificates, the server and CoAP."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import dots  # noqa: E402
from coap import Session  # noqa: E402
from data import JSON, DataClient, alias, aliases  # noqa: E402
from gateway import Gateway, client_entry  # noqa: E402
from mitigator import Mitigator  # noqa: E402
from pki import Pki  # noqa: E402

CONNECTIONS, STREAMS = 2, 16
REQUESTS = {"read": 10000, "write": 2000}  # of each connection
NO_LIMIT = {"data-requests-per-second": 1000000, "requests-per-second": 1000000}


class Certified:
    """A port for h2load, which shows no client certificate: each connection to it is the standard input and output of an
    `openssl s_client` that does."""

    def __init__(self, server, certificate):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.argv = ["openssl", "s_client", "-quiet", "-nocommands", "-alpn", "h2", "-servername", server.host]
        self.argv += ["-connect", f"{server.address}:{server.data_port}", "-verify_return_error"]
        self.argv += ["-CAfile", certificate.anchors, "-cert", certificate.cert, "-key", certificate.key]
        self.running = []

    def serve(self, count):
        for _ in range(count):
            connection, _ = self.listener.accept()
            with connection:
                self.running.append(
                    subprocess.Popen(self.argv, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
                )

    def close(self):
        self.listener.close()
        for each in self.running:
            each.kill()
            each.wait()


def h2load(server, port, path, kind, directory):
    """Its process. Its first connections come at once, and are all that it makes."""
    argv = ["h2load", "-H", ":scheme: https", "-H", f":authority: {server.host}", "-c", str(CONNECTIONS), "-m", str(STREAMS), "-n", str(REQUESTS[kind] * CONNECTIONS)]
    if kind == "write":
        body = directory / "alias.json"
        body.write_text(json.dumps(aliases(alias("a"))))
        argv += ["-d", body, "-H", ":method: PUT", "-H", f"content-type: {JSON}"]
    return subprocess.Popen([*argv, f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, text=True)


def rate_of(load, kind):
    said, _ = load.communicate(timeout=60)
    assert load.returncode == 0 and f"{REQUESTS[kind] * CONNECTIONS} 2xx" in said, said
    return float(re.search(r"([0-9.]+) req/s", said)[1])


def mitigations(signal, until):
    """Times of refreshes, sorted, for as long as `until` says."""
    taken = []
    while len(taken) < 200 or not until():
        begin = time.monotonic()
        answer = signal.put("shop", 1, dots.request_body("203.0.113.1/32"))
        taken.append((time.monotonic() - begin) * 1000)
        assert answer is not None and answer.text in ("2.01", "2.04"), answer
    return sorted(taken)


def tell(load, rate, taken, quiet):
    p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    figures = {"name": f"data.{load}", "connections": CONNECTIONS, "streams": STREAMS, "figure": round(rate)}
    figures |= {"unit": "requests/s", "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}
    figures |= {"reference": "no load", "reference_p50_ms": round(quiet[len(quiet) // 2], 2)}
    figures |= {"reference_p99_ms": round(quiet[len(quiet) * 99 // 100], 2)}
    print(json.dumps(figures), flush=True)
    print(f"{load:8} {rate:10.0f} requests/s   mitigation p50 {p50:7.2f} ms   p99 {p99:7.2f} ms", file=sys.stderr)


def measure(directory):
    pki = Pki(directory)
    clients = [client_entry("web", "web.test", limits=NO_LIMIT), client_entry("shop", pki.psk("shop"), limits=NO_LIMIT)]
    limits = {"requests-per-source": 1000000}
    mitigators = [Mitigator(directory).config()]
    sections = {"clients": clients, "limits": limits, "mitigators": mitigators, "log": {"level": "notice"}}
    server = Gateway(directory, "server", pki.certificate("server.test"), sections).with_data_channel()
    server.start()
    try:
        certificate = pki.certificate("web.test")
        web = DataClient(server, certificate, server.data_port, directory=directory)
        assert web.register().status == 201 and web.post("", aliases(alias("a"))).status == 201
        path = f"{web.root}/aliases/alias=a"
        certified = Certified(server, certificate)
        signal = Session(server, pki.psk("shop"), "tcp")
        quiet = mitigations(signal, lambda: True)
        tell("none", 0, quiet, quiet)
        for kind in ("read", "write"):
            load = h2load(server, certified.port, path, kind, directory)
            certified.serve(CONNECTIONS)
            taken = mitigations(signal, lambda load=load: load.poll() is not None)
            tell(kind, rate_of(load, kind), taken, quiet)
        certified.close()
        signal.vanish()
        server.stop()
    finally:
        server.process.kill()


if __name__ == "__main__":
    assert os.environ.get("DOTSGW_BUILD_DIR"), "use ./dev bench data"
    with tempfile.TemporaryDirectory() as folder:
        measure(pathlib.Path(folder))
