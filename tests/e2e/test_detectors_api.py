"""What is published of the detectors' port (docs/detectors-api.yaml) is what the server has."""

import pathlib
import re

import pytest
import yaml

import detectors
from detectors import RULE, TARGETS, Detector
from fixtures import standard_clients

jsonschema = pytest.importorskip("jsonschema")

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = yaml.safe_load((ROOT / "docs" / "detectors-api.yaml").read_text())
ONE, TWO = "203.0.113.1", "203.0.113.2"
TOKEN = detectors.token()
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def resolve(node):
    while "$ref" in node:
        target = API
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check(schema, value):
    """ValidationError: value is not what schema describes."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": API["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def content(node):
    """Media type and what is in it."""
    (found,) = resolve(node)["content"].items()
    return found


class Described(Detector):
    """Every answer is held to the description."""

    def request(self, method, path, body=b"", headers=()):
        status, fields, answer = super().request(method, path, body, headers)
        operation = API["paths"].get(path, {}).get(method.lower(), {"responses": {}})
        if method == "HEAD":
            return status, fields, answer
        response = resolve(operation["responses"].get(str(status)) or API["components"]["responses"]["Http"])
        kind, described = content(response)
        assert fields["Content-Type"] == kind, (method, path, status)
        check(described["schema"], answer)
        for name, field in response.get("headers", {}).items():
            assert name in fields or not field["required"], (status, name)
        self.seen.add((path, status))
        return status, fields, answer

    seen = set()


@pytest.fixture
def make_described(make_gateway, pki):
    def make(name="server", rules=(RULE,), who=None, **more):
        server = make_gateway(name, clients=standard_clients(pki), mitigators=[{"name": "o", "driver": "notify"}])
        server.configure(**detectors.sections(server, rules=rules, detectors=who, tokens=[("fnm", TOKEN)]) | more)
        server.start()
        return Described(server, pki.authority.file, TOKEN)

    return make


def alert(target, **labels):
    return {"version": "4", "alerts": [{"status": "firing", "labels": {"target": target} | labels}]}


def bodies(target):
    """A body for each path."""
    return {"/attacks": {"target": target, "pps": 1000}, "/attacks/alertmanager": alert(target, pps="1000")}


def test_paths_and_methods_are_those_of_the_port(make_described):
    port = make_described()
    text = (ROOT / "gateway" / "detectors" / "port.c").read_text()
    assert set(API["paths"]) == set(re.findall(r'#define PATH_\w+ "([^"]+)"', text))
    for path, methods in API["paths"].items():
        for method in METHODS:
            status, fields, _ = port.request(method, path, b"{}")
            if method.lower() in methods:
                assert status == 400, (method, path)
            else:
                assert (status, fields["Allow"]) == (405, ", ".join(each.upper() for each in methods)), (method, path)
        assert port.request("POST", f"{path}/x", b"{}")[0] == 404


def test_members_are_those_of_the_decoder():
    text = (ROOT / "gateway" / "attack" / "report.c").read_text()
    (table,) = re.findall(r"attack_members\[\] = \{(.*?)\}", text, re.S)
    assert set(re.findall(r'"([^"]+)"', table)) - {"detector"} == set(API["components"]["schemas"]["Report"]["properties"])


def test_examples_are_good_and_taken(make_described):
    port = make_described(rules=[RULE | {"narrow": True}])
    for number, (path, methods) in enumerate(API["paths"].items()):
        described = methods["post"]["requestBody"]["content"]["application/json"]
        check(described["schema"], described["example"])
        status, answer = port.post(described["example"], path)
        assert (status, answer["noted"]) == ((200, 202)[number], 1), "the second tells of the same attack"


# Bodies at the edge of what is described, and whether they are good: the server and the description agree.
EDGES = [
    ({"target": ONE}, True),
    ({"target": "203.0.113.0/28", "pps": 0, "bps": 1.5, "connections": 1e15, "sources": 2, "ended": False}, True),
    ({"target": ONE, "target-protocol": [0, 255], "target-port-range": [{"lower-port": 0, "upper-port": 65535}]}, True),
    ({"target": ONE, "target-protocol": [6] * 16, "target-port-range": [{"lower-port": 1}] * 16}, True),
    ({}, False),
    ([], False),
    ({"target": 7}, False),
    ({"target": ONE, "detectors": "fnm"}, False),
    ({"target": ONE, "pps": -1}, False),
    ({"target": ONE, "pps": "1"}, False),
    ({"target": ONE, "ended": 1}, False),
    ({"target": ONE, "target-protocol": []}, False),
    ({"target": ONE, "target-protocol": [256]}, False),
    ({"target": ONE, "target-protocol": [6] * 17}, False),
    ({"target": ONE, "target-port-range": []}, False),
    ({"target": ONE, "target-port-range": [{"upper-port": 1}]}, False),
    ({"target": ONE, "target-port-range": [{"lower-port": 1, "colour": 1}]}, False),
    ({"target": ONE, "target-port-range": [{"lower-port": 65536}]}, False),
    ({"target": ONE, "target-port-range": [{"lower-port": 1}] * 17}, False),
]
WEBHOOKS = [
    ({"version": "4", "alerts": []}, True),
    (alert(ONE, protocol="udp", port="53", pps="NaN") | {"receiver": "x", "truncatedAlerts": 0}, True),
    ({"version": "4", "alerts": [{"status": "resolved", "labels": {"target": ONE}, "annotations": {"pps": "1"}}]}, True),
    ({"version": "3", "alerts": []}, False),
    ({"alerts": []}, False),
    ({"version": "4"}, False),
    ({"version": "4", "alerts": {}}, False),
    ({"version": "4", "alerts": [{"labels": {"target": ONE}}]}, False),
    ({"version": "4", "alerts": [{"status": "over", "labels": {"target": ONE}}]}, False),
    ({"version": "4", "alerts": [{"status": "firing", "labels": {}}]}, False),
    ({"version": "4", "alerts": [{"status": "firing"}]}, False),
    ({"version": "4", "alerts": [{}] * 1025}, False),
]


@pytest.mark.parametrize("path, cases", [("/attacks", EDGES), ("/attacks/alertmanager", WEBHOOKS)])
def test_server_and_description_agree_on_bodies(make_described, path, cases):
    port = make_described(who=[{"name": "fnm", "targets": TARGETS, "requests-per-second": 1000}])
    schema = API["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for body, good in cases:
        assert (port.post(body, path)[0] in (200, 202)) == good, body
        if good:
            check(schema, body)
        else:
            with pytest.raises(jsonschema.ValidationError):
                check(schema, body)


@pytest.mark.parametrize("path", list(API["paths"]))
def test_every_described_answer_is_given(make_described, make_client, pki, path):
    """And in the described form, which Described looks at."""
    Described.seen.clear()
    full = make_described("full", who=[{"name": "fnm", "targets": TARGETS, "targets-max": 1}])
    assert full.post(bodies(ONE)[path], path)[0] == 200
    assert full.post(bodies(ONE)[path], path)[0] == 202
    assert full.post(bodies(TWO)[path], path)[0] == 429
    assert full.post(b"{", path)[0] == 400
    assert full.post(bodies("198.51.100.1")[path], path)[0] == 403
    assert full.request("POST", path, b"", {"Content-Length": "2000000"}.items())[0] == 413
    assert Described(full.gateway, pki.authority.file).post(bodies(ONE)[path], path)[0] == 401
    for name, status, settings in (("asked", 409, {"conflicts": "reject"}), ("crowded", 503, {"limits": {"mitigations": 1}})):
        port = make_described(name, **settings)
        assert make_client(port.gateway, pki.psk("shop")).put(1, f"{ONE}/32").code == "2.01"
        assert port.post(bodies(ONE)[path], path)[0] == status
    described = {int(status) for status in API["paths"][path]["post"]["responses"] if status != "default"}
    assert described == {status for seen, status in Described.seen if seen == path}


def test_ways_to_show_who_one_is():
    kinds = {each["type"] for each in API["components"]["securitySchemes"].values()}
    assert kinds == {"http", "mutualTLS"}
    assert {name for each in API["security"] for name in each} == set(API["components"]["securitySchemes"])
