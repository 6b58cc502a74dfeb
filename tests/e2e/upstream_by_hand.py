"""A DOTS server written by hand over `openssl s_server`: it answers what a test wants, also what it must not."""

import contextlib
import select
import socket
import threading
import time

import dots
import network
from coap import ACK, CHANGED, CON, CSM, GET, NON, PUT, Channel, Message, Option, uint
from waiting import wait_for

CREATED, CONTENT, DELETED, NOT_FOUND = 0x41, 0x45, 0x42, 0x84
FORMAT = [(Option.CONTENT_FORMAT, uint(dots.CONTENT_FORMAT))]


def values(current):
    return {name: {"max-value": 3600, "min-value": 0, "current-value": value} for name, value in current.items()}


def decimals(hundredths):
    return {
        "max-value-decimal": dots.decimal(hundredths * 10),
        "min-value-decimal": dots.decimal(100),
        "current-value-decimal": dots.decimal(hundredths),
    }


SET = values({"heartbeat-interval": 30, "missing-hb-allowed": 15, "probing-rate": 5, "max-retransmit": 3})
SET |= {"ack-timeout": decimals(200), "ack-random-factor": decimals(150)}
CONFIGURATION = dots.encode({"ietf-dots-signal-channel:signal-config": {"mitigating-config": SET, "idle-config": SET}})


class Request:
    """What the gateway asked, and when."""

    def __init__(self, message):
        self.message = message
        self.at = time.monotonic()
        self.path = [value.decode() for value in message.values(Option.URI_PATH)]
        self.resource = self.path[2] if len(self.path) > 2 else ""
        self.observe = message.number(Option.OBSERVE)

    def answer(self, code, payload=b"", options=()):
        options = [*options, *(FORMAT if payload else [])]
        kind = ACK if self.message.kind == CON else NON
        return Message(code, options, payload, self.message.token, kind, self.message.mid)


class HandUpstream(Channel):
    """Takes one session. `rules` maps (method, resource) to a function of a Request that returns messages to send."""

    def __init__(self, certificate, transport="udp", host="hand.test"):
        self.host, self.address, self.port = host, network.loopback(), network.PORT
        argv = ["s_server", "-quiet", "-accept", f"{self.address}:{self.port}", "-naccept", "1"]
        argv += ["-dtls1_2"] if transport == "udp" else ["-tls1_2"]
        argv += ["-cert", certificate.cert, "-key", certificate.key, "-CAfile", certificate.anchors, "-Verify", "1"]
        super().__init__(argv, transport)
        self.next_mid = 1
        self.requests, self.responses, self.faults = [], [], []
        self.rules = {
            (PUT, "hb"): lambda request: [request.answer(CHANGED)],
            (GET, "config"): lambda request: [request.answer(CONTENT, CONFIGURATION)],
            (PUT, "config"): lambda request: [request.answer(CREATED)],
            (PUT, "mitigate"): lambda request: [request.answer(CREATED, self.granted(request))],
            (GET, "mitigate"): lambda request: [request.answer(NOT_FOUND)],
            (4, "mitigate"): lambda request: [request.answer(DELETED)],
        }
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        wait_for(self._listening, "openssl s_server to listen")

    def _listening(self):
        """Bound: nobody else can be."""
        return self.popen.poll() is not None or not network.free(socket.AF_INET, self.address, self.port)

    def server_entry(self):
        return {"host": self.host, "port": self.port, "addresses": [self.address]}

    @staticmethod
    def mid_of(request):
        return int(next(part for part in request.path if part.startswith("mid="))[4:])

    def granted(self, request, **more):
        return dots.encode(dots.mitigation({"mid": self.mid_of(request), "lifetime": 3600} | more))

    def _run(self):
        try:
            while not self.stopping:
                if not self.rest and not select.select([self.socket], [], [], 0.05)[0]:
                    continue
                message = self.receive(0.05)
                if message is None:
                    continue
                if message.code == CSM:
                    self.send(Message(CSM))
                elif 0 < message.code < 0x20:
                    self._answer(Request(message))
                elif message.code:
                    self.responses.append(message)
        except Exception as fault:  # told to the test at its end
            self.faults.append(fault)

    def _answer(self, request):
        self.requests.append(request)
        rule = self.rules.get((request.message.code, request.resource))
        for message in rule(request) if rule else []:
            self.send(message)

    def asked(self, method, resource, observe=False):
        """The requests of this kind so far."""
        return [
            request
            for request in list(self.requests)
            if (request.message.code, request.resource) == (method, resource) and (request.observe == 0) == observe
        ]

    def wait_asked(self, method, resource, count=1, observe=False, deadline=15):
        def enough():
            found = self.asked(method, resource, observe)
            return len(found) >= count and found

        return wait_for(enough, lambda: f"{count} of {method} {resource}; {self.requests}", deadline)

    def notify(self, request, sequence, **scope):
        """A notification to the observation that this GET registered."""
        self.next_mid = self.next_mid + 1 & 0xFFFF
        body = dots.encode(dots.mitigation({"mid": self.mid_of(request), "lifetime": 3600} | scope))
        options = [*FORMAT, (Option.OBSERVE, uint(sequence))]
        self.send(Message(CONTENT, options, body, request.message.token, NON, self.next_mid))

    def close(self):
        self.stopping = True
        self.thread.join(5)
        self.popen.kill()
        self.popen.wait()
        with contextlib.suppress(OSError):
            self.socket.close()
        assert not self.faults, self.faults
