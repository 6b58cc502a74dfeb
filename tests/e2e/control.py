"""dotsgwctl, run as an operator would, and the control socket by hand."""

import json
import socket

from processes import Process, program, run
from waiting import wait_for

ADMIN = {"socket": "admin.sock"}


class Control:
    def __init__(self, gateway):
        self.gateway = gateway
        self.socket = gateway.directory / "admin.sock"

    def run(self, *arguments, **options):
        return run([program("dotsgwctl"), "-s", self.socket, *arguments], **options)

    def text(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode()

    def json(self, *arguments):
        return json.loads(self.text("-j", *arguments))

    def refusal(self, *arguments):
        """Exit code and what is said on standard error."""
        done = self.run(*arguments)
        assert done.returncode != 0, (arguments, done.stdout.decode())
        return done.returncode, done.stderr.decode()

    def mitigations(self, *arguments):
        return self.json("mitigations", *arguments)["mitigations"]

    def watch(self, *flags):
        directory = self.gateway.directory
        watching = Process(
            [program("dotsgwctl"), "-s", self.socket, *flags, "watch"],
            directory / f"watch.out{''.join(flags)}",
            directory / "watch.err",
        )
        wait_for(lambda: "watching" in watching.out, lambda: f"the stream: {watching.err}")
        return watching

    def raw(self, data):
        """What the socket answers to these bytes, until it is closed or the answer is whole."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(self.socket))
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while part := sock.recv(65536):
                answer += part
            return answer

    def request(self, method, path, body=b""):
        """(status, JSON) of a request by hand."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        answer = self.raw(head.encode() + body)
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(rest)
