"""The deployments of the operator's guide, as they stand in docs/deployments."""

import json
import re

import pytest

from deployment import GUIDE, Deployment
from pki import derived_cuid
from waiting import wait_for


@pytest.fixture
def deploy(tmp_path, pki):
    made = []

    def make(name):
        made.append(Deployment(name, tmp_path, pki))
        return made[-1]

    yield make
    for deployment in made:
        deployment.close()


def test_all_deployments_are_tested_here():
    tested = set(re.findall(r'deploy\("([a-z-]+)"\)', open(__file__, encoding="utf-8").read()))
    assert tested == {entry.name for entry in GUIDE.iterdir() if entry.is_dir()}


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"{status}, and not {client.get(mid)}")


def test_enterprise(deploy, tmp_path):
    place = deploy("enterprise-cpe")
    place.start("provider", "dotsgw")
    web = place.client("dotsgw", "web1.psk", tmp_path)
    mail = place.client("dotsgw", "mail.example.com", tmp_path)
    assert web.put(1, "203.0.113.7/32", lifetime=600).code == "2.01"
    assert mail.put(1, "2001:db8:6401::1/128", lifetime=600).code == "2.01"
    for client in (web, mail):
        wait_status(client, 1, "attack-successfully-mitigated")
    assert web.put(2, "203.0.113.200/32").code == "4.03", "that is the mail server's"
    listed = place.operator("mitigations")
    assert "203.0.113.7/32" in listed and "2001:db8:6401::1/128" in listed, listed
    # What the guide shows instead of a browser: the page, and the request in what it shows.
    page, data = place.follow("curl ")
    assert page[1].returncode == 0 and b"<title>dotsgw</title>" in page[1].stdout, page
    assert data[1].returncode == 0 and b"203.0.113.7/32" in data[1].stdout, data
    assert web.delete(1).code == "2.02"


@pytest.mark.parametrize("ask", [False, True], ids=["nothing", "another"])
def test_line_of_the_guide_that_looks_at_the_page_fails_without_the_request(deploy, tmp_path, ask):
    place = deploy("enterprise-cpe")
    place.start("dotsgw")
    if ask:
        assert place.client("dotsgw", "web1.psk", tmp_path).put(1, "203.0.113.8/32").code == "2.01"
        assert "203.0.113.8/32" in place.page("v1/mitigations")
    page, data = place.follow("curl ")
    assert page[1].returncode == 0 and data[1].returncode != 0


def test_provider_with_cdid(deploy, tmp_path):
    place = deploy("provider-cdid")
    place.start("scrubbing", "dotsgw")
    a = place.client("dotsgw", "gw.customer-a.example", tmp_path)
    b = place.client("dotsgw", "customer-b.psk", tmp_path)
    for client, prefix in ((a, "203.0.113.1/32"), (b, "198.51.100.1/32")):
        client.cuid = "the-same-for-all"[:16] + prefix[:3]
        assert client.put(7, prefix).code == "2.01"
        wait_status(client, 7, "attack-successfully-mitigated")
    # The scrubbing centre knows them apart by the cdid that the edge adds.
    edge = place.client("scrubbing", "edge.provider.example", tmp_path)
    edge.cuid = a.cuid
    seen = edge.run("get", "7", "--cdid", derived_cuid(a.credentials))
    assert seen.code == "2.05" and seen.scope["target-prefix"] == ["203.0.113.1/32"], seen
    assert edge.run("get", "7", "--cdid", derived_cuid(b.credentials)).code != "2.05"
    shown = place.page("v1/mitigations")
    assert "customer-a" in shown and "customer-b" in shown, shown
    assert a.put(8, "198.51.100.1/32").code == "4.03", "that is the other customer's"


def test_dmz(deploy, tmp_path):
    place = deploy("dmz-container")
    place.start("provider", "dotsgw")
    balancer = place.client("dotsgw", "lb.example.com", tmp_path, address="127.0.0.1")
    assert balancer.put(1, "203.0.113.7/32").code == "2.01"
    wait_status(balancer, 1, "attack-mitigation-in-progress")
    place["provider"].wait_log("mitigation-start: mitigator operators: start job")
    assert "203.0.113.7/32" in place.page("v1/mitigations")
    for line in place["dotsgw"].log.splitlines():
        assert json.loads(line)["event"], "its log is JSON"


def test_federation(deploy, tmp_path):
    place = deploy("recursive-federation")
    place.start("provider-b", "dotsgw")
    customer = place.client("dotsgw", "customer.psk", tmp_path)
    for mid in (1, 2, 3):
        assert customer.put(mid, f"203.0.113.{mid}/32").code == "2.01"
        wait_status(customer, mid, "attack-successfully-mitigated")
    provider_a = place.client("provider-b", "dots.provider-a.example", tmp_path)
    asked = [scope["target-prefix"] for scope in provider_a.get().scopes]
    assert asked == [["203.0.113.3/32"]], "only what A has no room for"
    shown = place.page("v1/mitigations")
    assert '"scrubber"' in shown and '"provider-b"' in shown, shown
    assert customer.delete(3).code == "2.02"
    # A goes on for the active-but-terminating period; B was told at once, and does the same.
    withdrawn = "dots-client-withdrawn-mitigation"
    wait_for(lambda: provider_a.get().scope["status"] == withdrawn, lambda: f"{provider_a.get()}")
