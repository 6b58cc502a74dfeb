"""The data channel beside the signal channel: aliases in requests, filters at the mitigator; crashes; many entries."""

import json
import time

import pytest

from data import MODULE, acl, acls, alias, aliases
from gateway import client_entry
from pki import derived_cuid
from processes import Process
from waiting import wait_for

LIMITS = {"data-requests-per-second": 100000}


@pytest.fixture
def pair(make_data_server, make_data_client, make_client, pki):
    """The same client on both channels, under the cuid that it derives of its certificate."""
    server = make_data_server()
    certificate = pki.certificate("web.test")
    signal = make_client(server, certificate, "tcp")
    data = make_data_client(server, cuid=derived_cuid(certificate))
    assert data.register().status == 201
    return data, signal


def by_alias(*names, **more):
    return {"alias-name": list(names), "lifetime": 3600, **more}


# ---- Aliases ----


def test_rfc9132_4_4_1_1_alias_stands_for_its_targets(pair, mitigator):
    data, signal = pair
    data.post("", aliases(alias("web", "203.0.113.7/32", **{"target-port-range": [{"lower-port": 443}], "target-protocol": [6]})))
    assert signal.put_json(1, by_alias("web")).code == "2.01"
    (job,) = mitigator.wait_told(lambda told: told, "of the request")
    assert job["scope"] == {
        "target-prefix": ["203.0.113.7/32"],
        "target-port-range": [{"lower-port": 443, "upper-port": 443}],
        "target-protocol": [6],
    }
    assert signal.put_json(1, by_alias("web")).code == "2.04", "a refresh names the alias again"


def test_rfc9132_4_4_1_1_unknown_alias_gets_4_00(pair, make_data_client, mitigator):
    data, signal = pair
    shop = make_data_client(data.gateway, "shop", cuid="shop-1")
    shop.register()
    shop.post("", aliases(alias("theirs")))
    for name in ("theirs", "nobodys"):
        answer = signal.put_json(1, by_alias(name))
        assert answer.code == "4.00" and name in answer.out + answer.err
    data.post("", aliases(alias("mine")))
    assert signal.put_json(1, by_alias("mine")).code == "2.01"
    data.delete("/aliases/alias=mine")
    assert signal.put_json(2, by_alias("mine")).code == "4.00"
    assert len(mitigator.live) == 1


def test_aliases_and_own_targets_are_united(pair, mitigator):
    data, signal = pair
    data.post("", aliases(alias("a", "203.0.113.8/32"), alias("b", "203.0.113.9/32")))
    assert signal.put_json(1, by_alias("a", "b", **{"target-prefix": ["203.0.113.1/32"]})).code == "2.01"
    (job,) = mitigator.wait_told(lambda told: told, "of the request")
    assert job["scope"] == {"target-prefix": ["203.0.113.1/32", "203.0.113.8/31"]}


# ---- Filters ----


def test_rfc8783_7_2_filters_are_in_force_when_they_say(pair, mitigator):
    data, signal = pair

    def filters():
        return sorted(job["acl"]["name"] for job in mitigator.live.values() if "acl" in job)

    def wait_filters(*names):
        wait_for(lambda: filters() == sorted(names), lambda: f"{names} in force; there are {filters()}")

    data.post("", acls(acl("now", activation="immediate"), acl("then", source="192.0.2.1/32"), acl("never", activation="deactivate")))
    wait_filters("now")
    assert signal.put(1, "203.0.113.1/32").code == "2.01"
    wait_filters("now", "then")
    (told,) = [job for job in mitigator.live.values() if job.get("acl", {}).get("name") == "then"]
    assert told["acl"] == acl("then", source="192.0.2.1/32") and told["client"] == "web" and told["lifetime"] == -1
    assert data.put("/acls/acl=never/activation-type", {f"{MODULE}:activation-type": "immediate"}).status == 204
    wait_filters("now", "then", "never")
    assert data.delete("/acls/acl=now").status == 204
    wait_filters("then", "never")
    data.gateway.restart()
    wait_filters("then", "never")
    assert data.delete().status == 204
    wait_filters()


def matched(client, name, query="?content=nonconfig"):
    """{ACE: (packets, octets)} as the client reads them."""
    (found,) = client.get(f"/acls/acl={name}{query}").body[f"{MODULE}:acls"]["acl"]
    counted = {ace["name"]: ace.get("statistics") for ace in found["aces"]["ace"]}
    return {ace: (each["matched-packets"], each["matched-octets"]) for ace, each in counted.items() if each}


def two_rules(name, activation):
    one, other = acl(name, activation=activation), acl(name, source="192.0.2.1/32")
    return one | {"aces": {"ace": one["aces"]["ace"] + [other["aces"]["ace"][0] | {"name": "rule2"}]}}


def test_rfc8783_4_3_statistics_are_what_mitigators_count(make_data_server, make_data_client, make_mitigator):
    """Their sum, as long as the ACL lives; of each entry by its name."""
    pair = [make_mitigator(name) for name in ("a", "b")]
    web = make_data_client(make_data_server(mitigators=[each.config() for each in pair]))
    web.register()
    web.post("", acls(two_rules("x", "immediate")))
    jobs = [each.wait_told(lambda told: told, "of the filter")[0]["id"] for each in pair]
    assert matched(web, "x") == {}
    pair[0].matched(jobs[0], rule1=(10, 1000), rule2=(1, 64), gone=(5, 5))
    wait_for(lambda: len(matched(web, "x")) == 2, lambda: f"both: {matched(web, 'x')}")
    assert matched(web, "x") == {"rule1": ("10", "1000"), "rule2": ("1", "64")}
    pair[1].matched(jobs[1], rule1=(str(2**63), 7))
    wait_for(lambda: matched(web, "x", "?content=all")["rule1"] == (str(2**63 + 10), "1007"), "the sum")
    pair[0].matched(jobs[0], rule1=(11, 1001))
    wait_for(lambda: matched(web, "x")["rule1"] == (str(2**63 + 11), "1008"), "the new sum")
    assert matched(web, "x")["rule2"] == ("1", "64"), "what was not told of stays"
    inside = web.get("/acls/acl=x/aces/ace=rule2/statistics?content=nonconfig").body
    assert inside == {f"{MODULE}:statistics": {"matched-packets": "1", "matched-octets": "64"}}
    assert "statistics" not in web.get("/acls?content=config").text
    (cut,) = web.get("/acls?fields=acl(name;aces/ace/statistics/matched-octets)").body[f"{MODULE}:acls"]["acl"]
    assert cut["aces"]["ace"][1] == {"name": "rule2", "statistics": {"matched-octets": "64"}}
    assert web.put("/acls/acl=x/activation-type", {f"{MODULE}:activation-type": "deactivate"}).status == 204
    assert matched(web, "x")["rule2"] == ("1", "64"), "it is read after the attack"
    web.put("/acls/acl=x", acls(acl("x", activation="deactivate")))
    assert list(matched(web, "x")) == ["rule1"]
    web.delete("/acls/acl=x")
    web.post("", acls(two_rules("x", "deactivate")))
    assert matched(web, "x") == {}


# ---- Crashes ----


def test_what_was_answered_survives_a_crash(make_data_server, make_data_client):
    web = make_data_client(make_data_server())
    web.register()
    for round_ in range(4):
        made = [f"{round_}-{number}" for number in range(5)]
        for name in made:
            assert web.post("/aliases", {f"{MODULE}:alias": [alias(name)]}).status == 201
        assert web.delete(f"/aliases/alias={made[0]}").status == 204
        both = aliases(alias(f"{round_}-x"), alias(f"{round_}-y"))
        assert web.post("", both).status == 201
        web.gateway.crash()
        web.gateway.start()
        found = {entry["name"] for entry in web.get("/aliases").body[f"{MODULE}:aliases"]["alias"]}
        expected = {f"{each}-{number}" for each in range(round_ + 1) for number in (1, 2, 3, 4, "x", "y")}
        assert found == expected


def test_a_crash_during_writes_leaves_each_whole_or_absent(make_data_server, make_data_client):
    """A hundred requests on one connection while the gateway is killed: pairs are there as pairs."""
    web = make_data_client(make_data_server(), http="1.1")
    web.register()
    config = web.directory / "many"
    url = f"https://{web.gateway.host}:{web.port}{web.root}"
    lines = []
    for number in range(100):
        body = web.directory / f"body-{number}"
        body.write_text(json.dumps(aliases(alias(f"{number}-a"), alias(f"{number}-b"))))
        lines += [f'url = "{url}"', "request = POST", f'data-binary = "@{body}"', "silent", "fail"]
        lines += ['header = "Content-Type: application/yang-data+json"', 'write-out = "%{http_code}\\n"']
        lines += [f'cacert = "{web.certificate.anchors}"', f'cert = "{web.certificate.cert}"', f'key = "{web.certificate.key}"']
        lines += [f'resolve = "{web.gateway.host}:{web.port}:{web.gateway.address}"', "next"]
    config.write_text("\n".join(lines[:-1]) + "\n")
    out = web.directory / "many.out"
    process = Process(["curl", "-K", config], out, web.directory / "many.err")
    wait_for(lambda: out.exists() and out.read_text().count("201") >= 10, lambda: f"ten answers: {out.read_text()}")
    web.gateway.crash()
    process.wait()
    answered = out.read_text().split().count("201")
    web.gateway.start()
    found = {entry["name"] for entry in web.get("/aliases").body[f"{MODULE}:aliases"]["alias"]}
    assert {f"{number}-{half}" for number in range(answered) for half in "ab"} <= found
    assert {name[:-2] + "-a" for name in found} == {name for name in found if name.endswith("a")}
    assert {name[:-2] + "-b" for name in found} == {name for name in found if name.endswith("b")}


# ---- Many ----


def test_ten_thousand_aliases_and_a_thousand_acls(make_data_server, make_data_client):
    """In time that grows with their number: each further thousand costs no more than a few times the first."""
    web = make_data_client(make_data_server(clients=[client_entry("web", "web.test", limits=LIMITS)]))
    web.register()
    took = []
    for thousand in range(10):
        body = aliases(*(alias(f"{thousand}-{number}") for number in range(1000)))
        start = time.monotonic()
        assert web.post("", body).status == 201
        took.append(time.monotonic() - start)
    assert max(took[5:]) < 5 * min(took) + 1, took
    listed = web.curl("GET", f"{web.root}/aliases?content=config")
    assert len(listed.body[f"{MODULE}:aliases"]["alias"]) == 10000
    full = web.post("", aliases(alias("more")))
    assert (full.status, full.tag) == (409, "resource-denied")
    for part in range(4):
        many = acls(*(acl(f"acl-{part}-{number}", source=f"192.0.{part}.{number}/32") for number in range(250)))
        assert web.post("", many).status == 201
    assert len(web.get("/acls").body[f"{MODULE}:acls"]["acl"]) == 1000
    start = time.monotonic()
    assert web.delete("/aliases").status == 204
    assert web.delete("/acls").status == 204
    assert time.monotonic() - start < 10 * max(took) + 1
    assert web.get().body == {f"{MODULE}:dots-client": [{"cuid": web.cuid}]}
