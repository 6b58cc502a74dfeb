"""What is published of the control socket is what the program has."""

import pathlib
import re
import subprocess

import yaml

from control import ADMIN, Control
from processes import program, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = yaml.safe_load((ROOT / "docs" / "admin-api.yaml").read_text())


def routes():
    """{(method, path): members of the body} of the router's table."""
    text = (ROOT / "gateway" / "admin" / "route.c").read_text()
    table = text[text.index("admin_routes[] = {") : text.index("{0},\n};")]
    found = {}
    for row in re.split(r"\{\.method = ", table)[1:]:
        method, path = re.match(r'"(\w+)",\s*\.path = "([^"]+)"', row).groups()
        members = re.search(r"MEMBERS\((.*)\)", row, re.S)
        found[method, path] = set(re.findall(r'"([^"]+)"', members[1])) if members else set()
    return found


def test_api_file_has_the_routes_and_members_of_the_router():
    described = {}
    for path, methods in API["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            described[method.upper(), path] = set(body.get("properties", {}))
    assert described == routes()
    assert len(described) > 12


def test_answers_have_the_described_members(make_server, make_client, pki):
    server = make_server(admin=ADMIN)
    shop = make_client(server, pki.psk("shop"))
    assert shop.put(1, "203.0.113.1/32").code == "2.01"
    control = Control(server)
    for path, name in (("clients", "Client"), ("sessions", "Session"), ("upstreams", "Upstream"), ("bundles", "Bundle")):
        for item in control.json(path)[path]:
            described = API["components"]["schemas"][name]["properties"]
            assert set(item) <= set(described), (path, item)


def test_certificates_are_told_with_their_end(make_relay, make_upstream):
    text = Control(make_relay(make_upstream().start(), admin=ADMIN).start()).text("metrics")
    (end,) = re.findall(r"^dotsgw_certificate_expiry_seconds\{.*\} (\d+)$", text, re.M)
    assert int(end) > 1_700_000_000


def completions(*words):
    script = ROOT / "packaging" / "completion" / "dotsgwctl"
    line = " ".join(f"'{word}'" for word in words)
    code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _dotsgwctl; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", code], capture_output=True, check=True).stdout.decode().split()


def test_completion_has_all_commands():
    usage = run([program("dotsgwctl"), "-h"]).stdout.decode()
    commands = re.findall(r"^  ([a-z-]{3,}) ", usage, re.M)
    assert len(commands) > 14
    assert set(completions("dotsgwctl", "")) - set(commands) == {"-s", "-j", "-y", "-h", "-V"}
    assert completions("dotsgwctl", "-s", "/x", "mit") == ["mitigations", "mitigate", "mitigator-status"]
    assert completions("dotsgwctl", "log-level", "d") == ["debug"]
