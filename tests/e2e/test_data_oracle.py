"""What the suite holds every response of the data channel to would be seen: good bodies pass, and each bad one fails."""

import json
import types

import pytest

from data import DATA, JSON, MODULE, Answer, acl, alias, check

CLIENT = f"{DATA}/dots-client=c"


@pytest.fixture
def held(tmp_path):
    """held(path, body, status): as the suite looks at an answer of curl."""

    def look(path, body, status=200, kind=JSON):
        text = body if isinstance(body, str) else json.dumps(body)
        check(types.SimpleNamespace(directory=tmp_path), path, Answer(status, {"content-type": kind}, text, "2"))

    return look


def errors(**more):
    return {"ietf-restconf:errors": {"error": [{"error-type": "application", "error-tag": "invalid-value"} | more]}}


GOOD = [
    (CLIENT, {f"{MODULE}:dots-client": [{"cuid": "c", "aliases": {"alias": [alias("a") | {"pending-lifetime": 3}]}}]}),
    (f"{CLIENT}/aliases/alias=a", {f"{MODULE}:aliases": {"alias": [alias("a")]}}),
    (f"{CLIENT}/acls?depth=3", {f"{MODULE}:acls": {"acl": [{"name": "x"}]}}),
    (f"{CLIENT}/acls/acl=x/aces/ace=r/statistics?content=nonconfig", {f"{MODULE}:statistics": {"matched-packets": "7"}}),
    ("/restconf", {"ietf-restconf:restconf": {"data": {}, "operations": {}, "yang-library-version": "2016-06-21"}}),
    ("/restconf/data/ietf-restconf-monitoring:restconf-state", {"ietf-restconf-monitoring:restconf-state": {"capabilities": {"capability": ["urn:x"]}}}),
]


@pytest.mark.parametrize("path, body", GOOD, ids=[path.rpartition(":")[2] for path, _ in GOOD])
def test_good_bodies_pass(held, path, body):
    held(path, body)


BAD = {
    "a tag that there is not": ("/", errors(**{"error-tag": "no-such-tag"}), 400),
    "a type that there is not": ("/", errors(**{"error-type": "application-ish"}), 400),
    "no tag": ("/", {"ietf-restconf:errors": {"error": [{"error-type": "application"}]}}, 400),
    "an unknown member of an error": ("/", errors(more="x"), 400),
    "a path that is none": ("/", errors(**{"error-path": "/nowhere:at/all"}), 400),
    "no form of an error": ("/", {"error": "x"}, 400),
    "an unknown member": (CLIENT, {f"{MODULE}:dots-client": [{"cuid": "c", "more": 1}]}, 200),
    "a key that is missing": (f"{CLIENT}/aliases", {f"{MODULE}:aliases": {"alias": [{"target-prefix": ["192.0.2.1/32"]}]}}, 200),
    "a key that is missing in a part": (f"{CLIENT}/acls?depth=3", {f"{MODULE}:acls": {"acl": [{"type": "ipv4-acl-type"}]}}, 200),
    "a value of another type in a part": (
        f"{CLIENT}/acls?fields=acl(activation-type)",
        {f"{MODULE}:acls": {"acl": [{"name": "x", "activation-type": "now"}]}},
        200,
    ),
    "a number where RFC 7951 has a string": (
        f"{CLIENT}/acls/acl=x/aces/ace=r/statistics?content=nonconfig",
        {f"{MODULE}:statistics": {"matched-packets": 7}},
        200,
    ),
    "another place": (f"{CLIENT}/aliases", {f"{MODULE}:aliases": {"acl": [acl("x")]}}, 200),
    "another module": (f"{CLIENT}/aliases", {"aliases": {"alias": [alias("a")]}}, 200),
    "two members": (CLIENT, {f"{MODULE}:dots-client": [{"cuid": "c"}], f"{MODULE}:acls": {}}, 200),
    "a mandatory leaf that is missing": ("/restconf", {"ietf-restconf:restconf": {"data": {}}}, 200),
    "no capability": ("/restconf/data", {"ietf-restconf:data": {"ietf-restconf-monitoring:restconf-state": {"capabilities": {"capability": []}}}}, 200),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_fail(held, name):
    path, body, status = BAD[name]
    with pytest.raises(AssertionError):
        held(path, body, status)


def test_bodies_that_are_not_json_fail(held):
    held("/", errors(), 400)
    with pytest.raises(AssertionError):
        held("/restconf", "hello", kind="text/plain")
    with pytest.raises((AssertionError, ValueError)):
        held("/.well-known/host-meta", "<XRD/>", kind="application/xrd+xml")
