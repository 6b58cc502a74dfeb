"""What the data channel does in a second, and what the signal channel's requests take meanwhile (p50, p99): a server,
two connections of HTTP/2 with 16 requests under way each, that read one alias or write one. h2load shows no client
certificate, so the load is made here, and bounds what is measured: a rate is at least so much. One JSON object a line on
stdout, a table on stderr. Of the end-to-end tests come the certificates, the server and CoAP."""

import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import dots  # noqa: E402
import http_attacks as http  # noqa: E402
from coap import Session  # noqa: E402
from data import DataClient, alias, aliases  # noqa: E402
from gateway import Gateway, client_entry  # noqa: E402
from mitigator import Mitigator  # noqa: E402
from pki import Pki  # noqa: E402

CONNECTIONS, STREAMS = 2, 16
REQUESTS = {"read": 10000, "write": 2000}  # of each connection
GOOD = (0x88, 0x89)  # :status 200, 204 (RFC 7541 appendix A)
NO_LIMIT = {"data-requests-per-second": 1000000, "requests-per-second": 1000000}


def request(target, kind, stream):
    path = f"{target.client}/aliases/alias=a"
    if kind == "read":
        block = http.fields(target, "GET", path=path)
        return http.frame(http.HEADERS, http.END_HEADERS | http.END_STREAM, stream, block)
    body = json.dumps(aliases(alias("a"))).encode()
    block = http.fields(target, "PUT", ("content-type", http.JSON), path=path)
    head = http.frame(http.HEADERS, http.END_HEADERS, stream, block)
    return head + http.frame(http.DATA, http.END_STREAM, stream, body)


def connection(where, kind, count, rates):
    target = http.Target(**where)
    with http.Http2(target) as peer:
        http.send(peer.connection, http.frame(http.WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
        begin, answered, stream = time.monotonic(), 0, 1
        for _ in range(STREAMS):
            http.send(peer.connection, request(target, kind, stream))
            stream += 2
        while answered < count and not peer.ended:
            peer.take()
            statuses = [payload[0] for frame, _, payload in peer.frames if frame == http.HEADERS]
            assert all(status in GOOD for status in statuses), statuses
            done = len(statuses)
            peer.frames.clear()
            answered += done
            http.send(peer.connection, b"".join(request(target, kind, stream + 2 * i) for i in range(done)))
            stream += 2 * done
        assert answered >= count, "the server has ended the connection"
        rates.put(answered / (time.monotonic() - begin))


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
        where = {"host": server.host, "address": server.address, "port": server.data_port, "cuid": web.cuid}
        where |= {key: str(getattr(certificate, key)) for key in ("anchors", "cert", "key")}
        signal = Session(server, pki.psk("shop"), "tcp")
        quiet = mitigations(signal, lambda: True)
        tell("none", 0, quiet, quiet)
        for kind in ("read", "write"):
            rates = multiprocessing.Queue()
            todo = (where, kind, REQUESTS[kind], rates)
            load = [multiprocessing.Process(target=connection, args=todo) for _ in range(CONNECTIONS)]
            for each in load:
                each.start()
            taken = mitigations(signal, lambda: not any(each.is_alive() for each in load))
            tell(kind, sum(rates.get(timeout=60) for _ in load), taken, quiet)
        signal.vanish()
        server.stop()
    finally:
        server.process.kill()


if __name__ == "__main__":
    assert os.environ.get("DOTSGW_BUILD_DIR"), "use ./dev bench data"
    with tempfile.TemporaryDirectory() as folder:
        measure(pathlib.Path(folder))
