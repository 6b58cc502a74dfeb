"""A gateway beside a translator: the server sees external addresses and ports, the client its own."""

import pytest

from gateway import client_entry

MAPPINGS = [
    {"internal": "10.1.0.0/28", "external": "203.0.113.0/28"},
    {"internal": "10.9.0.1/32", "external": "203.0.113.99/32", "internal-port": 80, "external-port": 8080},
]


@pytest.fixture
def web(make_upstream, make_relay, make_client, pki):
    server = make_upstream().start()
    clients = [client_entry("web", "web.test", scopes={"prefixes": ["10.0.0.0/8"]})]
    gw = make_relay(server, clients=clients, nat={"mappings": MAPPINGS}).start()
    return make_client(gw, pki.certificate("web.test"))


def test_rfc9132_3_the_server_must_see_external_addresses(web, mitigator):
    assert web.put(1, "10.1.0.4/30").code == "2.01"
    mitigator.wait_prefixes("203.0.113.4/30")
    assert web.get(1).scope["target-prefix"] == ["10.1.0.4/30"]


def test_rfc9132_3_the_server_must_see_external_ports(web, mitigator):
    ports = [{"lower-port": 80}]
    request = {"target-prefix": ["10.9.0.1/32"], "target-port-range": ports, "lifetime": 600}
    assert web.put_json(1, request).code == "2.01"
    job = mitigator.wait_job("203.0.113.99/32")
    assert mitigator.live[job]["scope"]["target-port-range"] == [{"lower-port": 8080, "upper-port": 8080}]


def test_rfc9132_3_what_is_not_mapped_must_not_leave(web, mitigator):
    answer = web.put(1, "10.2.0.0/24")
    assert answer.code == "4.03"
    assert "10.2.0.0/24 is not mapped to external addresses" in answer.reason
    assert web.put(2, "10.1.0.0/28").code == "2.01"
    mitigator.wait_prefixes("203.0.113.0/28")
