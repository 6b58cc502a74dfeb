"""Every operation of the data channel by tools that others wrote: curl over HTTP/2 and HTTP/1.1, nghttp, h2load."""

import json
import re
import select
import socket
import ssl
import threading

import pytest

from data import DATA, JSON, MODULE, Answer, acl, acls, alias, aliases, check
from gateway import client_entry
from processes import run

CUID = "dz6pHjaADkaFTbjr0JGBpw"
CLIENT = f"{DATA}/dots-client={CUID}"
LIMITS = {"data-requests-per-second": 100000, "cuids": 10000}
POINT = f"%2F{MODULE}%3Adots-data%2Fdots-client%3D{CUID}%2Facls%2Facl%3D"
RULE = acl("x")["aces"]["ace"][0]


def registration(cuid=CUID):
    return {f"{MODULE}:dots-client": [{"cuid": cuid}]}


# Method, path, body, status, and what the body of the answer must have.
OPERATIONS = [
    ("GET", "/restconf", None, 200, "yang-library-version"),
    ("GET", "/restconf/data/ietf-yang-library:modules-state", None, 200, MODULE),
    ("GET", "/restconf/data/ietf-restconf-monitoring:restconf-state", None, 200, "capability:depth"),
    ("GET", f"{DATA}/capabilities", None, 200, "address-family"),
    ("OPTIONS", CLIENT, None, 200, None),
    ("POST", DATA, registration(), 201, None),
    ("POST", DATA, registration(), 409, "resource-denied"),
    ("PUT", CLIENT, registration(), 204, None),
    ("PATCH", CLIENT, registration(), 204, None),
    ("GET", DATA, None, 200, CUID),
    ("GET", CLIENT, None, 200, CUID),
    ("HEAD", CLIENT, None, 200, None),
    ("POST", CLIENT, aliases(alias("a"), alias("b")), 201, None),
    ("POST", f"{CLIENT}/aliases", {f"{MODULE}:alias": [alias("c")]}, 201, None),
    ("PUT", f"{CLIENT}/aliases/alias=d", aliases(alias("d")), 201, None),
    ("PUT", f"{CLIENT}/aliases/alias=d", aliases(alias("d", "203.0.113.9/32")), 204, None),
    ("PATCH", f"{CLIENT}/aliases/alias=d", aliases(alias("d", **{"target-protocol": [6]})), 204, None),
    ("GET", f"{CLIENT}/aliases/alias=d", None, 200, "target-protocol"),
    ("GET", f"{CLIENT}/aliases?content=nonconfig", None, 200, "pending-lifetime"),
    ("DELETE", f"{CLIENT}/aliases/alias=d", None, 204, None),
    ("GET", f"{CLIENT}/aliases/alias=d", None, 404, "invalid-value"),
    ("PUT", f"{CLIENT}/aliases", aliases(alias("e")), 204, None),
    ("DELETE", f"{CLIENT}/aliases", None, 204, None),
    ("POST", CLIENT, acls(acl("x")), 201, None),
    ("PUT", f"{CLIENT}/acls/acl=y?insert=first", acls(acl("y")), 201, None),
    ("PUT", f"{CLIENT}/acls/acl=z?insert=before&point={POINT}x", acls(acl("z")), 201, None),
    ("POST", f"{CLIENT}/acls?insert=after&point={POINT}y", {f"{MODULE}:acl": [acl("w")]}, 201, None),
    ("PATCH", f"{CLIENT}/acls/acl=x", acls(acl("x", activation="deactivate")), 204, None),
    ("PUT", f"{CLIENT}/acls/acl=x/activation-type", {f"{MODULE}:activation-type": "immediate"}, 204, None),
    ("POST", f"{CLIENT}/acls/acl=x/aces?insert=first", {f"{MODULE}:ace": [RULE | {"name": "r0"}]}, 201, None),
    ("GET", f"{CLIENT}/acls/acl=x/aces", None, 200, "r0"),
    ("DELETE", f"{CLIENT}/acls/acl=x/aces/ace=r0", None, 204, None),
    ("GET", f"{CLIENT}/acls?content=config", None, 200, "forwarding"),
    ("GET", f"{CLIENT}/acls?content=all&depth=3", None, 200, '"y"'),
    ("GET", f"{CLIENT}?fields=acls/acl(name;activation-type)", None, 200, "immediate"),
    ("POST", CLIENT, acls(acl("bad") | {"more": 1}), 400, "unknown-element"),
    ("POST", CLIENT, acls(acl("there", destination="198.51.100.0/24")), 403, "access-denied"),
    ("DELETE", f"{CLIENT}/acls/acl=x", None, 204, None),
    ("DELETE", f"{CLIENT}/acls", None, 204, None),
    ("DELETE", CLIENT, None, 204, None),
    ("GET", CLIENT, None, 404, "invalid-value"),
]


class Nghttp:
    """nghttp with the certificate of a client; it asks for an address, and names the host."""

    def __init__(self, client):
        self.client, self.directory = client, client.directory

    def run(self, flags, method, path, body):
        client = self.client
        command = ["nghttp", *flags, "-H", f":method: {method}", "-H", f":authority: {client.gateway.host}:{client.port}"]
        command += ["--cert", client.certificate.cert, "--key", client.certificate.key]
        if body is not None:
            sent = self.directory / "nghttp.sent"
            sent.write_text(json.dumps(body))
            command += ["-d", sent, "-H", f"content-type: {JSON}"]
        result = run([*command, f"https://{client.gateway.address}:{client.port}{path}"])
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    def ask(self, method, path, body):
        if method == "GET":
            text = self.run([], method, path, body)  # what it prints of an answer beside its body is not JSON
            status = self.run(["-nv"], method, path, body)
        else:
            status = self.run(["-v"], method, path, body)
            line = next(iter(re.findall(r"^\{.*", status, re.M)), "")  # goes on with what nghttp says next
            text = line[: json.JSONDecoder().raw_decode(line)[1]] if line else ""
        found = dict(re.findall(r"recv \(stream_id=\d+\) (:?[\w-]+): (.*)", status))
        answer = Answer(int(found[":status"]), found, text, "2")
        check(self.client, path, answer)
        return answer


@pytest.fixture(params=["curl-h2", "curl-h1", "nghttp"])
def ask(request, make_data_server, make_data_client):
    """ask(method, path, body): the answer, by the tool."""
    server = make_data_server(clients=[client_entry("web", "web.test", limits=LIMITS)])
    client = make_data_client(server, http="1.1" if request.param == "curl-h1" else "2")
    return Nghttp(client).ask if request.param == "nghttp" else client.curl


def test_every_operation(ask):
    for method, path, body, status, has in OPERATIONS:
        answer = ask(method, path, body)
        assert answer.status == status, (method, path, answer)
        assert has is None or has in answer.text, (method, path, answer)


# ---- h2load: it shows no certificate, so what goes between shows that of a client ----


class Between:
    """Takes HTTP/2 without TLS, and passes its bytes on over mutual TLS."""

    def __init__(self, client):
        self.target = client.gateway.address, client.port
        self.host = client.gateway.host
        self.context = ssl.create_default_context(cafile=client.certificate.anchors)
        self.context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13; the test PKI has no key identifiers
        self.context.load_cert_chain(client.certificate.cert, client.certificate.key)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        with near, socket.create_connection(self.target) as plain:
            far = self.context.wrap_socket(plain, server_hostname=self.host)
            far.setblocking(False)
            near.setblocking(False)
            try:
                self.pump(near, far)
            except OSError:
                pass

    @staticmethod
    def pump(near, far):
        waiting = {near: b"", far: b""}  # to be written there
        while True:
            moved = False
            for source, to in ((near, far), (far, near)):
                try:
                    data = source.recv(65536) if len(waiting[to]) < 1 << 20 else None
                    if data == b"":
                        return
                    waiting[to] += data or b""
                    moved = moved or bool(data)
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                try:
                    sent = to.send(waiting[to]) if waiting[to] else 0
                    waiting[to] = waiting[to][sent:]
                    moved = moved or sent > 0
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            if not moved:
                select.select([near, far], [], [], 0.01)


@pytest.fixture
def h2load(make_data_server, make_data_client):
    """h2load(method, path, body, count): {"2xx": ...} of so many requests."""
    server = make_data_server(clients=[client_entry("web", "web.test", limits=LIMITS)])
    client = make_data_client(server)
    between = Between(client)

    def load(method, path, body=None, count=100):
        command = ["h2load", "-n", str(count), "-c", "2", "-m", "8", "-H", f":method: {method}"]
        command += ["-H", f":authority: {server.host}:{client.port}"]
        if body is not None:
            sent = client.directory / "h2load.sent"
            sent.write_text(json.dumps(body))
            command += ["-d", sent, "-H", f"content-type: {JSON}"]
        result = run([*command, f"http://127.0.0.1:{between.port}{path}"])
        out = result.stdout.decode()
        assert result.returncode == 0, out + result.stderr.decode()
        assert f"{count} done" in out and " 0 errored, 0 timeout" in out, out
        found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
        return dict(zip(("2xx", "3xx", "4xx", "5xx"), map(int, found.groups())))

    yield load, client
    between.listener.close()


ALL, NONE = {"2xx": 100, "3xx": 0, "4xx": 0, "5xx": 0}, {"2xx": 0, "3xx": 0, "4xx": 100, "5xx": 0}
ONE = {"2xx": 1, "3xx": 0, "4xx": 99, "5xx": 0}  # of those that exclude each other


def test_every_operation_a_hundred_times_at_once(h2load):
    """What excludes itself is done once; what does not is done each time; nothing is half done, and nothing is 5xx."""
    load, client = h2load
    assert load("POST", DATA, registration()) == ONE
    assert load("PUT", CLIENT, registration()) == ALL
    assert load("PATCH", CLIENT, registration()) == ALL
    for path in ("/restconf", f"{DATA}/capabilities", "/restconf/data/ietf-yang-library:modules-state", DATA, CLIENT):
        assert load("GET", path) == load("HEAD", path) == load("OPTIONS", path) == ALL, path
    for kind, one, many in (("alias", alias("a"), aliases), ("acl", acl("a"), acls)):
        of_kind = f"{CLIENT}/{'aliases' if kind == 'alias' else 'acls'}"
        assert load("POST", CLIENT, many(one)) == ONE
        assert load("PUT", f"{of_kind}/{kind}=a", many(one)) == ALL
        assert load("PATCH", f"{of_kind}/{kind}=a", many(one)) == ALL
        assert load("PUT", of_kind, many(one)) == ALL
        for query in ("", "?content=config", "?content=nonconfig", "?content=all", "?depth=2", f"?fields={kind}(name)"):
            assert load("GET", of_kind + query) == ALL, query
        assert load("GET", f"{of_kind}/{kind}=b") == NONE
    assert load("PUT", f"{CLIENT}/acls/acl=b?insert=first", acls(acl("b"))) == ALL
    assert load("PUT", f"{CLIENT}/acls/acl=b?insert=after&point={POINT}a", acls(acl("b"))) == ALL
    assert [each["name"] for each in client.get("/acls").body[f"{MODULE}:acls"]["acl"]] == ["a", "b"]
    assert load("PUT", f"{CLIENT}/acls/acl=a/activation-type", {f"{MODULE}:activation-type": "deactivate"}) == ALL
    assert load("DELETE", f"{CLIENT}/acls/acl=b") == ONE
    assert load("DELETE", f"{CLIENT}/acls")["5xx"] == load("DELETE", f"{CLIENT}/aliases")["5xx"] == 0
    assert load("DELETE", CLIENT) == ONE
    assert client.get().status == 404
