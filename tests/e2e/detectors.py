"""Detectors, as programs that report attacks: over HTTPS with a token or a certificate, or over the control socket."""

import http.client
import json
import secrets
import socket
import ssl

from fixtures import AT_ONCE
from pki import write_private

PORT = 9647
TARGETS = ["203.0.113.0/24", "2001:db8:6401::/48"]
RULE = {"name": "flood", "when": [{"pps": 1000}], "hold": "0s", "release-after": "0s"}


class Detector:
    """One of them. Without a token and a certificate it is nobody."""

    def __init__(self, gateway, anchors, token=None, certificate=None):
        self.gateway, self.token = gateway, token
        self.context = ssl.create_default_context(cafile=anchors)
        self.context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13; the test PKI has no key identifiers
        if certificate:
            self.context.load_cert_chain(certificate.cert, certificate.key)

    def request(self, method, path, body=b"", headers=()):
        """(status, headers, JSON)"""
        connection = http.client.HTTPSConnection(self.gateway.host, PORT, context=self.context, timeout=20)
        connection.sock = self.context.wrap_socket(self._connect(), server_hostname=self.gateway.host)
        try:
            fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            connection.request(method, path, body, fields | dict(headers))
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def _connect(self):
        return socket.create_connection((self.gateway.address, PORT), timeout=20)

    def post(self, body, path="/attacks"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = self.request("POST", path, data)
        return status, answer

    def report(self, target, **members):
        """A report that is taken; what the answer says."""
        members = {name.replace("_", "-"): value for name, value in members.items()}
        status, answer = self.post({"target": target} | members)
        assert status in (200, 202), (status, answer)
        return answer


def sections(gateway, rules=(RULE,), detectors=None, tokens=(), **admin):
    """Configuration of a gateway with a detectors' port. tokens: (name, token) by turns, into its tokens-file."""
    write_tokens(gateway, *tokens)
    port = {"listen": f"{gateway.address}:{PORT}", "tokens-file": "tokens"}
    return {
        "admin": {"socket": "admin.sock", "detectors": port} | admin,
        "detectors": detectors or [{"name": "fnm", "targets": TARGETS}],
        "attack_rules": list(rules),
        "active_but_terminating": AT_ONCE,
    }


def write_tokens(gateway, *tokens):
    file = gateway.directory / "tokens"
    file.unlink(missing_ok=True)
    write_private(file, "".join(f"{name} {token}\n" for name, token in tokens).encode())


def token():
    return secrets.token_hex(32)
