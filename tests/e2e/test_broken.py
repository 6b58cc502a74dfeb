"""dotsgw -t on configurations with one fault each: refused with file, line, column and what to write instead."""

import base64
import re
import shutil

import pytest

from processes import program, run

GOOD = """\
gateway:
  name: gw.example.com
  domain-side: client
  state-dir: state
  hop-limit: 16
tls:
  certificate: gw.pem
  private-key: gw.key
  trust-anchors: ca.pem
  ticket-keys-file: tickets
listeners:
  - { address: 127.0.0.1, port: 4646, transports: [udp, tcp] }
clients:
  - name: web
    identities: [ { san: web.example.com }, { psk: web1, key-file: web1.psk } ]
    scopes: { prefixes: [203.0.113.0/24], fqdns: ["*.example.com"] }
    limits: { mitigations: 64, max-lifetime: 24h }
upstreams:
  - name: isp
    servers: [ { host: dots.isp.example, port: 4646, addresses: [192.0.2.10] } ]
    identity: gateway
    owns: [203.0.113.0/24]
fan-out: all
response-wait: 1s
session-config: { heartbeat-interval: { min: 15, max: 240, current: 30 } }
status-interval: 15s
admin: { detectors: { listen: "127.0.0.1:9647", tokens-file: tokens } }
detectors:
  - { name: fnm, targets: [203.0.113.0/24] }
attack-rules:
  - { name: flood, detectors: [fnm], when: [ { pps: 100k, sources: 50 } ], hold: 10s, lifetime: 15m }
log: { level: info, format: text }
"""

# What of the good file is replaced, by what (^ stands where the fault is), and a part of the sentence.
FAULTS = [
    ("gateway:\n", "^gatway:\n", 'did you mean "gateway"'),
    ("  name: gw.example.com", "  ^nam: gw.example.com", 'did you mean "name"'),
    ("name: gw.example.com", "name: ^my gateway", "name of 1 to 42 ASCII characters without spaces"),
    ("name: gw.example.com", "name: ^[gw]", "found a list"),
    ("domain-side: client", "domain-side: ^customer", "expected client or server"),
    ("hop-limit: 16", "hop-limit: ^0", "integer from 1 to 255"),
    ("hop-limit: 16", "hop-limit: ^256", "integer from 1 to 255"),
    ("hop-limit: 16", "hop-limit: ^'16'", "integer from 1 to 255"),
    ("hop-limit: 16", "hop-limit: 16\n  ^hop-limit: 17", "given twice, first in line 5: remove one"),
    ("hop-limit: 16", "user: ^a b", "user: expected name of 1 to 32"),
    ("hop-limit: 16", "seccomp: ^sometimes", "seccomp: expected true or false"),
    ("  state-dir: state\n", "", "state-dir is missing here"),
    ("certificate: gw.pem", "certificate: ^gone.pem", "cannot be read: No such file or directory"),
    ("private-key: gw.key", "private-key: ^ca.key", "is not the key of"),
    ("trust-anchors: ca.pem", "trust-anchors: ^gw.key", "PEM"),
    ("  private-key: gw.key\n", "", "private-key"),
    ("ticket-keys-file: tickets", "ticket-keys-file: ^gone", "cannot be read: No such file or directory"),
    ("ticket-keys-file: tickets", "ticket-keys-file: ^web1.psk", "line 1: expected 80 bytes in base64, one line of 108"),
    ("ticket-keys-file: tickets", "ticket-keys-file: ^wrapped", "line 2: expected 80 bytes in base64, one line of 108"),
    ("ticket-keys-file: tickets", "ticket-keys-file: ^twice", "line 2: the key is there already; remove one"),
    ("ticket-keys-file: tickets", "ticket-keys-file: ^none", "holds no key; make one with: openssl rand 80 | base64 -w 0"),
    ("ticket-keys-file: tickets", "^ticket-key-file: tickets", 'did you mean "ticket-keys-file"'),
    ("listeners:\n", "listeners: ^everywhere\n#", "expected a list, found one value"),
    ("address: 127.0.0.1", "address: ^localhost", "numeric IPv4 or IPv6 address"),
    ("address: 127.0.0.1", "address: ^127.0.0.256", "numeric IPv4 or IPv6 address"),
    ("port: 4646, transports", "port: ^464600, transports", "integer from 1 to 65535"),
    ("port: 4646, transports", "port: ^46460x, transports", "integer from 1 to 65535"),
    ("port: 4646, transports", "^prot: 4646, transports", 'did you mean "port"'),
    ("[udp, tcp]", "[udp, ^sctp]", "one or both of udp, tcp"),
    ("[udp, tcp]", "[udp, ^udp]", "given twice"),
    ("[udp, tcp]", "^udp", "list of one or both of udp, tcp"),
    ("  - name: web\n", "  - name: web\n    ^scope: {}\n", 'did you mean "scopes"'),
    ("[ { san: web.example.com }, ", "[ { ^sans: web.example.com }, ", 'did you mean "san"'),
    ("{ san: web.example.com }", "^{}", "san, spki-sha256"),
    ("{ san: web.example.com }", "{ spki-sha256: ^1234 }", "SHA-256 as 64 hexadecimal digits or in base64"),
    ("key-file: web1.psk", "key-file: ^short.psk", "openssl rand -hex 32"),
    ("key-file: web1.psk", "key-file: ^gone.psk", "cannot be read"),
    ("{ psk: web1, key-file: web1.psk }", "^{ psk: web1 }", "key-file"),
    ("prefixes: [203.0.113.0/24]", "prefixes: [^203.0.113.1/24]", 'write "203.0.113.0/24"'),
    ("prefixes: [203.0.113.0/24]", "prefixes: [^203.0.113.0/33]", "prefix such as"),
    ("prefixes: [203.0.113.0/24]", "prefixes: [^everything]", "prefix such as"),
    ('["*.example.com"]', '[^"www.*.com"]', "DNS name such as"),
    ("mitigations: 64", "mitigations: ^0", "integer from 1 to 1000000"),
    ("max-lifetime: 24h", "max-lifetime: ^1d", "duration in whole seconds"),
    ("  - name: isp\n", "  -\n", "name is missing here"),
    ("host: dots.isp.example", "host: ^192.0.2.10", "expected DNS name"),
    ("host: dots.isp.example, ", "", "host is missing here"),
    ("addresses: [192.0.2.10]", "addresses: [^dots.isp.example]", "numeric IPv4 or IPv6 address"),
    ("identity: gateway", "identity: ^both", "gateway or client"),
    ("owns: [203.0.113.0/24]", "owns: [^203.0.113.9/24]", 'write "203.0.113.0/24"'),
    ("    servers: [ {", "    mtu: ^100\n    servers: [ {", "integer from 576 to 9000"),
    ("fan-out: all", "fan-out: ^some", "expected all, by-prefix or serial"),
    ("fan-out: all", "^fan_out: all", 'did you mean "fan-out"'),
    ("response-wait: 1s", "response-wait: ^1m", "duration from 0s to 30s"),
    ("response-wait: 1s", "response-wait: ^soon", "duration from 0s to 30s"),
    ("{ min: 15, max: 240, current: 30 }", "^1", "write { min: 1, current: 1 }"),
    ("{ min: 15, max: 240, current: 30 }", "^{ min: 50, max: 40, current: 45 }", "min <= current <= max"),
    ("status-interval: 15s", "status-interval: ^1s", "duration from 3s to 1h"),
    ('listen: "127.0.0.1:9647"', 'listen: ^"localhost:9647"', "address and port such as"),
    ("tokens-file: tokens", "tokens-file: ^gone", "cannot be read"),
    ("tokens-file: tokens", "tokens-file: ^web1.psk", "line 1: expected a detector's name and its token"),
    ("targets: [203.0.113.0/24] }", "targets: [^203.0.113.1] }", 'write "203.0.113.1/32"'),
    ("  - { name: fnm,", "  - { name: fnm, targets: [192.0.2.0/24] }\n  - { name: ^fnm,", "given twice"),
    ("detectors: [fnm]", "detectors: [^nfm]", 'there is no detector "nfm"'),
    ("pps: 100k", "pps: ^100kpps", "such as 500, 200k, 30M or 2G"),
    ("pps: 100k", "^ppps: 100k", 'did you mean "pps"'),
    ("hold: 10s", "until-below: ^[ { pps: 200k } ]", "can be true while this is below already"),
    ("hold: 10s", "hold: ^10m", "not be longer than half of lifetime"),
    ("level: info", "level: ^verbose", "expected error, warning, notice, info or debug"),
    ("format: text }", "format: ^xml }", "expected text or json"),
    ("  hop-limit: 16", "^\thop-limit: 16", "check indentation, quotes and brackets here"),
    ("gateway:\n", "gateway: ^&g\n", "YAML anchors (&) and aliases (*) are refused"),
    ("log: {", "^---\nlog: {", "a second document begins here"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pki):
    made = tmp_path_factory.mktemp("broken")
    for source, name in (("gw.example.com", "gw"), ("other.example.com", "ca")):
        certificate = pki.certificate(source)
        shutil.copy(certificate.key, made / f"{name}.key")
        shutil.copy(certificate.cert, made / f"{name}.pem")
    shutil.copy(pki.certificate("gw.example.com").anchors, made / "ca.pem")
    shutil.copy(pki.psk("web1").file, made / "web1.psk")
    (made / "short.psk").write_text("0011\n")
    (made / "tokens").write_text(f"fnm {'0123456789abcdef' * 4}\n")
    (made / "tokens").chmod(0o600)
    key = base64.b64encode(bytes(range(80))).decode()
    other = base64.b64encode(bytes(range(80, 160))).decode()
    texts = {
        "tickets": f"{key}\n",
        "wrapped": f"{key}\n{other[:64]}\n{other[64:]}\n",
        "twice": f"{key}\n{key}\n",
        "none": "# none yet\n",
    }
    for name, text in texts.items():
        (made / name).touch(mode=0o600)
        (made / name).write_text(text)
    return made


def check(folder, text):
    (folder / "dotsgw.yaml").write_text(text)
    done = run([program("dotsgw"), "-t", "-c", "dotsgw.yaml"], cwd=folder)
    return done.returncode, done.stderr.decode()


def test_without_a_fault_it_is_good(folder):
    assert check(folder, GOOD) == (0, "")
    assert len(FAULTS) >= 50


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_fault_is_told_with_its_place_and_what_to_write(folder, number):
    old, new, sentence = FAULTS[number]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    before = text[: text.index("^")] if "^" in text else None
    status, told = check(folder, text.replace("^", "", 1))
    found = re.fullmatch(r"dotsgw\.yaml:(\d+):(\d+): (.*)\n", told)
    assert status == 1 and found, told
    assert sentence in found[3], told
    if before is not None:
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        assert (int(found[1]), int(found[2])) == place, told
