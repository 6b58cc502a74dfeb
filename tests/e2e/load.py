"""Many DOTS clients in one process: the program dots_load, its commands and what it says."""

import ipaddress
import json
import os
import select
import subprocess
import time

from client import MODULE
from gateway import client_entry
from processes import program, sanitizer_report, spawn


def prefix_of(session, number):
    """The numberth address that a session may ask to protect."""
    return str(ipaddress.IPv6Network(f"2001:db8:{session:x}::{number:x}/128"))


def load_entries(psk, sessions, **more):
    """Entries of `clients` for the sessions of a load: each its own PSK identity, all the same key."""
    entries = []
    for session in range(sessions):
        entry = client_entry(f"load{session}")
        entry["identities"] = [psk.config() | {"psk": f"load{session}"}]
        entry["scopes"] = {"prefixes": [f"2001:db8:{session:x}::/48"]}
        entry["limits"] = {"mitigations": 10000, "requests-per-second": 100000}
        entries.append(entry | more)
    return entries


NO_LIMITS = {"handshakes": 100000, "handshakes-per-source": 100000, "requests-per-source": 1000000}


class Load:
    """The sessions 0 to `sessions` - 1, their cuids "load0", "load1", ..."""

    def __init__(self, directory, through, psk, sessions, transport="udp", flags=()):
        """through: a Gateway, or a LossyPath to one."""
        self.sessions = sessions
        self.err = directory / "load.err"
        arguments = [program("tests/dots_load"), "-s", f"{through.host}:{through.port}", "-a", through.address]
        arguments += ["-K", psk.file, "-n", sessions, "-T", transport, *flags]
        with self.err.open("wb") as err:
            self.process = spawn(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
        self._poll = select.poll()
        self._poll.register(self.process.stdout, select.POLLIN)
        self._buffer = b""
        self._events = []

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def put(self, session, mid, *prefixes, lifetime=3600):
        self.say("put", session, mid, lifetime, ",".join(prefixes))

    def _read(self, seconds):
        if not self._poll.poll(max(0, seconds) * 1000):
            return
        data = os.read(self.process.stdout.fileno(), 65536)
        assert data, f"dots_load has ended: {self.err.read_text()}"
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._events += map(json.loads, lines)

    def next(self, deadline):
        """The next event; None when there is none until the deadline (time.monotonic())."""
        while not self._events:
            left = deadline - time.monotonic()
            self._read(left)
            if left <= 0 and not self._events:
                return None
        return self._events.pop(0)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.stdout.read()
        status = self.process.wait(20)
        text = self.err.read_text()
        assert status == 0 and not text, f"dots_load ended with {status}: {sanitizer_report(text) or text}"


def scopes_of(event):
    """The mitigations in the answer to a get."""
    return event["body"][MODULE + "mitigation-scope"]["scope"] if "body" in event else []
