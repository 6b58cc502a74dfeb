"""The data channel as RESTCONF (RFC 8040): resources, methods, queries, conditions, and what is refused."""

import json
from urllib.parse import quote

import pytest

from data import DATA, JSON, MODULE, acl, acls, alias, aliases
from gateway import client_entry

NAMED = f"{MODULE}:aliases"


@pytest.fixture(params=["2", "1.1"], ids=["h2", "h1"])
def web(request, make_data_server, make_data_client):
    client = make_data_client(make_data_server(), http=request.param)
    assert client.register().status == 201
    return client


@pytest.fixture
def web2(make_data_server, make_data_client):
    client = make_data_client(make_data_server())
    assert client.register().status == 201
    return client


def names(answer, kind="aliases"):
    body = answer.body[f"{MODULE}:{kind}"]
    return [entry["name"] for entry in body.get("alias" if kind == "aliases" else "acl", [])]


# ---- Discovery ----


def test_rfc8040_3_1_root_discovery(web):
    answer = web.curl("GET", "/.well-known/host-meta", headers=["Accept: application/xrd+xml"])
    assert answer.status == 200 and answer.headers["content-type"] == "application/xrd+xml"
    assert "rel='restconf' href='/restconf'" in answer.text
    root = web.curl("GET", "/restconf").body["ietf-restconf:restconf"]
    assert root == {"data": {}, "operations": {}, "yang-library-version": "2016-06-21"}
    assert web.curl("GET", "/restconf/yang-library-version").body == {
        "ietf-restconf:yang-library-version": "2016-06-21"
    }
    assert web.curl("GET", "/restconf/operations").body == {"ietf-restconf:operations": {}}


def test_rfc8040_3_7_yang_library_names_the_modules(web2):
    modules = web2.curl("GET", "/restconf/data/ietf-yang-library:modules-state").body
    found = {module["name"]: module for module in modules["ietf-yang-library:modules-state"]["module"]}
    assert found[MODULE]["revision"] == "2020-05-28"
    assert found[MODULE]["namespace"] == "urn:ietf:params:xml:ns:yang:ietf-dots-data-channel"
    one = web2.curl("GET", f"/restconf/data/ietf-yang-library:modules-state/module={MODULE},2020-05-28").body
    assert one == {"ietf-yang-library:module": [found[MODULE]]}
    assert web2.curl("GET", "/restconf/data/ietf-yang-library:modules-state/module=other,2020-05-28").status == 404


def test_rfc8040_9_capabilities_of_the_protocol(web2):
    state = web2.curl("GET", "/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities").body
    listed = state["ietf-restconf-monitoring:capabilities"]["capability"]
    assert "urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit" in listed


def test_rfc8040_4_1_options_and_head(web):
    options = web.curl("OPTIONS", web.root)
    assert {"GET", "PATCH", "POST"} <= {method.strip() for method in options.headers["allow"].split(",")}
    assert options.headers["accept-patch"] == JSON
    head, get = web.curl("HEAD", web.root), web.get()
    assert (head.status, head.text, head.headers["etag"]) == (200, "", get.headers["etag"])
    assert "POST" not in web.curl("OPTIONS", f"{DATA}/capabilities").headers["allow"]


# ---- Methods ----


def test_rfc8040_4_4_1_post_creates_once(web):
    answer = web.post("", aliases(alias("a"), alias("b")))
    assert answer.status == 201 and answer.headers["location"].endswith(f"{web.root}/aliases")
    assert names(web.get("/aliases")) == ["a", "b"]
    one = web.post("/aliases", {f"{MODULE}:alias": [alias("c d/é")]})
    assert one.status == 201 and one.headers["location"].endswith("/aliases/alias=c%20d%2F%C3%A9")
    assert names(web.get("/aliases/alias=c%20d%2f%C3%A9")) == ["c d/é"]
    clash = web.post("", aliases(alias("x"), alias("b")))
    assert (clash.status, clash.tag) == (409, "resource-denied")
    assert names(web.get("/aliases")) == ["a", "b", "c d/é"], "all or nothing"


def test_rfc8040_4_5_put_creates_and_replaces(web):
    body = {f"{MODULE}:alias": [alias("a", "203.0.113.1/32")]}
    assert web.put("/aliases/alias=a", body).status == 201
    assert web.put("/aliases/alias=a", {f"{MODULE}:alias": [alias("a", "203.0.113.2/32")]}).status == 204
    (found,) = web.get("/aliases/alias=a").body[NAMED]["alias"]
    assert found["target-prefix"] == ["203.0.113.2/32"]
    other = web.put("/aliases/alias=b", body)
    assert (other.status, other.tag) == (400, "invalid-value")
    assert web.put("/aliases", aliases(alias("c"), alias("d"))).status == 204
    assert names(web.get("/aliases")) == ["c", "d"]
    assert web.curl("PUT", web.root, {f"{MODULE}:dots-client": [{"cuid": web.cuid}]}).status == 204
    assert web.get("/aliases").body == {NAMED: {}}


def test_rfc8040_4_6_1_plain_patch_merges(web):
    web.post("", aliases(alias("a", "203.0.113.1/32"), alias("b")))
    assert web.patch("/aliases/alias=a", {f"{MODULE}:alias": [alias("a", "203.0.113.9/32")]}).status == 204
    (found,) = web.get("/aliases/alias=a?content=config").body[NAMED]["alias"]
    assert found["target-prefix"] == ["203.0.113.1/32", "203.0.113.9/32"]
    assert web.patch("", {f"{MODULE}:dots-client": [{"cuid": web.cuid} | {"aliases": {"alias": [alias("c")]}}]}).status == 204
    assert names(web.get("/aliases")) == ["a", "b", "c"]
    tree = {f"{MODULE}:dots-data": {"dots-client": [{"cuid": web.cuid, "aliases": {"alias": [alias("d")]}}]}}
    assert web.curl("PATCH", DATA, tree).status == 204
    assert names(web.get("/aliases")) == ["a", "b", "c", "d"]
    more = {"dots-client": [{"cuid": web.cuid, "aliases": {"alias": [{"name": "d", "target-protocol": [6]}]}}]}
    assert web.curl("PATCH", "/restconf/data", {"ietf-restconf:data": {f"{MODULE}:dots-data": more}}).status == 204
    (found,) = web.get("/aliases/alias=d?content=config").body[NAMED]["alias"]
    assert found == alias("d", **{"target-protocol": [6]}), "merged"
    assert web.patch("/aliases/alias=z", {f"{MODULE}:alias": [alias("z")]}).status == 404


def test_rfc8040_resources_inside_an_acl(web):
    web.post("", acls(acl("a")))
    path = "/acls/acl=a"
    assert web.get(f"{path}/type").body == {f"{MODULE}:type": "ietf-access-control-list:ipv4-acl-type"}
    assert web.put(f"{path}/activation-type", {f"{MODULE}:activation-type": "immediate"}).status == 201
    assert web.put(f"{path}/activation-type", {f"{MODULE}:activation-type": "deactivate"}).status == 204
    rule = acl("x", source="198.51.100.0/24")["aces"]["ace"][0] | {"name": "rule2"}
    created = web.post(f"{path}/aces", {f"{MODULE}:ace": [rule]})
    assert created.status == 201 and created.headers["location"].endswith(f"{path}/aces/ace=rule2")
    assert web.post(f"{path}/aces", {f"{MODULE}:ace": [rule]}).status == 409
    assert web.get(f"{path}/aces/ace=rule2").body == {f"{MODULE}:ace": [rule]}
    patch = {f"{MODULE}:actions": {"forwarding": "ietf-access-control-list:accept", "rate-limit": "9.5"}}
    assert web.patch(f"{path}/aces/ace=rule2/actions", patch).status == 204
    assert web.get(f"{path}/aces/ace=rule2/actions").body == patch
    assert web.delete(f"{path}/aces/ace=rule2/actions").status == 400, "forwarding is mandatory"
    assert web.delete(f"{path}/aces/ace=rule2").status == 204
    assert web.delete(f"{path}/aces/ace=rule2").status == 404
    assert web.delete(f"{path}/activation-type").status == 204
    assert web.get(f"{path}/activation-type").status == 404
    assert web.put(f"{path}/pending-lifetime", {f"{MODULE}:pending-lifetime": 1}).status == 405


def test_rfc8040_4_8_5_insert_and_point(web):
    web.post("", acls(acl("b")))
    point = f"{MODULE}:dots-data/dots-client={web.cuid}/acls/acl="
    for name, query in (
        ("d", "insert=last"),
        ("a", "insert=first"),
        ("c", "insert=before&point=" + quote(f"/{point}d", safe="")),
        ("e", f"insert=after&point=/{point}d"),
    ):
        assert web.post(f"/acls?{query}", {f"{MODULE}:acl": [acl(name, source=f"192.0.2.{ord(name)}/32")]}).status == 201
    assert names(web.get("/acls"), "acls") == ["a", "b", "c", "d", "e"]
    assert web.put("/acls/acl=a?insert=last", {f"{MODULE}:acl": [acl("a")]}).status == 204
    assert names(web.get("/acls"), "acls") == ["b", "c", "d", "e", "a"]
    web.gateway.restart()
    assert names(web.get("/acls"), "acls") == ["b", "c", "d", "e", "a"]
    unknown = web.post(f"/acls?insert=after&point=/{point}z", {f"{MODULE}:acl": [acl("f")]})
    assert (unknown.status, unknown.tag) == (400, "invalid-value")
    assert web.post("/aliases?insert=first", {f"{MODULE}:alias": [alias("f")]}).status == 400
    rule = acl("x")["aces"]["ace"][0]
    assert web.post("/acls/acl=b/aces?insert=first", {f"{MODULE}:ace": [rule | {"name": "rule0"}]}).status == 201
    (found,) = web.get("/acls/acl=b").body[f"{MODULE}:acls"]["acl"]
    assert [ace["name"] for ace in found["aces"]["ace"]] == ["rule0", "rule1"]


# ---- Queries ----


def test_rfc8040_4_8_content_depth_and_fields(web):
    web.post("", aliases(alias("a", **{"target-protocol": [6]})))
    web.post("", acls(acl("f")))
    config = web.get("/aliases?content=config").body[NAMED]["alias"][0]
    assert config == alias("a", **{"target-protocol": [6]})
    assert web.get("/aliases?content=nonconfig").body[NAMED]["alias"][0].keys() == {"name", "pending-lifetime"}
    assert web.get("?fields=aliases(alias(name))").body == {
        f"{MODULE}:dots-client": [{"cuid": web.cuid, "aliases": {"alias": [{"name": "a"}]}}]
    }
    assert web.get("?fields=aliases/alias/target-protocol;acls/acl/type").body[f"{MODULE}:dots-client"] == [
        {
            "cuid": web.cuid,
            "aliases": {"alias": [{"name": "a", "target-protocol": [6]}]},
            "acls": {"acl": [{"name": "f", "type": "ietf-access-control-list:ipv4-acl-type"}]},
        }
    ]
    assert web.get("?depth=1").body == {f"{MODULE}:dots-client": [{"cuid": web.cuid}]}
    assert web.get("?depth=2").body == {f"{MODULE}:dots-client": [{"cuid": web.cuid, "aliases": {}, "acls": {}}]}
    assert web.get("/acls?depth=3").body[f"{MODULE}:acls"]["acl"][0]["aces"] == {}
    data = web.curl("GET", f"{DATA}?depth=3").body[f"{MODULE}:dots-data"]
    assert data["dots-client"] == [{"cuid": web.cuid, "aliases": {}, "acls": {}}] and data["capabilities"]["ipv4"] == {}
    store = web.curl("GET", "/restconf/data?content=config").body["ietf-restconf:data"]
    assert list(store) == [f"{MODULE}:dots-data"] and list(store[f"{MODULE}:dots-data"]) == ["dots-client"]
    for bad in ("content=some", "depth=0", "depth=x", "fields=a(", "fields=a)b", "what=1", "depth=1&depth=2", "insert=first"):
        answer = web.get(f"/aliases?{bad}")
        assert (answer.status, answer.tag) == (400, "invalid-value"), bad


# ---- Conditions ----


def test_rfc8040_3_4_1_entity_tags_and_times(web):
    before = web.get()
    web.post("", aliases(alias("a")))
    after = web.get("/aliases")
    assert before.headers["etag"] != after.headers["etag"] == web.get().headers["etag"]
    assert "last-modified" in after.headers
    old, new = f"If-Match: {before.headers['etag']}", f"If-Match: {after.headers['etag']}"
    refused = web.delete("/aliases/alias=a", headers=[old])
    assert (refused.status, refused.tag) == (412, "operation-failed")
    assert web.get("/aliases?content=config", headers=[f"If-None-Match: {after.headers['etag']}"]).status == 304
    since = f"If-Unmodified-Since: {after.headers['last-modified']}"
    assert web.put("/aliases/alias=a", {f"{MODULE}:alias": [alias("a")]}, headers=[since]).status == 204
    assert web.put("/aliases/alias=b", {f"{MODULE}:alias": [alias("b")]}, headers=["If-None-Match: *"]).status == 201
    assert web.put("/aliases/alias=b", {f"{MODULE}:alias": [alias("b")]}, headers=["If-None-Match: *"]).status == 412
    assert web.delete("/aliases/alias=a", headers=[new]).status == 412
    long_ago = "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"
    assert web.delete("/aliases/alias=a", headers=[long_ago]).status == 412
    assert web.delete("/aliases/alias=a", headers=[f"If-Match: {web.get().headers['etag']}"]).status == 204
    etag = web.get().headers["etag"]
    web.gateway.restart()
    assert web.get().headers["etag"] == etag


# ---- Refusals ----


@pytest.mark.parametrize(
    "body, tag",
    [
        ("", "malformed-message"),
        ("{", "malformed-message"),
        ("[]", "malformed-message"),
        ("{}", "malformed-message"),
        ("[" * 10000 + "]" * 10000, "malformed-message"),
        ('{"a":' * 10000 + "1" + "}" * 10000, "malformed-message"),
        (f'{{"{NAMED}":{{}},"{NAMED}":{{}}}}', "malformed-message"),
        (f'{{"{NAMED}":{{"alias":[{{"name":"a","name":"b"}}]}}}}', "malformed-message"),
        ('{"aliases":{"alias":[]}}', "unknown-element"),
        ('{"ietf-other:aliases":{"alias":[]}}', "unknown-element"),
        (f'{{"{MODULE}:colours":[]}}', "unknown-element"),
        (json.dumps(aliases(alias("a", colour="red"))), "unknown-element"),
        (json.dumps(aliases(alias("a", **{"example:colour": "red"}))), "unknown-element"),
        (json.dumps(aliases({"target-prefix": ["203.0.113.1/32"]})), "missing-attribute"),
        (json.dumps(aliases({"name": "a"})), "missing-attribute"),
        (json.dumps(aliases(alias("a", "203.0.113.1/33"))), "invalid-value"),
        (json.dumps(aliases(alias("a", "127.0.0.1/32"))), "invalid-value"),
        (json.dumps(aliases(alias("a", "224.0.0.1/32"))), "invalid-value"),
        (json.dumps(aliases(alias("a", "255.255.255.255/32"))), "invalid-value"),
        (json.dumps(aliases(alias("a"), alias("a"))), "invalid-value"),
        (json.dumps(aliases(alias("n" * 256))), "invalid-value"),
        (json.dumps(acls(acl("a", action="reject"))), "invalid-value"),
        (json.dumps(acls(acl("a", destination=None, activation="immediate"))), "missing-attribute"),
        (b'{"ietf-dots-data-channel:aliases":{"alias":[{"name":"\xff"}]}}', "malformed-message"),
        ('{"ietf-dots-data-channel:aliases":{"alias":[{"name":"\\u0000"}]}}', "malformed-message"),
    ],
)
def test_rfc8783_6_1_bad_bodies(web2, body, tag):
    answer = web2.post("", body)
    assert (answer.status, answer.tag) == (400, tag), answer.text
    assert web2.get().body == {f"{MODULE}:dots-client": [{"cuid": web2.cuid}]}


def test_rfc8040_5_2_media_types(web2):
    body = aliases(alias("a"))
    assert web2.post("", body, headers=["Content-Type: application/yang-data+xml"]).status == 415
    assert web2.post("", body, headers=["Content-Type: application/json"]).status == 415
    assert web2.post("", body, headers=["Content-Type: application/yang-data+json; charset=utf-8"]).status == 201
    assert web2.get(headers=["Accept: application/yang-data+xml"]).status == 406
    assert web2.get(headers=["Accept: text/html, application/*;q=0.5"]).status == 200


def test_large_bodies_are_refused(web2):
    assert web2.post("", "x" * (256 << 10)).status == 400
    assert web2.post("", "x" * (256 << 10) + "x").status == 413


@pytest.mark.parametrize(
    "path, status",
    [
        ("/other", 404),
        ("/restconf/data/ietf-dots-data-channel:dots-data/nothing", 404),
        ("/restconf/data/ietf-dots-data-channel:dots-data/dots-client", 400),
        ("/restconf/data/ietf-dots-data-channel:dots-data/dots-client=a,b", 400),
        ("/restconf/data/ietf-dots-data-channel:dots-data/dots-client=%00", 400),
        ("/restconf/data/ietf-dots-data-channel:dots-data/dots-client=%ff", 400),
        ("/restconf/data/ietf-dots-data-channel:dots-data/dots-client=other", 404),
        ("/restconf/data/ietf-dots-data-channel:dots-data/capabilities=1", 400),
        ("/restconf/data/dots-data", 400),
        ("/restconf/data/ietf-other:dots-data", 404),
        ("/restconf/operations/ietf-other:launch", 404),
        ("/restconf/data" + "/a" * 40, 404),
    ],
)
def test_rfc8040_3_5_3_paths_that_lead_nowhere(web2, path, status):
    answer = web2.curl("GET", path)
    tag = "missing-attribute" if path.endswith("/dots-client") else "invalid-value"
    assert (answer.status, answer.tag) == (status, tag)


@pytest.mark.parametrize(
    "method, path", [("DELETE", DATA), ("PUT", DATA), ("POST", f"{DATA}/capabilities"), ("POST", "/restconf")]
)
def test_rfc8040_methods_that_a_resource_does_not_take(web2, method, path):
    answer = web2.curl(method, path, {f"{MODULE}:dots-data": {}})
    assert (answer.status, answer.tag) == (405, "operation-not-supported")


def test_rfc8783_5_1_one_client_with_a_cuid_a_request(web2):
    many = web2.curl("POST", DATA, {f"{MODULE}:dots-client": [{"cuid": "a"}, {"cuid": "b"}]})
    assert (many.status, many.tag) == (400, "invalid-value")
    none = web2.curl("POST", DATA, {f"{MODULE}:dots-client": [{}]})
    assert (none.status, none.tag) == (400, "missing-attribute")


def test_rfc8783_3_4_a_loop_is_found(web2):
    via = f"1.1 other.test, 2 {web2.gateway.host}"
    answer = web2.get(headers=[f"Via: {via}"])
    assert (answer.status, answer.tag) == (508, "operation-failed")
    assert answer.error["error-app-tag"] == "loop-detected" and answer.error["error-type"] == "transport"
    assert answer.error["error-info"] == {"via-header": via}
    assert web2.get(headers=["Via: 1.1 other.test"]).status == 200


# ---- Who may what ----


def test_rfc8783_5_1_a_cuid_is_bound_to_its_client(web2, make_data_client):
    shop = make_data_client(web2.gateway, "shop")
    clash = shop.register()
    assert (clash.status, clash.tag) == (409, "resource-denied")
    web2.post("", aliases(alias("a")))
    assert shop.get().status == 404 and shop.get("/aliases/alias=a").status == 404
    assert shop.delete().status == 404 and shop.post("", aliases(alias("b"))).status == 404
    assert shop.curl("GET", DATA).body[f"{MODULE}:dots-data"].get("dots-client") is None
    assert names(web2.get("/aliases")) == ["a"]


def test_rfc8783_6_1_targets_inside_the_scope(web2):
    for entry in (alias("a", "198.51.100.1/32"), alias("a", **{"target-fqdn": ["www.shop.test"]})):
        answer = web2.post("", aliases(entry))
        assert (answer.status, answer.tag) == (403, "access-denied")
    answer = web2.post("", acls(acl("a", destination="198.51.100.0/24")))
    assert (answer.status, answer.tag) == (403, "access-denied")
    assert web2.post("", aliases(alias("a", **{"target-fqdn": ["www.web.test"]}))).status == 201


def test_rfc8783_7_2_conflicting_filters_of_a_domain(web2, make_data_client):
    shop = make_data_client(web2.gateway, "shop", cuid="shop-1")
    shop.register()
    assert web2.post("", acls(acl("mine", "drop"))).status == 201
    clash = shop.post("", acls(acl("yours", "accept")))
    assert (clash.status, clash.tag) == (409, "resource-denied")
    assert shop.post("", acls(acl("yours", "drop"))).status == 201
    assert web2.post("", acls(acl("other", "accept", source="192.0.2.1/32"))).status == 201
    assert shop.post("", acls(acl("kept", "accept", activation="deactivate"))).status == 201


def test_rfc8783_quotas_of_client_and_domain(make_data_server, make_data_client):
    more = {"domain": "example.com", "limits": {"aliases": 2, "acls": 1}}
    server = make_data_server(
        clients=[client_entry(each, f"{each}.test", **more) for each in ("web", "shop")], limits={"domain-aliases": 3}
    )
    web, shop = make_data_client(server), make_data_client(server, "shop", cuid="shop-1")
    web.register(), shop.register()
    assert web.post("", aliases(alias("a"), alias("b"))).status == 201
    refused = web.post("", aliases(alias("c")))
    assert (refused.status, refused.tag) == (409, "resource-denied")
    assert web.put("/aliases", aliases(alias("c"), alias("d"))).status == 204, "as many as before"
    assert shop.post("", aliases(alias("a"))).status == 201
    assert shop.post("", aliases(alias("b"))).status == 409, "the domain has three"
    assert web.post("", acls(acl("a"))).status == 201
    assert web.post("", acls(acl("b"))).status == 409


def test_rfc8783_6_1_a_gateway_has_to_tell_the_domain(make_data_server, make_data_client):
    server = make_data_server(clients=[client_entry("web", "web.test", **{"supplies-cdid": True})])
    gateway = make_data_client(server)
    early = gateway.post("", aliases(alias("a")))
    assert (early.status, early.tag) == (403, "access-denied")
    assert gateway.register().status == 403
    assert gateway.register(cdid="domain-1").status == 201
    assert gateway.post("", aliases(alias("a"))).status == 201


def test_rfc8783_a_cdid_of_others_is_stripped(web2):
    assert web2.delete().status == 204
    assert web2.register(cdid="domain-1").status == 201
    assert web2.get().body == {f"{MODULE}:dots-client": [{"cuid": web2.cuid}]}


def test_an_unknown_certificate_gets_401(web2, make_data_client):
    stranger = make_data_client(web2.gateway, "stranger")
    answer = stranger.get()
    assert (answer.status, answer.tag) == (401, "access-denied")


def test_too_many_requests_get_429(make_data_server, make_data_client):
    limits = {"data-requests-per-second": 1}
    web = make_data_client(make_data_server(clients=[client_entry("web", "web.test", limits=limits)]))
    found = [web.get() for _ in range(4)]
    refused = [answer for answer in found if answer.status == 429]
    assert refused and all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
