"""libcoap's coap-client-openssl (Debian's libcoap3-bin): one request each time."""

import dataclasses
import re
import shutil

import coap
import dots
from pki import Psk
from processes import run

PROGRAM = "coap-client-openssl"

# libcoap 4.3.1 and 4.3.4 print what they receive at -v 7, and before it what they send:
# "v:1 t:ACK c:2.01 i:5d5d {01} [ Content-Format:271 ] :: binary data length 14"; over TLS "v:TLS c:2.01 {01} ..."
# An error's payload goes to standard error after its code.
REASON = re.compile(r"^[45]\.\d\d (.*)$", re.M)
RECEIVED = re.compile(r"^v:\w+ (?:t:(\w+) )?c:(\d\.\d\d) (?:i:\w+ )?\{\w*\} \[ ?(.*?) ?\](?: ::|$)", re.M)


def available():
    return shutil.which(PROGRAM) is not None


@dataclasses.dataclass
class Answer:
    code: str
    kind: str  # CON, NON, ACK; None over TLS
    options: str  # as the client prints them
    payload: bytes
    reason: str  # the diagnostic payload of an error

    @property
    def body(self):
        return dots.decode(self.payload)

    @property
    def scopes(self):
        return self.body["ietf-dots-signal-channel:mitigation-scope"]["scope"]


class CoapClient:
    """Towards one gateway; transport udp is coaps://, tcp is coaps+tcp://."""

    def __init__(self, gateway, credentials, transport, directory):
        self.gateway, self.credentials, self.directory = gateway, credentials, directory
        self.scheme = {"udp": "coaps", "tcp": "coaps+tcp"}[transport]
        self.count = 0

    def request(self, method, path, body=None, flags=()):
        """The answer, or None when there was none. flags as on its command line."""
        self.count += 1
        out, sent = (self.directory / f"coap-{self.count}.{end}" for end in ("out", "body"))
        argv = [PROGRAM, "-v", "7", "-m", method, "-B", "10", "-o", out]
        if isinstance(self.credentials, Psk):
            argv += ["-u", self.credentials.identity, "-k", self.credentials.key.decode()]
        else:
            argv += ["-c", self.credentials.cert, "-j", self.credentials.key, "-C", self.credentials.anchors]
        if body is not None:
            sent.write_bytes(body)
            argv += ["-t", str(dots.CONTENT_FORMAT), "-f", sent]
        done = run([*argv, *flags, f"{self.scheme}://{coap.target(self.gateway)}/{'/'.join(path)}"])
        text = (done.stdout + done.stderr).decode(errors="replace")
        answers = [found for found in RECEIVED.findall(text) if found[1][0] in "245"]
        if not answers:
            return None
        kind, code, options = answers[-1]
        reasons = REASON.findall(text)
        payload = out.read_bytes() if out.exists() else b""
        return Answer(code, kind or None, options, payload, reasons[-1] if reasons else "")
