"""RESTCONF by curl, and what is checked of every response of the data channel."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import urllib.parse
import xml.etree.ElementTree

from processes import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
YANG = ROOT / "gateway/yang/modules"
RESTCONF = ROOT / "tests/schema/restconf"  # of the responses themselves
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


KEYS = {"dots-client": "cuid", "alias": "name", "acl": "name", "ace": "name", "module": "name,revision"}


def whole(path, body):
    """The response, put back in its place in the tree, or trees."""
    if "ietf-restconf:data" in body:
        return body["ietf-restconf:data"]
    if "ietf-restconf:operations" in body:
        return {"ietf-restconf:restconf": {"operations": body["ietf-restconf:operations"], "yang-library-version": "2016-06-21"}}
    if "ietf-restconf:yang-library-version" in body:
        return {"ietf-restconf:restconf": {"yang-library-version": body["ietf-restconf:yang-library-version"]}}
    if "ietf-restconf:restconf" in body:
        return body
    steps = [step for step in path.split("?")[0].removeprefix("/restconf/data").split("/") if step]
    module, _, first = steps[0].partition(":")
    steps[0] = first
    name, value = next(iter(body.items()))
    assert len(body) == 1 and name.startswith(f"{module}:"), body
    name = name.removeprefix(f"{module}:")
    at = len(steps) - 1
    if name in ("aliases", "acls") and steps[at].split("=")[0] in ("alias", "acl"):
        at -= 1  # an entry in its container
    tree = {name: value}
    for step in reversed(steps[:at]):
        step_name, _, key = step.partition("=")
        keys = dict(zip(KEYS[step_name].split(","), (urllib.parse.unquote(each) for each in key.split(",")))) if key else {}
        tree = {step_name: [keys | tree] if key else tree}
    return {f"{module}:{name}": each for name, each in tree.items()}


def yanglint(client, tree, kind, folders, *flags):
    """All modules of the first folder and what they import of the others; kind: data, or get: it is parsed only."""
    assert shutil.which("yanglint"), "yanglint is needed: ./dev deps test"
    file = client.directory / "answer.json"
    file.write_text(json.dumps(tree))
    search = [word for folder in folders for word in ("-p", folder)]
    result = run(["yanglint", *search, *flags, "-t", kind, "-f", "json", *sorted(folders[0].glob("*.yang")), file])
    return None if result.returncode == 0 else f"{result.stderr.decode()}\n{json.dumps(tree, indent=1)}"


def check_whole(client, path, body):
    """Every body with data is that of the schema, this project's and the RFCs'."""
    tree = whole(path, body)
    ours = {name: value for name, value in tree.items() if name.startswith(f"{MODULE}:")}
    rest = {name: value for name, value in tree.items() if name not in ours}
    # 'fields' and 'depth' leave out what is mandatory, and 'when' looks at what was not asked for; so with state alone
    # and within an ACL. Those are parsed: names, places, types and keys are looked at, constraints are not.
    cut = "fields=" in path or "depth=" in path
    partial = cut or "nonconfig" in path or "non-config" in path or re.search(r"/acl=[^/]+/", path)
    if rest:
        state_alone = path.split("?")[0].count("/") > 3  # below a container
        wrong = yanglint(client, rest, "get" if cut or state_alone else "data", [RESTCONF], "-e")
        assert not wrong, f"{path}: {wrong}"
    if not ours:
        return
    wrong = yanglint(client, qualified(ours), "get" if partial else "data", [YANG])
    assert not wrong, f"{path}: {wrong}"
    official = os.environ.get("DOTSGW_OFFICIAL_YANG")  # the modules of the RFCs, where they are to be had
    if official:
        # The RFC's own examples do not pass all constraints of its module: parsed only.
        folder = pathlib.Path(official)
        features = ["-F", "ietf-access-control-list:match-on-ipv4,match-on-ipv6,match-on-eth,ipv4,ipv6,eth"]
        modules = [max(folder.glob(f"{name}@*.yang")) for name in (MODULE, "ietf-access-control-list")]
        file = client.directory / "answer.json"
        result = run(["yanglint", "-p", folder, *features, "-t", "get", "-f", "json", *modules, file])
        assert result.returncode == 0, f"{path}: {result.stderr.decode()}\n{json.dumps(ours, indent=1)}"


def check(client, path, answer):
    """yanglint reads the body of every response: data, state, errors; host-meta is XRD, and the only one that is not
    JSON."""
    kind = answer.headers.get("content-type", "")
    if not answer.text:
        return
    if not kind.startswith(JSON):
        assert kind == "application/xrd+xml" and path.startswith("/.well-known/host-meta"), f"{path}: {kind}"
        (link,) = xml.etree.ElementTree.fromstring(answer.text)
        assert link.attrib == {"rel": "restconf", "href": "/restconf"}
    elif answer.status >= 400:
        assert set(answer.body) == {"ietf-restconf:errors"}
        wrong = yanglint(client, answer.body, "data", [RESTCONF, YANG], "-e", *YANG.glob("ietf-dots*.yang"))
        assert not wrong, f"{path}: {wrong}"
    else:
        check_whole(client, path, answer.body)
