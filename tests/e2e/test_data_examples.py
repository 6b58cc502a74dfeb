"""Every example of RFC 8783, figures 11 to 38: sent as printed, answered as printed. Only the host differs."""

import json
import os
import pathlib

import pytest

from data import DATA, YANG, qualified
from gateway import client_entry
from processes import run

EXAMPLES = pathlib.Path(__file__).parent / "rfc8783"
SCOPES = {"prefixes": ["2001:db8::/32", "198.51.100.0/24"], "fqdns": ["*.web.test"], "uris": []}
CUIDS = ["dz6pHjaADkaFTbjr0JGBpw", "paL8p4Zqo4SLv64TLPXrxA"]


def printed(figure):
    return (EXAMPLES / f"figure-{figure}.txt").read_text()


@pytest.fixture(params=["2", "1.1"], ids=["h2", "h1"])
def client(request, make_data_server, make_data_client):
    server = make_data_server(clients=[client_entry("web", "web.test", scopes=SCOPES)])
    client = make_data_client(server, http=request.param)
    client.other = make_data_client(server, cuid=CUIDS[1], http=request.param)
    return client


@pytest.fixture
def registered(client):
    assert client.register().status == 201
    assert client.other.register().status == 201
    return client


def same_but_lifetimes(found, expected):
    """pending-lifetime is what it is: between nothing and the week that it has."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for name, value in expected.items():
            if name == "pending-lifetime":
                assert 10070 <= found[name] <= 10080
            else:
                same_but_lifetimes(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            same_but_lifetimes(one, other)
    else:
        assert found == expected


def test_rfc8783_figure_11_register(client):
    answer = client.send(printed(11))
    assert (answer.status, answer.text) == (201, "")
    assert answer.headers["location"].endswith(f"{DATA}/dots-client=string")
    again = client.send(printed(11))
    assert (again.status, again.tag) == (409, "resource-denied")


def test_rfc8783_figures_12_and_13_register_through_a_gateway(make_data_server, make_data_client):
    server = make_data_server(clients=[client_entry("web", "web.test", scopes=SCOPES, **{"supplies-cdid": True})])
    client = make_data_client(server)
    assert client.send(printed(12)).status == 201
    assert client.send(printed(13)).status == 201
    (found,) = client.get().body["ietf-dots-data-channel:dots-client"]
    assert found == {"cuid": "dz6pHjaADkaFTbjr0JGBpw", "cdid": "7eeaf349529eb55ed50113"}


def test_rfc8783_figures_14_and_15_register_by_put_and_leave(client):
    assert client.send(printed(14)).status == 201
    assert client.get().status == 200
    assert client.send(printed(14)).status == 204
    assert client.send(printed(15)).status == 204
    assert client.get().status == 404
    assert client.send(printed(15)).status == 404


def test_rfc8783_figures_17_to_21_aliases(registered):
    client = registered
    assert client.send(printed(17)).status == 201
    assert client.get("/aliases/alias=https1").status == 200
    assert client.delete("/aliases/alias=https1").status == 204
    expected = json.loads(printed(19))
    made = json.loads(printed(19))
    for alias in made["ietf-dots-data-channel:aliases"]["alias"]:
        del alias["pending-lifetime"]
    assert client.post("", made).status == 201
    same_but_lifetimes(client.send(printed(18)).body, expected)
    del expected["ietf-dots-data-channel:aliases"]["alias"][0]
    same_but_lifetimes(client.send(printed(20)).body, expected)
    assert client.send(printed(21)).status == 204
    assert client.send(printed(21)).status == 404
    same_but_lifetimes(client.send(printed(18)).body, expected)


def test_rfc8783_figures_22_and_23_capabilities(client):
    """What is printed is supported; this server supports more, and says so."""

    def within(part, all_of_it):
        if isinstance(part, dict):
            return all(name in all_of_it and within(value, all_of_it[name]) for name, value in part.items())
        return sorted(part) == sorted(all_of_it) if isinstance(part, list) else part == all_of_it

    expected = qualified(json.loads(printed(23)))
    actions = expected["ietf-dots-data-channel:capabilities"]["forwarding-actions"]
    actions[:] = [f"ietf-access-control-list:{action}" for action in actions]
    assert within(expected, client.send(printed(22)).body)


def test_rfc8783_figures_24_32_and_33_install_and_remove_a_filter(registered):
    assert registered.send(printed(24)).status == 201
    found = registered.get("/acls/acl=sample-ipv4-acl?content=config").body
    assert found == json.loads(printed(24).partition("\n\n")[2])
    removed = registered.send(printed(32))
    assert (removed.status, removed.text) == (204, "")
    assert removed.headers["cache-control"] == "no-cache"
    assert registered.send(printed(32)).status == 404


def test_rfc8783_figures_25_to_31_install_and_read_a_filter(registered):
    client = registered.other
    assert client.send(printed(25)).status == 201
    assert client.send(printed(25)).status == 204
    figure_26 = printed(26).replace(CUIDS[0], CUIDS[1])  # the figures before and after it are about this client
    same_but_lifetimes(client.send(figure_26).body, json.loads(printed(27)))
    assert client.send(printed(28)).body == json.loads(printed(29))
    same_but_lifetimes(client.send(printed(30)).body, json.loads(printed(31)))


def test_rfc8783_figure_16_all_of_its_schema(registered):
    """It has the names of types for values: here is one of each."""
    values = printed(16).replace('"name": "string"', '"name": "all"').replace("dots-client=cuid", f"dots-client={CUIDS[0]}")
    for kind, value in (("prefix", "2001:db8::/64"), ("fqdn", "www.web.test"), ("uri", "https://www.web.test/")):
        head, _, rest = values.partition(f'"target-{kind}": [')
        values = head + f'"target-{kind}": [' + rest.replace('"string"', f'"{value}"', 1)
    for number in ("80", "81", "6"):
        values = values.replace("integer", number, 1)
    assert registered.send(values).status == 201
    found = registered.get("/aliases/alias=all?content=config").body
    assert found == json.loads(values.partition("\n\n")[2])


def test_rfc8783_the_figures_are_data_of_the_module_but_for_34(tmp_path):
    """yanglint says so; of the official modules, too, where they are to be had."""
    refused = set()
    for figure in (19, 24, 25, 27, 29, 31, 34, 35, 36, 37, 38):
        body = json.loads(printed(figure).partition("\n\n")[2] or printed(figure))
        tree = {"ietf-dots-data-channel:dots-data": {"dots-client": [{"cuid": "c"} | {name.partition(":")[2]: value for name, value in body.items()}]}}
        folders = [YANG] + [pathlib.Path(each) for each in [os.environ.get("DOTSGW_OFFICIAL_YANG")] if each]
        for folder in folders:
            modules = [max(folder.glob(f"{name}@*.yang")) for name in ("ietf-dots-data-channel", "ietf-access-control-list")]
            file = tmp_path / "figure.json"
            file.write_text(json.dumps(qualified(tree)))
            if run(["yanglint", "-p", folder, "-t", "get", "-f", "json", *modules, file]).returncode != 0:
                refused.add((figure, folder))
    assert refused == {(34, folder) for folder in folders}


def test_rfc8783_figure_34_has_its_actions_in_the_wrong_place(registered):
    """'actions' stands inside 'matches' there, which the module does not have; put right, it is taken."""
    answer = registered.send(printed(34))
    assert (answer.status, answer.tag) == (400, "unknown-element")
    head, _, body = printed(34).partition("\n\n")
    body = json.loads(body)
    ace = body["ietf-dots-data-channel:acls"]["acl"][0]["aces"]["ace"][1]
    ace["actions"] = ace["matches"].pop("actions")
    assert registered.send(f"{head}\n\n{json.dumps(body)}").status == 201
    assert registered.get("/acls?content=config").body == body


def test_rfc8783_figure_35_ipv6_fragments(registered):
    assert registered.send(printed(35)).status == 201
    assert registered.get("/acls?content=config").body == json.loads(printed(35).partition("\n\n")[2])


def test_rfc8783_figure_36_denies_tcp_null_attacks_at_once(registered, mitigator):
    """Section 7.2 makes the destination of ipv4 and ipv6 mandatory with 'immediate'; this matches on neither."""
    assert registered.other.send(printed(36)).status == 201
    expected = json.loads(printed(36).partition("\n\n")[2])
    assert registered.other.get("/acls?content=config").body == expected
    (told,) = mitigator.wait_told(lambda told: told, "of the filter")
    assert told["acl"] == expected["ietf-dots-data-channel:acls"]["acl"][0] and told["client"] == "web"


@pytest.mark.parametrize("figure", [37, 38])
def test_rfc8783_figures_37_and_38_rate_limits(registered, figure):
    assert registered.other.send(printed(figure)).status == 201
    expected = json.loads(printed(figure).partition("\n\n")[2])
    actions = expected["ietf-dots-data-channel:acls"]["acl"][0]["aces"]["ace"][0]["actions"]
    actions["rate-limit"] = "20.0"  # the canonical form of RFC 7950 section 9.3.2
    assert registered.other.get("/acls?content=config").body == expected
