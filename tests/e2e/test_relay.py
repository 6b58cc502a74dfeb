"""Client, client-domain gateway, server: requests go up under the gateway's name, all about them comes back."""

import pytest

import dots
from coap import CONFIG, GET
from fixtures import AT_ONCE, gateway_entry
from gateway import client_entry
from pki import derived_cuid
from waiting import never_within, wait_for

ONE, TWO, NET = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.0/28"
IN_PROGRESS = "attack-mitigation-in-progress"
MITIGATED = "attack-successfully-mitigated"
WITHDRAWN = "attack-mitigation-withdrawn"
STANDS_BY = "attack-mitigation-signal-loss"


@pytest.fixture(params=["udp", "tcp"])
def north(request):
    """The transport to the server."""
    return request.param


@pytest.fixture
def server(make_upstream):
    return make_upstream().start()


@pytest.fixture
def gw(server, make_relay):
    return make_relay(server).start()


@pytest.fixture
def web(gw, make_client, pki):
    return make_client(gw, pki.certificate("web.test"), "tcp")


@pytest.fixture
def shop(gw, make_client, pki):
    return make_client(gw, pki.psk("shop"), "tcp")


@pytest.fixture
def above(server, make_session, pki):
    """What the server has of the gateway: CoAP by hand under the gateway's certificate."""
    return make_session(server, pki.certificate("gw.test"), "tcp")


@pytest.fixture
def own_cuid(pki):
    return derived_cuid(pki.certificate("gw.test"))


def wait_status(client, mid, status):
    wait_for(lambda: client.status(mid) == status, lambda: f"status {status}; it is {client.get(mid)}")


# ---- There and back ----


def test_request_status_counters_and_withdrawal(server, make_relay, make_client, pki, mitigator, north):
    gw = make_relay(server, {"transports": [north]}).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put_json(5, {"target-prefix": [ONE], "target-protocol": [17], "lifetime": 600}).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert mitigator.live[job]["client"] == "gw"
    assert mitigator.live[job]["scope"]["target-protocol"] == [17]
    observer = web.observe(5)
    observer.wait_status(IN_PROGRESS)
    mitigator.report(job, 2, bytes=1000, bps=10, pkts=20, pps=2)
    observer.wait_status(IN_PROGRESS, MITIGATED)
    scope = web.get(5).scope
    assert scope["mid"] == 5
    counters = [scope[f"{name}-dropped"] for name in ("bytes", "bps", "pkts", "pps")]
    assert counters == ["1000", "10", "20", "2"]
    assert server.logged(f" session-up: client gw on .*/{north}")


def test_withdrawal_reaches_the_server(server, make_relay, make_client, pki, mitigator, above, own_cuid):
    gw = make_relay(server, active_but_terminating=AT_ONCE).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(5, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    assert web.delete(5).code == "2.02"
    mitigator.wait_idle()
    wait_for(lambda: not live(above, own_cuid), "the server to have nothing of the gateway")


def live(above, cuid):
    """The requests of this cuid at the server that are not over, by mid."""
    answer = above.get(cuid)
    if answer.text == "4.04":
        return {}
    return {scope["mid"]: scope for scope in answer.scopes if scope["status"] not in (5, 6, 7)}


def test_rfc9132_4_4_1_1_client_stays_hidden_behind_the_gateways_cuid(web, shop, above, own_cuid, mitigator, server):
    assert web.put(70, ONE).code == "2.01"
    assert shop.put(70, TWO).code == "2.01"
    mitigator.wait_prefixes(ONE, TWO)
    requests = live(above, own_cuid)
    assert sorted(scope["target-prefix"] for scope in requests.values()) == [[ONE], [TWO]]
    assert len(requests) == 2 and 70 not in requests, "the gateway's own mids"
    for client in (web, shop):
        hidden = above.get(derived_cuid(client.credentials))
        assert hidden.text == "4.04", "nobody but the gateway is known there"
    assert not server.logged("web|shop")


def test_refreshed_by_the_client_it_goes_on_at_the_server(web, mitigator):
    assert web.put(1, ONE, lifetime=4).code == "2.01"
    job = mitigator.wait_job(ONE)
    assert web.put(1, ONE, lifetime=7200).code == "2.04"
    never_within(lambda: job not in mitigator.live, 6, "let go")
    assert [line["op"] for line in mitigator.told].count("start") == 1


def test_efficacy_update_reaches_the_server(web, mitigator):
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    assert web.efficacy(1, ONE).code == "2.04"
    mitigator.wait_told(lambda told: told[-1].get("attack-status") == "under-attack", "of the attack")
    assert len(mitigator.live) == 1


def test_end_of_the_lifetime_ends_it_at_the_server(web, mitigator):
    assert web.put(1, ONE, lifetime=2).code == "2.01"
    mitigator.wait_job(ONE)
    mitigator.wait_idle()
    wait_for(lambda: web.status(1) in (None, "attack-mitigation-terminated"), "the end at the gateway")


def test_refreshed_before_the_server_lets_go(make_upstream, make_relay, make_client, pki, mitigator):
    """The server grants 4 s at a time; the client asked once for an hour."""
    entry = gateway_entry(limits={"max-lifetime": 4, "mitigations": 10, "requests-per-second": 100})
    gw = make_relay(make_upstream(clients=[entry]).start()).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE, lifetime=3600).code == "2.01"
    job = mitigator.wait_job(ONE)
    never_within(lambda: job not in mitigator.live, 9, "let go")
    assert [line["op"] for line in mitigator.told].count("start") == 1
    assert web.get(1).scope["lifetime"] > 3500


def test_higher_mid_of_a_client_overrides_at_the_server(web, mitigator):
    assert web.put(1, NET).code == "2.01"
    assert web.put(2, ONE).code == "2.01"
    mitigator.wait_prefixes(ONE)
    assert web.get(1).code == "4.04"


def test_overlap_of_two_clients_cancels_nobody(web, shop, mitigator):
    """Under one cuid the server would delete the lower mid (RFC 9132 section 4.4.1.3)."""
    assert web.put(1, NET).code == "2.01"
    answer = shop.put(1, ONE)
    assert answer.code in ("2.01", "4.09")
    if answer.code == "4.09":
        assert answer.conflict["conflict-cause"] == "overlapping-targets"
    never_within(lambda: [NET] not in mitigator.prefixes(), 1, "the first client lost its mitigation")
    assert web.status(1) == IN_PROGRESS


# ---- Refusals ----


def test_refusal_of_the_server_is_the_answer(make_upstream, make_relay, make_client, pki, mitigator):
    entry = gateway_entry(scopes={"prefixes": [ONE]})
    gw = make_relay(make_upstream(clients=[entry]).start()).start()
    web = make_client(gw, pki.certificate("web.test"))
    answer = web.put(1, TWO)
    assert answer.code == "4.03"
    assert "isp" in answer.reason and "203.0.113.2" in answer.reason
    assert web.get(1).code == "4.04"
    assert web.put(1, ONE).code == "2.01"
    assert mitigator.prefixes() in ([], [[ONE]])


def test_conflict_at_the_server_is_the_answer(make_upstream, make_relay, make_client, pki, mitigator):
    server = make_upstream(clients=[gateway_entry(), client_entry("other", pki.psk("other"))]).start()
    gw = make_relay(server).start()
    assert make_client(server, pki.psk("other")).put(900, NET).code == "2.01"
    answer = make_client(gw, pki.certificate("web.test")).put(1, ONE)
    assert answer.code == "4.09"
    assert answer.conflict["conflict-cause"] == "overlapping-targets"
    assert answer.conflict["conflict-scope"]["target-prefix"] == [ONE]
    mitigator.wait_prefixes(NET)


def test_server_that_is_full_is_5_03(make_upstream, make_relay, make_client, pki, mitigator):
    entry = gateway_entry(limits={"mitigations": 1, "requests-per-second": 100})
    gw = make_relay(make_upstream(clients=[entry]).start()).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    answer = web.put(2, TWO)
    assert answer.code == "5.03" and answer.reason and answer.max_age
    mitigator.wait_prefixes(ONE)


def test_rfc9132_4_4_1_1_cuid_collision_is_handled_by_the_gateway(make_upstream, make_relay, make_client, make_session, pki, mitigator, own_cuid):
    server = make_upstream(clients=[gateway_entry(), client_entry("other", pki.psk("other"))]).start()
    thief = make_session(server, pki.psk("other"))
    assert thief.put(own_cuid, 1, dots.request_body(TWO)).text == "2.01"
    gw = make_relay(server).start()
    web = make_client(gw, pki.certificate("web.test"))
    answer = web.put(1, ONE)
    assert answer.code == "2.01", answer
    mitigator.wait_prefixes(ONE, TWO)
    gw.wait_log(" cuid-collision: ")


# ---- Hop by hop ----


def test_rfc9132_4_5_1_config_must_not_be_relayed(web, above):
    sets = {"idle_config": {"missing-hb-allowed": {"current-value": 17}}}
    assert web.config_put(4242, **sets).code == "2.01"
    assert above.request(GET, (*CONFIG, "sid=4242")).text == "4.04"
    config = above.request(GET, CONFIG).body["ietf-dots-signal-channel:signal-config"]
    assert config["idle-config"]["missing-hb-allowed"]["current-value"] == 3


def test_rfc9132_4_5_2_gateway_negotiates_what_it_is_configured_for(make_upstream, make_relay, make_session, pki):
    ranges = {"heartbeat-interval": {"min": 1, "max": 240, "current": 100}, "missing-hb-allowed": {"min": 3, "max": 20}}
    server = make_upstream(session_config=ranges).start()
    make_relay(server, session_config={"missing-hb-allowed": 11, "heartbeat-interval": 45}).start()
    above = make_session(server, pki.certificate("gw.test"), "tcp")

    def negotiated():
        sets = above.request(GET, CONFIG).body["ietf-dots-signal-channel:signal-config"].values()
        return [
            (each["missing-hb-allowed"]["current-value"], each["heartbeat-interval"]["current-value"]) for each in sets
        ] == [(11, 45)] * 2

    wait_for(negotiated, lambda: f"the negotiated configuration: {above.request(GET, CONFIG).body}")


# ---- Preconfigured requests ----


def test_preconfigured_request_waits_at_the_server_as_well(web, above, own_cuid, mitigator):
    assert web.put(1, ONE, flags=["--preconfigured"]).code == "2.01"
    wait_for(lambda: live(above, own_cuid), "the request at the server")
    (scope,) = live(above, own_cuid).values()
    assert scope["trigger-mitigation"] is False and scope["status"] == 8
    assert web.status(1) == STANDS_BY
    assert mitigator.told == []


def test_loss_of_a_client_triggers_towards_the_server(web, mitigator):
    holder = web.hold()
    assert web.put(1, ONE, flags=["--preconfigured"]).code == "2.01"
    holder.vanish()
    job = mitigator.wait_job(ONE, 40)
    mitigator.report(job, 2)
    wait_status(web, 1, MITIGATED)


def test_rfc9132_4_7_loss_of_the_gateway_triggers_at_the_server(web, gw, server, mitigator):
    web.hold()
    assert web.put(1, ONE, flags=["--preconfigured"]).code == "2.01"
    wait_for(lambda: gw.logged("upstream-connected"), "the session with the server")
    gw.crash()
    job = mitigator.wait_job(ONE, 40)
    mitigator.report(job, 2)
    gw.start()
    wait_status(web, 1, MITIGATED)
    assert job in mitigator.live, "the recovery of the signal stops nothing (section 4.4.4)"


# ---- Several upstreams, and a mitigator of its own ----


def test_two_servers_get_the_request_and_their_counters_add_up(make_upstream, make_relay, make_client, make_mitigator, pki, mitigator):
    second = make_mitigator("second")
    servers = [make_upstream().start(), make_upstream("backup", mitigators=[second.config()]).start()]
    gw = make_relay(servers[0])
    upstreams = gw.sections["upstreams"]
    gw.configure(upstreams=[*upstreams, {"name": "backup", "servers": [servers[1].server_entry()]}])
    web = make_client(gw.start(), pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    jobs = mitigator.wait_job(ONE), second.wait_job(ONE)
    mitigator.report(jobs[0], 2, bytes=5)
    second.report(jobs[1], 4, bytes=7)
    wait_status(web, 1, "attack-exceeded-capability")
    wait_for(lambda: web.get(1).scope.get("bytes-dropped") == "12", "the sum")


def test_gateway_that_mitigates_as_well(server, make_relay, make_client, make_mitigator, pki, mitigator):
    own = make_mitigator("own")
    gw = make_relay(server, mitigators=[own.config()]).start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, ONE).code == "2.01"
    assert own.live[own.wait_job(ONE)]["client"] == "web"
    mitigator.wait_job(ONE)


def test_late_refusal_is_notified(make_upstream, make_relay, make_client, pki):
    """Nobody waits for the verdict: accepted first, withdrawn when the server says no."""
    entry = gateway_entry(scopes={"prefixes": [ONE]})
    gw = make_relay(make_upstream(clients=[entry]).start(), response_wait="0s").start()
    web = make_client(gw, pki.certificate("web.test"))
    assert web.put(1, TWO).code == "2.01"
    wait_status(web, 1, WITHDRAWN)

