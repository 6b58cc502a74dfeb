"""What the documents say is there is there."""

import pathlib
import re
import shutil

import pytest

from processes import program, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("gateway", "southbound", "northbound", "aggregation")


def text(*parts):
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


@pytest.mark.parametrize("name, section", [("dotsgw", 8), ("dots-client", 1), ("dotsgwctl", 8)])
def test_man_page_has_all_options_of_the_program(name, section):
    page = text("docs", "man", f"{name}.{section}").replace("\\-", "-")
    told = set(re.findall(r"\bFl (-?[\w-]+)", "\n".join(re.findall(r"^\.It Fl .*", page, re.M))))
    usage = run([program(name), "-h"]).stdout.decode()
    offered = {option.removeprefix("-") for option in re.findall(r"(?<![\w-])(--[a-z-]+|-[a-zA-Z])\b(?!\])", usage)}
    assert offered == told


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_man_pages_are_well_formed(tmp_path):
    made = tmp_path / "dotsgw.yaml.5"
    made.write_bytes(run([ROOT / "tools" / "manual", ROOT / "docs" / "configuration.md"]).stdout)
    for page in (made, *sorted((ROOT / "docs" / "man").iterdir())):
        done = run(["mandoc", "-T", "lint", "-W", "warning", page])
        assert done.returncode == 0, done.stdout.decode()


def test_configuration_page_has_every_key():
    """docs/configuration.md is held to the parser by config_reference_test; dotsgw.yaml(5) is made from it."""
    made = run([ROOT / "tools" / "manual", ROOT / "docs" / "configuration.md"]).stdout.decode().replace("\\-", "-")
    keys = re.findall(r"^\| `(\S+)` \|", text("docs", "configuration.md"), re.M)
    assert len(keys) > 100
    assert re.findall(r"^\.It Ic (\S+)$", made, re.M) == keys


def test_packaged_configuration_is_good_without_its_marks(tmp_path, pki):
    lines = text("packaging", "deb", "dotsgw.yaml").splitlines()
    file = tmp_path / "dotsgw.yaml"
    # A comment is followed by a space, a setting that is off is not.
    file.write_text("\n".join(re.sub(r"^( *)#(?=\S)", r"\1", line) for line in lines) + "\n")
    certificate = pki.certificate("gateway.example.com")
    for source, name in ((certificate.cert, "gateway.pem"), (certificate.key, "gateway.key"), (certificate.anchors, "ca.pem")):
        shutil.copy(source, tmp_path / name)
    shutil.copy(pki.psk("web1").file, tmp_path / "web1.psk")
    (tmp_path / "detectors.tokens").write_text(f"fastnetmon {'0' * 64}\n")
    (tmp_path / "detectors.tokens").chmod(0o600)
    done = run([program("dotsgw"), "-t", "-c", file])
    assert done.returncode == 0, done.stderr.decode()


def test_examples_of_the_page_on_detectors_are_good(tmp_path, pki):
    certificate = pki.certificate("gateway.example.com")
    for source, name in ((certificate.cert, "gw.pem"), (certificate.key, "gw.key"), (certificate.anchors, "ca.pem")):
        shutil.copy(source, tmp_path / name)
    (tmp_path / "detectors.tokens").write_text(f"fastnetmon {'0' * 64}\n")
    (tmp_path / "detectors.tokens").chmod(0o600)
    first, second = re.findall(r"^```yaml\n(.*?)^```", text("docs", "detectors.md"), re.M | re.S)
    rest = "gateway: { name: gw, state-dir: state }\nlisteners: [ {} ]\n"
    for example in (first, first[: first.index("attack-rules:")] + second):
        file = tmp_path / "dotsgw.yaml"
        file.write_text(rest + example)
        done = run([program("dotsgw"), "-t", "-c", file])
        assert done.returncode == 0, done.stderr.decode()


def test_events_of_the_troubleshooting_page_exist():
    code = "".join(path.read_text() for folder in SOURCES for path in (ROOT / folder).rglob("*.c"))
    events = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))
    page = text("docs", "troubleshooting.md")
    named = set(re.findall(r"event `([a-z-]+)`", page))
    for words in re.findall(r"journalctl -u dotsgw -g '?([^`']+)'?`", page):
        named |= {word.strip() for word in re.split(r"\\\|", words)} - {"EVENT"}
    named |= set(re.findall(r"^\| `([a-z]+-[a-z]+)`(?: at the start)? \|", page, re.M)) | {"store-failing"}
    assert len(named) > 12
    for name in named:
        assert name in events | {"conflict"} or any(event.startswith(name) for event in events), name


def test_links_of_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
