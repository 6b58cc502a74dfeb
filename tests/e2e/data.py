"""RESTCONF by curl, and what is checked of every response of the data channel."""

import dataclasses
import json
import os
import pathlib
import re
import shutil

from processes import run

YANG = pathlib.Path(__file__).resolve().parents[2] / "gateway/yang/modules"
MODULE = "ietf-dots-data-channel"
DATA = f"/restconf/data/{MODULE}:dots-data"
JSON = "application/yang-data+json"


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    text: str
    version: str

    @property
    def body(self):
        return json.loads(self.text)

    @property
    def error(self):
        (error,) = self.body["ietf-restconf:errors"]["error"]
        return error

    @property
    def tag(self):
        return self.error["error-tag"]


class DataClient:
    """One client of the data channel: its certificate, its cuid, the version of HTTP it speaks."""

    def __init__(self, gateway, certificate, port, cuid="dz6pHjaADkaFTbjr0JGBpw", http="2", directory=None):
        self.gateway, self.certificate, self.port, self.cuid, self.http = gateway, certificate, port, cuid, http
        self.directory = pathlib.Path(directory)
        self.root = f"{DATA}/dots-client={cuid}"

    def curl(self, method, path, body=None, headers=(), flags=()):
        out = self.directory / "curl.body"
        out.unlink(missing_ok=True)
        command = ["curl", "-sS", "--max-time", "20", "-D", "-", "-o", out, "-X", method, "--path-as-is"]
        command += ["--http2" if self.http == "2" else "--http1.1"]
        command += ["--resolve", f"{self.gateway.host}:{self.port}:{self.gateway.address}"]
        command += ["--cacert", self.certificate.anchors, "--cert", self.certificate.cert, "--key", self.certificate.key]
        if method == "HEAD":
            command += ["-I"]
        if body is not None:
            text = body if isinstance(body, (str, bytes)) else json.dumps(body)
            sent = self.directory / "curl.sent"
            sent.write_bytes(text if isinstance(text, bytes) else text.encode())
            command += ["--data-binary", f"@{sent}", "-H", "Expect:"]
            if not any(header.lower().startswith("content-type") for header in headers):
                command += ["-H", f"Content-Type: {JSON}"]
        for header in headers:
            command += ["-H", header]
        result = run([*command, *flags, f"https://{self.gateway.host}:{self.port}{path}"])
        assert result.returncode == 0, result.stderr.decode()
        head = result.stdout.decode().replace("\r", "").strip().split("\n\n")[-1].split("\n")
        version, status = re.match(r"HTTP/(\S+) (\d+)", head[0]).groups()
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        fields = {name.lower(): value for name, value in fields.items()}
        text = out.read_text() if out.exists() and method != "HEAD" else ""
        assert version.startswith(self.http[0])
        answer = Answer(int(status), fields, text, version)
        check(self, path, answer)
        return answer

    def get(self, path="", **more):
        return self.curl("GET", self.root + path, **more)

    def post(self, path, body, **more):
        return self.curl("POST", self.root + path, body, **more)

    def put(self, path, body, **more):
        return self.curl("PUT", self.root + path, body, **more)

    def patch(self, path, body, **more):
        return self.curl("PATCH", self.root + path, body, **more)

    def delete(self, path="", **more):
        return self.curl("DELETE", self.root + path, **more)

    def register(self, **more):
        return self.curl("POST", DATA, {f"{MODULE}:dots-client": [{"cuid": self.cuid, **more}]})

    def send(self, printed):
        """A request as RFC 8783 prints it, but for the host."""
        head, _, body = printed.partition("\n\n")
        first, *headers = head.strip().split("\n")
        method, path, _ = first.split()
        headers = [header for header in headers if not header.startswith("Host:")]
        return self.curl(method, path, body or None, headers=headers)


def alias(name, *prefixes, **more):
    return {"name": name, "target-prefix": list(prefixes) or ["203.0.113.1/32"], **more}


def acl(name, action="drop", destination="203.0.113.0/24", source="192.0.2.0/24", activation=None):
    match = {"source-ipv4-network": source} | ({"destination-ipv4-network": destination} if destination else {})
    rule = {
        "name": "rule1",
        "matches": {"ipv4": match},
        "actions": {"forwarding": f"ietf-access-control-list:{action}"},
    }
    more = {"activation-type": activation} if activation else {}
    return {"name": name, "type": "ietf-access-control-list:ipv4-acl-type", **more, "aces": {"ace": [rule]}}


def aliases(*entries):
    return {f"{MODULE}:aliases": {"alias": list(entries)}}


def acls(*entries):
    return {f"{MODULE}:acls": {"acl": list(entries)}}


# ---- What every response must be ----


def qualified(value):
    """Identities of RFC 8519 with their module, which RFC 8783 prints without."""
    if isinstance(value, dict):
        return {
            name: f"ietf-access-control-list:{each}"
            if name in ("type", "forwarding") and isinstance(each, str) and re.fullmatch(r"(ipv[46]-acl-type|drop|accept)", each)
            else qualified(each)
            for name, each in value.items()
        }
    return [qualified(each) for each in value] if isinstance(value, list) else value


def whole(path, body):
    """The response, put back in its place in the tree; None: it is no part of it."""
    steps = [step for step in path.split("?")[0].removeprefix("/restconf/data").split("/") if step]
    name, value = next(iter(body.items()))
    if not steps or not steps[0].startswith(f"{MODULE}:dots-data"):
        return None
    name = name.removeprefix(f"{MODULE}:")
    at = len(steps) - 1
    keys = {"dots-client": "cuid", "alias": "name", "acl": "name", "ace": "name"}
    if name in ("aliases", "acls") and steps[at].split("=")[0] in ("alias", "acl"):
        at -= 1  # an entry in its container
    tree = {name: value}
    for step in reversed(steps[:at]):
        step_name, _, key = step.removeprefix(f"{MODULE}:").partition("=")
        tree = {step_name: [{keys[step_name]: key} | tree] if key else tree}
    return {f"{MODULE}:{name}": each for name, each in tree.items()}


def check(client, path, answer):
    """yanglint reads every body as data of the schema; errors have their form."""
    if not answer.text or not answer.headers.get("content-type", "").startswith(JSON):
        return
    body = answer.body
    if answer.status >= 400:
        assert set(body) == {"ietf-restconf:errors"}
        for error in body["ietf-restconf:errors"]["error"]:
            assert error["error-type"] in ("application", "transport") and error["error-tag"]
        return
    tree = whole(path, body)
    if tree is None or "fields=" in path or "depth=" in path:
        return
    assert shutil.which("yanglint"), "yanglint is needed: ./dev deps test"
    file = client.directory / "answer.json"
    file.write_text(json.dumps(qualified(tree)))
    official = os.environ.get("DOTSGW_OFFICIAL_YANG")  # the modules of the RFCs, where they are to be had
    folders = [YANG, pathlib.Path(official)] if official else [YANG]
    for folder in folders:
        modules = [max(folder.glob(f"{name}@*.yang")) for name in (MODULE, "ietf-access-control-list")]
        features = ["-F", "ietf-access-control-list:match-on-ipv4,match-on-ipv6,match-on-eth,ipv4,ipv6,eth"] if folder != YANG else []
        # The RFC's own examples do not pass all constraints of its module: those are parsed only ("get").
        # So is state alone, and what lies inside an ACL: 'when' looks at what was not asked for.
        partial = "nonconfig" in path or "non-config" in path or re.search(r"/acl=[^/]+/", path)
        kind = ["-t", "get"] if folder != YANG or partial else ["-t", "data"]
        modules += list(folder.glob("dotsgw-*.yang"))
        result = run(["yanglint", "-p", folder, *features, *kind, "-f", "json", *modules, file])
        assert result.returncode == 0, f"{path}: {result.stderr.decode()}\n{json.dumps(tree, indent=1)}"
