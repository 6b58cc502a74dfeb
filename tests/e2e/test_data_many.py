"""Many aliases and ACLs of one client: what creating, listing and deleting them costs grows with their number, and not
faster. Counted in time of the processor, at the gateway and at the server behind it: what else runs does not matter."""

import os
import pathlib

import pytest

from data import DATA, MODULE, acl, acls, alias, aliases
from gateway import client_entry

LIMITS = {"data-requests-per-second": 1000000, "cuids": 1000, "aliases": 20000, "acls": 20000}
TIMES = 10
LINEAR = 2.5  # times what is linear: caches, logarithms, and a clock of 10 ms


def spent(gateway):
    """Seconds of the processor, all threads."""
    fields = pathlib.Path(f"/proc/{gateway.process.popen.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def entries(kind, count):
    if kind == "aliases":
        return [alias(f"n{number}", f"203.0.113.{number % 256}/32") for number in range(count)]
    return [acl(f"n{number}", source=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32") for number in range(count)]


def costs(client, kind, count, piece, gateways, settled):
    """Of each step, at each of the gateways."""
    wrap = {"aliases": aliases, "acls": acls}[kind]
    all_of_them = entries(kind, count)
    found = {}

    def step(name, do):
        before = [spent(gateway) for gateway in gateways]
        do()
        for gateway, then in zip(gateways, before):
            found[name, gateway.name] = spent(gateway) - then

    def create():
        for at in range(0, count, piece):
            assert client.post("", wrap(*all_of_them[at : at + piece]), flags=["--max-time", "300"]).status == 201
        settled(kind, count)

    def read():
        listed = client.curl("GET", f"{client.root}/{kind}?content=config&depth=3")
        (entry_list,) = listed.body[f"{MODULE}:{kind}"].values()
        assert len(entry_list) == count

    def delete():
        assert client.delete(f"/{kind}", flags=["--max-time", "300"]).status == 204
        settled(kind, 0)

    step("create", create)
    step("list", read)
    step("delete", delete)
    return found


def compare(few, many):
    for name, less in few.items():
        assert many[name] < LINEAR * TIMES * less + 0.5, f"{name}: {less} s, and {many[name]} s of {TIMES} times as many"


@pytest.mark.parametrize("kind, count", [("aliases", 1000), ("acls", 100)])
def test_a_server_takes_time_in_proportion(make_data_server, make_data_client, kind, count):
    server = make_data_server(clients=[client_entry("web", "web.test", limits=LIMITS)], log={"level": "notice"})
    web = make_data_client(server)
    assert web.register().status == 201
    few, many = (costs(web, kind, each, 100, [server], lambda *_: None) for each in (count, TIMES * count))
    compare(few, many)


@pytest.mark.parametrize("kind, count", [("aliases", 1000), ("acls", 100)])
def test_a_chain_takes_time_in_proportion(make_data_server, make_gateway, make_data_client, kind, count):
    server = make_data_server(clients=[client_entry("gw", "gw.test", limits=LIMITS)], log={"level": "notice"})
    upstream = {"name": "isp", "servers": [server.server_entry()], "data": {"port": server.data_port}}
    gw = make_gateway("gw", upstreams=[upstream], clients=[client_entry("web", "web.test", limits=LIMITS)])
    gw.configure(log={"level": "notice"})
    gw.with_data_channel().start()
    gw.wait_log(" notice data-channel-up: ")
    web = make_data_client(gw)
    assert web.register().status == 201
    seer = make_data_client(server, "gw")

    def settled(_, wanted):
        one = {"aliases": "alias", "acls": "acl"}[kind]
        answer = seer.curl("GET", f"{DATA}?content=config&fields=dots-client(cuid;{kind}/{one}/name)")
        found = answer.body[f"{MODULE}:dots-data"].get("dots-client", [])
        assert sum(len(each[kind].get(one, [])) for each in found if kind in each) == wanted

    few, many = (costs(web, kind, each, 100, [gw, server], settled) for each in (count, TIMES * count))
    compare(few, many)
