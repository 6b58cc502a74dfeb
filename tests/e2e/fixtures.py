"""Fixtures of all end-to-end tests."""

import contextlib
import faulthandler
import signal
import sys
import types

import pytest

import network
from client import Client
from coap import Session
from data import DataClient
from gateway import Gateway, client_entry
from mitigator import Mitigator
from pki import Pki

TEST_TIMEOUT = 120  # s for a test with its fixtures; each wait has a shorter deadline of its own


class Hung(BaseException):
    """Not an Exception: no test can take it for a result."""


def _alarm(_number, _frame):
    faulthandler.dump_traceback(sys.__stderr__)
    raise Hung(f"the test took more than {TEST_TIMEOUT} s")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    previous = signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(TEST_TIMEOUT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def gateways(directory, pki):
    """make(name, **sections): a dotsgw, not started. At the end all must end in order."""
    made = []

    def make(name="server", ipv6=False, **sections):
        place = {"address": "::1", "port": network.port6()} if ipv6 else {}
        made.append(Gateway(directory, name, pki.certificate(f"{name}.test"), sections, **place))
        return made[-1]

    try:
        yield make
    finally:
        failures = []
        for gateway in made:
            try:
                if gateway.process and not gateway.crashed:
                    gateway.stop()
            except AssertionError as failure:
                failures.append(str(failure))
            finally:
                if gateway.process:
                    gateway.process.kill()
        assert not failures, "\n".join(failures)


@contextlib.contextmanager
def sessions():
    """make(gateway, credentials, transport): CoAP by hand."""
    made = []

    def make(gateway, credentials, transport="udp", *flags):
        made.append(Session(gateway, credentials, transport, *flags))
        return made[-1]

    try:
        yield make
    finally:
        for session in made:
            session.vanish()  # close() waits half a second for what the server may still say


@pytest.fixture
def make_gateway(tmp_path, pki):
    with gateways(tmp_path, pki) as make:
        yield make


@pytest.fixture
def mitigator(tmp_path):
    return Mitigator(tmp_path)


@pytest.fixture
def make_mitigator(tmp_path):
    return lambda name: Mitigator(tmp_path, name)


@pytest.fixture
def make_server(make_gateway, mitigator, pki):
    """make_server(**sections): a started DOTS server with the clients web (certificate) and shop (PSK)."""

    def make(name="server", **sections):
        sections.setdefault("clients", standard_clients(pki))
        sections.setdefault("mitigators", [mitigator.config()])
        return make_gateway(name, **sections).start()

    return make


def standard_clients(pki, **more):
    return [client_entry("web", "web.test", **more), client_entry("shop", pki.psk("shop"), **more)]


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def make_client(tmp_path):
    """make_client(gateway, credentials, ...); at the end nothing of them runs."""
    started = []
    yield lambda gateway, credentials, transport="udp", cuid=None: Client(
        gateway, credentials, tmp_path, transport, cuid, started
    )
    for running in started:
        if running.process.running():
            running.stop()


@pytest.fixture
def web(server, make_client, pki):
    """The client with the certificate, over DTLS."""
    return make_client(server, pki.certificate("web.test"))


@pytest.fixture
def shop(server, make_client, pki):
    """The client with the PSK, over TLS."""
    return make_client(server, pki.psk("shop"), "tcp")


@pytest.fixture
def make_session():
    with sessions() as make:
        yield make


@pytest.fixture
def raw(server, make_session, pki):
    """CoAP by hand as shop, over DTLS."""
    return make_session(server, pki.psk("shop"))


@pytest.fixture(scope="module")
def common(tmp_path_factory, pki):
    """One server for a whole module, for tests that must change nothing at it; with its mitigator, and
    CoAP by hand as shop."""
    directory = tmp_path_factory.mktemp("common")
    mitigator = Mitigator(directory)
    with gateways(directory, pki) as make, sessions() as make_session:
        clients = standard_clients(pki, limits={"requests-per-second": 1000})
        server = make("server", clients=clients, mitigators=[mitigator.config()])
        server.configure(limits={"requests-per-source": 10000, "handshakes-per-source": 10000})
        server.start()
        yield types.SimpleNamespace(server=server, mitigator=mitigator, raw=make_session(server, pki.psk("shop")))


# ---- Gateways between clients and servers ----

QUICK = {"min": 1, "max": 240, "current": 1}
SOON_LOST = {"heartbeat-interval": QUICK, "missing-hb-allowed": {"min": 3, "max": 20, "current": 3}}
AT_ONCE = {"initial": "0s", "max": "0s"}  # a withdrawn mitigation ends at once: its end can be waited for
MANY = {"mitigations": 1000, "requests-per-second": 1000, "cuids": 1000}


def gateway_entry(name="gw", **more):
    """How a server knows a gateway: by its certificate, for all that its clients may ask."""
    return client_entry(name, f"{name}.test", limits=MANY) | more


@pytest.fixture
def make_upstream(make_gateway, mitigator):
    """make_upstream(**sections): a DOTS server for the gateway gw; not started."""

    def make(name="server", **sections):
        sections.setdefault("clients", [gateway_entry()])
        sections.setdefault("mitigators", [mitigator.config()])
        sections.setdefault("active_but_terminating", AT_ONCE)
        sections.setdefault("session_config", SOON_LOST)
        return make_gateway(name, **sections)

    return make


@pytest.fixture
def make_relay(make_gateway, pki):
    """make_relay(server, upstream, **sections): a gateway of the clients web and shop to that server; not started."""

    def make(server, upstream=None, name="gw", **sections):
        entry = {"name": "isp", "servers": [server.server_entry()], "transports": ["udp"]} | (upstream or {})
        sections.setdefault("clients", standard_clients(pki))
        sections.setdefault("session_config", SOON_LOST)
        return make_gateway(name, upstreams=[entry], **sections)

    return make


@pytest.fixture
def make_data_client(tmp_path, pki):
    """make_data_client(gateway, name, cuid, http): curl with the certificate of NAME.test."""

    def make(gateway, name="web", cuid="dz6pHjaADkaFTbjr0JGBpw", http="2"):
        directory = tmp_path / f"curl-{name}-{cuid}-{http}"
        directory.mkdir(exist_ok=True)
        return DataClient(gateway, pki.certificate(f"{name}.test"), gateway.data_port, cuid, http, directory)

    return make


@pytest.fixture
def make_data_server(make_gateway, pki, mitigator):
    """make_data_server(**sections): a started DOTS server with the data channel, and clients web and shop of one domain."""

    def make(name="server", **sections):
        more = {"domain": "example.com", "limits": {"data-requests-per-second": 100000}}
        sections.setdefault("clients", [client_entry(each, f"{each}.test", **more) for each in ("web", "shop")])
        sections.setdefault("mitigators", [mitigator.config()])
        return make_gateway(name, **sections).with_data_channel().start()

    return make


# ---- Servers that send their clients elsewhere ----


def redirect_to(server):
    return {"alt-server": server.host, "addresses": [server.address], "ttl": "1h"}


@pytest.fixture
def other(make_server, make_mitigator):
    """Where they go: a server with a mitigator of its own."""
    made = make_mitigator("other")
    server = make_server("other", mitigators=[made.config()], session_config=SOON_LOST)
    server.mitigator = made
    return server
