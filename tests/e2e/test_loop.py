"""Two gateways, each the other's upstream: a request goes round until its hops are used up, and that is its end."""

import time

import pytest

from fixtures import AT_ONCE, gateway_entry
from gateway import client_entry
from lossy_path import LossyPath
from waiting import wait_for

ONE = "203.0.113.1/32"
WITHDRAWN = "attack-mitigation-withdrawn"
EXCEEDED = "attack-exceeded-capability"
SERVER_DOMAIN = {"gateway": {"domain-side": "server"}}
QUIET = {"heartbeat-interval": {"min": 15, "max": 240, "current": 60}}  # heartbeats would be counted as well
FOR_SECONDS = {"max-lifetime": 4, "mitigations": 100, "requests-per-second": 100}  # refreshed all the time
ROUND = 16  # hops of a request that comes without a limit
SESSION = 20  # datagrams of a handshake, of the negotiation, and of a list and an observation


class Circle:
    """The gateways one and two, and the paths between them, on which datagrams are counted."""

    def __init__(self, gateways, paths):
        self.one, self.two = gateways
        self.paths = paths

    @property
    def sent(self):
        """Datagrams so far, both ways on both paths."""
        return sum(path.counts()[way]["seen"] for path in self.paths for way in ("forward", "back"))

    def wait_connected(self):
        for gateway in (self.one, self.two):
            gateway.wait_log(" upstream-connected: ")

    def wait_quiet(self, seconds, most=4):
        """Until hardly anything was sent for so long: it does not go round and round."""
        marks = [(time.monotonic(), self.sent)]  # when a time of quiet may have begun

        def quiet():
            now, sent = time.monotonic(), self.sent
            if sent > marks[-1][1] + most:
                marks.append((now, sent))
            return now - marks[-1][0] >= seconds

        wait_for(quiet, lambda: f"{seconds} s of quiet; datagrams: {marks}")


@pytest.fixture
def circle(make_gateway, pki, tmp_path):
    """circle(upstream, **sections): started; clients are at `one`. passing: the one that lets cuids pass."""
    paths = []

    def make(upstream=None, passing=None, mitigators=None, gateway_limits=None, **sections):
        trusted = {"supplies-cdid": True} | ({"limits": gateway_limits} if gateway_limits else {})
        clients = [client_entry("shop", pki.psk("shop")), client_entry("web", "web.test")]
        known = {"one": [*clients, gateway_entry("two", **trusted)], "two": [gateway_entry("one", **trusted)]}
        gateways = [make_gateway(name, clients=known[name], session_config=QUIET, **sections) for name in known]
        for gateway, other in (gateways, gateways[::-1]):
            paths.append(LossyPath(tmp_path, f"from-{gateway.name}", other))
            entry = {"name": other.name, "servers": [paths[-1].server_entry()], "transports": ["udp"]}
            identity = {"identity": "client"} if gateway.name == passing else {}
            gateway.configure(upstreams=[entry | identity | (upstream or {})])
            if mitigators:
                gateway.configure(mitigators=[mitigators[gateway.name].config()])
        for gateway in gateways:
            gateway.start()
        return Circle(gateways, paths)

    yield make
    for path in paths:
        path.stop()


@pytest.mark.parametrize("sessions", ["shared", "per-client"])
@pytest.mark.parametrize("identity", ["gateway", "client"])
def test_rfc9132_9_loop_of_two_gateways_is_5_08_with_both_names(circle, make_client, pki, identity, sessions):
    side = SERVER_DOMAIN if identity == "client" else {}
    made = circle({"identity": identity, "sessions": sessions}, response_wait="8s", **side)
    if sessions == "shared":
        made.wait_connected()
    shop = make_client(made.one, pki.psk("shop"))
    answer = shop.put(1, ONE)
    assert answer.code == "5.08" and answer.reason.split() == ["one.test", "two.test"], answer
    assert shop.get().code == "4.04", "nothing is kept"
    # Each hop may need a session of its own when each requester has one.
    own = identity == "gateway" and sessions == "per-client"
    assert made.sent <= 4 * ROUND + SESSION * (ROUND if own else 2)
    made.one.wait_log(" hop-limit: ")
    if not own:  # sessions that nobody needs any more are closed in between
        made.wait_quiet(2)


@pytest.mark.parametrize("passing", ["one", "two"])
def test_one_of_them_passes_cuids_the_other_hides_them(circle, make_client, pki, passing):
    made = circle(passing=passing, response_wait="8s", **SERVER_DOMAIN)
    made.wait_connected()
    answer = make_client(made.one, pki.psk("shop")).put(1, ONE)
    assert answer.code == "5.08" and answer.reason.split() == ["one.test", "two.test"], answer
    made.wait_quiet(1)


def test_each_request_goes_round_once(circle, make_client, pki):
    """A client that asks again and again costs a round each time, and no more; what it withdraws is gone."""
    made = circle(response_wait="8s")
    shop = make_client(made.one, pki.psk("shop"))
    made.wait_connected()
    assert shop.put(1, ONE).code == "5.08"
    for mid in (1, 2, 3):
        before = made.sent
        assert shop.put(mid, ONE).code == "5.08"
        assert made.sent - before <= 4 * ROUND
    assert shop.delete(3).code == "2.02"
    made.wait_quiet(1)


def test_loop_that_is_found_late_ends_in_status_7(circle, make_client, pki):
    """Everybody was told 2.01 before the hops were used up."""
    made = circle(response_wait="0s")
    shop = make_client(made.one, pki.psk("shop"))
    made.wait_connected()
    assert shop.put(1, ONE).code == "2.01"
    wait_for(lambda: shop.status(1) == WITHDRAWN, lambda: f"status 7; it is {shop.get(1)}")
    assert made.sent <= 12 * ROUND + 2 * SESSION
    made.wait_quiet(3)


def test_link_that_comes_late_makes_the_loop(circle, make_client, pki):
    """Accepted while nobody could be reached; delivered later into a loop."""
    made = circle(response_wait="200ms")
    made.wait_connected()
    for path in made.paths:
        path.cut()
    shop = make_client(made.one, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    for path in made.paths:
        path.restore()
    wait_for(lambda: shop.status(1) == WITHDRAWN, lambda: f"status 7; it is {shop.get(1)}", 30)
    made.wait_quiet(2)


def test_two_that_help_each_other_are_no_loop_for_ever(circle, make_client, make_mitigator, pki):
    """Both mitigate, both are exceeded and ask each other: the client keeps the help, and its withdrawal ends all."""
    mitigators = {name: make_mitigator(name) for name in ("one", "two")}
    made = circle(
        mitigators=mitigators,
        recursion="on-exceeded",
        active_but_terminating=AT_ONCE,
        gateway_limits=FOR_SECONDS,
    )
    shop = make_client(made.one, pki.psk("shop"))
    made.wait_connected()
    assert shop.put(1, ONE).code == "2.01"
    mine = mitigators["one"].wait_job(ONE)
    mitigators["one"].report(mine, 4)
    help = mitigators["two"].wait_job(ONE)
    mitigators["two"].report(help, 4)  # so two asks one, which does not know that it has asked itself
    wait_for(lambda: len(mitigators["one"].live) == 2, "the job for the other")
    (came_back,) = mitigators["one"].live.keys() - {mine}
    mitigators["one"].report(came_back, 4)
    wait_for(lambda: made.one.logged(" hop-limit: ") or made.two.logged(" hop-limit: "), "the end of the hops")
    assert shop.status(1) == EXCEEDED
    made.wait_quiet(4, most=40)  # with what stands refreshed each 2 s, on both paths
    assert help in mitigators["two"].live
    assert shop.delete(1).code == "2.02"
    for mitigator in mitigators.values():
        mitigator.wait_idle(30)
    made.wait_quiet(2)
