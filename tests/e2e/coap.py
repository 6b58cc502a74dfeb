"""CoAP written by hand (RFC 7252, RFC 8323) over `openssl s_client`: what no proper client would send."""

import contextlib
import enum
import secrets
import select
import socket
import subprocess
import time

import dots
from pki import Psk
from processes import openssl, spawn

GET, PUT, DELETE = 1, 3, 4
CON, NON, ACK, RST = range(4)
CHANGED = 0x44
CSM = 0xE1
MAX_MESSAGE_SIZE = 2  # option of a CSM
SLICE = 1024
ROOT = (".well-known", "dots")
MITIGATE = ROOT + ("mitigate",)
CONFIG = ROOT + ("config",)
HEARTBEAT = ROOT + ("hb",)


class Option(enum.IntEnum):
    IF_MATCH = 1
    ETAG = 4
    OBSERVE = 6
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    HOP_LIMIT = 16
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28


def uint(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def block(number, more, size):
    return uint(number << 4 | more << 3 | size.bit_length() - 5)


class Message:
    """A request, response or empty message; options are (number, bytes) in the order of their numbers."""

    def __init__(self, code, options=(), payload=b"", token=b"", kind=NON, mid=0):
        self.code, self.payload, self.token, self.kind, self.mid = code, payload, token, kind, mid
        self.options = sorted(options, key=lambda option: option[0])

    def values(self, number):
        return [value for key, value in self.options if key == number]

    def number(self, option):
        """The value of an option that is a number; None when it is not there."""
        values = self.values(option)
        return int.from_bytes(values[0], "big") if values else None

    @property
    def text(self):
        """The code as the RFCs write it."""
        return f"{self.code >> 5}.{self.code & 31:02}"

    @property
    def reason(self):
        return "" if self.values(Option.CONTENT_FORMAT) else self.payload.decode(errors="replace")

    @property
    def body(self):
        assert self.number(Option.CONTENT_FORMAT) == dots.CONTENT_FORMAT, self
        return dots.decode(self.payload)

    @property
    def scopes(self):
        return self.body["ietf-dots-signal-channel:mitigation-scope"]["scope"]

    def __repr__(self):
        return f"<{self.text} {self.reason or self.payload.hex()}>"

    # ---- On the wire ----

    def _rest(self):
        out, last = b"", 0
        for number, value in self.options:
            nibbles, extended = 0, b""
            for shift, size in ((4, number - last), (0, len(value))):
                nibble = size if size < 13 else 13 if size < 269 else 14
                nibbles |= nibble << shift
                extended += (b"", (size - 13).to_bytes(1, "big"))[1] if nibble == 13 else b""
                extended += (size - 269).to_bytes(2, "big") if nibble == 14 else b""
            out += bytes([nibbles]) + extended + value
            last = number
        return out + (b"\xff" + self.payload if self.payload else b"")

    def datagram(self):
        head = bytes([0x40 | self.kind << 4 | len(self.token), self.code]) + self.mid.to_bytes(2, "big")
        return head + self.token + self._rest()

    def frame(self):
        rest = self._rest()
        size, extended = len(rest), b""
        nibble = size if size < 13 else 13 if size < 269 else 14
        if nibble == 13:
            extended = (size - 13).to_bytes(1, "big")
        elif nibble == 14:
            extended = (size - 269).to_bytes(2, "big")
        return bytes([nibble << 4 | len(self.token)]) + extended + bytes([self.code]) + self.token + rest

    def _parse_rest(self, data):
        last = 0
        while data and data[0] != 0xFF:
            sizes, data = [data[0] >> 4, data[0] & 15], data[1:]
            for i in range(2):
                if sizes[i] == 13:
                    sizes[i], data = data[0] + 13, data[1:]
                elif sizes[i] == 14:
                    sizes[i], data = int.from_bytes(data[:2], "big") + 269, data[2:]
            last += sizes[0]
            self.options.append((last, data[: sizes[1]]))
            data = data[sizes[1] :]
        self.payload = data[1:]
        return self

    @classmethod
    def from_datagram(cls, data):
        length = data[0] & 15
        message = cls(data[1], token=data[4 : 4 + length], kind=data[0] >> 4 & 3, mid=int.from_bytes(data[2:4], "big"))
        return message._parse_rest(data[4 + length :])

    @classmethod
    def from_stream(cls, data):
        """(message, what is left), or (None, data) when it is not whole yet."""
        if not data:
            return None, data
        size, at, length = data[0] >> 4, 1, data[0] & 15
        extra = {13: (1, 13), 14: (2, 269), 15: (4, 65805)}.get(size)
        if extra:
            size, at = int.from_bytes(data[1 : 1 + extra[0]], "big") + extra[1], 1 + extra[0]
        end = at + 1 + length + size
        if len(data) < end:
            return None, data
        message = cls(data[at], token=data[at + 1 : at + 1 + length])
        return message._parse_rest(data[at + 1 + length : end]), data[end:]


class Channel:
    """Messages through an openssl program, whose standard input and output are a socket pair: it keeps datagrams apart."""

    def __init__(self, arguments, transport):
        self.stream = transport == "tcp"
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM if self.stream else socket.SOCK_SEQPACKET)
        with theirs:
            self.popen = spawn([openssl(), *arguments], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        self.rest = b""

    def send(self, message):
        self.send_bytes(message.frame() if self.stream else message.datagram())

    def send_bytes(self, data):
        with contextlib.suppress(BrokenPipeError):  # the session has ended: so nothing comes back
            self.socket.sendall(data)

    def receive(self, seconds=10):
        """The next message; None when none comes in time, or the session ended."""
        end = time.monotonic() + seconds
        while True:
            if self.stream:
                message, self.rest = Message.from_stream(self.rest)
                if message:
                    return message
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.rest += data
            # s_client reads 1024 bytes of a record at a time: what is as long as that may go on.
            if not self.stream and not (len(data) == SLICE and select.select([self.socket], [], [], 0.1)[0]):
                whole, self.rest = self.rest, b""
                return Message.from_datagram(whole)


class Session(Channel):
    """One (D)TLS session with a server, held by `openssl s_client`."""

    def __init__(self, gateway, credentials, transport="udp", *flags):
        version = ["-dtls1_2"] if transport == "udp" else [] if "-tls1_3" in flags else ["-tls1_2"]
        argv = ["s_client", "-quiet", "-nocommands", "-no_ign_eof", "-connect", target(gateway)]
        super().__init__([*argv, *version, *credential_flags(credentials), *flags], transport)
        self.next_mid = secrets.randbelow(65536)
        self.heard = []  # what came and was no response somebody waited for
        if self.stream:
            self.send(Message(CSM))

    def ended(self, seconds=10):
        """True when the peer ends the session in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.receive(0.1)
            if message:
                self.heard.append(message)
            elif self.popen.poll() is not None:
                return True
        return False

    def request(self, method, path, payload=b"", options=(), kind=CON, content_format=dots.CONTENT_FORMAT, seconds=10):
        """Sends one request and returns its response, or None. Path segments are texts or bytes."""
        path = [(Option.URI_PATH, part if isinstance(part, bytes) else part.encode()) for part in path]
        if payload and content_format is not None:
            path.append((Option.CONTENT_FORMAT, uint(content_format)))
        self.next_mid = self.next_mid + 1 & 0xFFFF
        message = Message(method, [*path, *options], payload, secrets.token_bytes(4), kind, self.next_mid)
        self.send(message)
        return self.response(message.token, seconds)

    def response(self, token, seconds=10):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            message = self.receive(left)
            if message is None:
                return None
            if not self.stream and message.kind == CON:
                self.send(Message(0, kind=ACK, mid=message.mid))
            if message.token == token and message.code >= 0x40 and message.code < 0xC0:
                return message
            self.heard.append(message)
        return None

    def heartbeat(self, seconds=10):
        """The next heartbeat request of the peer, whose answer is up to the caller; None when none comes in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            message = self.receive(left)
            if message is None:
                return None
            path = tuple(value.decode() for value in message.values(Option.URI_PATH))
            if message.code == PUT and path == HEARTBEAT:
                return message
            self.heard.append(message)
        return None

    def answer(self, request, code=CHANGED):
        """An empty response to a request of the peer."""
        kind = ACK if request.kind == CON and not self.stream else NON
        self.next_mid = self.next_mid + 1 & 0xFFFF
        self.send(Message(code, token=request.token, kind=kind, mid=request.mid if kind == ACK else self.next_mid))

    def put(self, cuid, mid, payload, **more):
        return self.request(PUT, (*MITIGATE, f"cuid={cuid}", f"mid={mid}"), payload, **more)

    def get(self, cuid, mid=None, **more):
        return self.request(GET, (*MITIGATE, f"cuid={cuid}", *([f"mid={mid}"] if mid is not None else [])), **more)

    def delete(self, cuid, mid, **more):
        return self.request(DELETE, (*MITIGATE, f"cuid={cuid}", f"mid={mid}"), **more)

    def close(self):
        """In order, with close_notify; without, when it takes too long."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        try:
            self.popen.wait(2)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.socket.close()

    def vanish(self):
        """Without a word."""
        self.popen.kill()
        self.popen.wait()
        self.socket.close()


def target(gateway):
    address = f"[{gateway.address}]" if ":" in gateway.address else gateway.address
    return f"{address}:{gateway.port}"


def credential_flags(credentials):
    if credentials is None:
        return []
    if isinstance(credentials, Psk):
        return ["-cipher", "PSK", "-psk_identity", credentials.identity, "-psk", credentials.key.hex()]
    return ["-cert", credentials.cert, "-key", credentials.key, "-CAfile", credentials.anchors]
