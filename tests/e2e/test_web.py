"""The page on the metrics port, as a browser shows it; and who may read it."""

import json
import pathlib
import re
import socket

import pytest

import dots
from browser import Browser, installed
from control import ADMIN
from fixtures import AT_ONCE, SOON_LOST, gateway_entry
from gateway import client_entry
from metrics import PORT, Metrics, metrics_address
from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "gateway" / "admin" / "web"
ONE, TWO = "203.0.113.1/32", "203.0.113.2/32"
MARKUP = '<img src=x onerror="document.title=1">&lt;b&gt;'
NAME = MARKUP.replace(" ", "_")  # of a client
MANY = {"mitigations": 1000, "requests-per-second": 100000}

needs_browser = pytest.mark.skipif(not installed(), reason="chromium is not installed")


def admin():
    return ADMIN | {"metrics": metrics_address()}


class Page(Metrics):
    """Its port, and itself in a browser."""

    def __init__(self, gateway, browser=None):
        super().__init__(gateway)
        self.gateway, self.browser = gateway, browser
        self.origin = f"http://{self.address}:{self.port}"

    def json(self, path):
        status, _, body = self.request("GET", path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def document(self, **options):
        """As it is once its scripts have run: nothing is said on the console, and nobody else is asked for anything."""
        document, console = self.browser.document(f"{self.origin}/", **options)
        assert not console, console
        asked = self.browser.asked_for(self.origin)
        assert {f"{self.origin}/page.js", f"{self.origin}/v1/overview"} <= asked
        assert all(url.startswith(f"{self.origin}/") for url in asked), asked
        return document


@pytest.fixture
def browser(tmp_path):
    return Browser(tmp_path)


def rows(document, name):
    """The cells of each row of a table, as texts."""
    (body,) = document.one(id=name).all("tbody")
    return [[cell.text for cell in row.all("td")] for row in body.all("tr")]


def nodes(document):
    """{title: (state, text)} of the picture of the chain."""
    found = {}
    for node in document.one(id="chain").all("g", class_="node"):
        title, text = [each.text for each in node.all("text")]
        found[title] = set(node.attributes["class"].split()) - {"node"}, text
    return found


# ---- What it shows ----


@pytest.fixture
def scene(make_upstream, make_relay, make_mitigator, mitigator, browser):
    """A gateway with two upstreams, of which one is away, and a mitigator of its own."""
    own = make_mitigator("scrubber-2")
    server, away = make_upstream().start(), make_upstream("away")
    gw = make_relay(server, admin=admin(), mitigators=[own.config()], active_but_terminating=AT_ONCE)
    second = {"name": "isp-b", "servers": [away.server_entry()], "transports": ["udp"]}
    gw.configure(upstreams=[*gw.sections["upstreams"], second])
    page = Page(gw.start(), browser)
    page.own = own
    return page


@needs_browser
def test_what_is_under_mitigation_by_client_and_upstream(scene, make_client, mitigator, pki):
    shop, web = make_client(scene.gateway, pki.psk("shop"), "tcp"), make_client(scene.gateway, pki.certificate("web.test"))
    assert shop.put(1, ONE, flags=["--port", "443", "--protocol", "6"]).code == "2.01"
    assert web.put(7, TWO).code == "2.01"
    held = shop.hold()
    mitigator.report(mitigator.wait_job(ONE), 2, bytes=5_000_000, pkts=4000, bps=125_000, pps=100)
    scene.own.report(scene.own.wait_job(TWO), 4, bytes=3_000, pkts=2)
    wait_for(
        lambda: {row.get("bytes-dropped") for row in scene.json("/v1/mitigations")["mitigations"]} >= {5_000_000, 3_000},
        lambda: f"the counters: {scene.json('/v1/mitigations')}",
    )
    wait_for(
        lambda: {each["name"]: each["state"] for each in scene.json("/v1/overview")["targets"]}
        == {"isp": "up", "isp-b": "down", "scrubber-2": "up"},
        lambda: f"one upstream is found to be away: {scene.json('/v1/overview')}",
    )
    document = scene.document()
    table = rows(document, "mitigations")
    assert len(table) == 6, "two requests, at two upstreams and a mitigator each"
    (row,) = [each for each in table if each[0].startswith("shop") and each[2] == "isp upstream"]
    assert row[1] == "203.0.113.1/32 TCP, port 443"
    assert row[3] == "✔ mitigated"
    assert row[4:7] == ["5.0 MB", "4.0 k", "1.0 Mbit/s 100 pkt/s"]
    assert re.fullmatch(r"\d+ min|1 h 0 min", row[7]), row
    (row,) = [each for each in table if each[0].startswith("web") and each[2] == "scrubber-2 mitigator"]
    assert row[1] == TWO and row[3] == "✖ exceeds capability" and row[4] == "3.0 kB"
    waiting = [each for each in table if each[2] == "isp-b upstream"]
    assert {each[3] for each in waiting} == {"… asked, no answer yet"} and len(waiting) == 2
    assert document.one(id="verdict").text == "✖ 1 upstream down"
    tiles = document.one(id="tiles").text
    assert "Mitigations running 2 " in tiles and "Upstreams up 1 of 2 down: isp-b" in tiles
    # The chain, with each state in words as well as by its colour.
    picture = nodes(document)
    assert picture["shop"] == ({"attack"}, "1 session · asks for 1 mitigation")
    assert picture["web"] == ({"attack"}, "no session · asks for 1 mitigation")
    state, text = picture["isp"]
    assert state == {"attack"} and re.fullmatch(r"up · [\d.]+ ms · 2 mitigations", text), text
    assert picture["isp-b"] == ({"down"}, "down · 2 mitigations")
    assert picture["scrubber-2"] == ({"attack"}, "mitigator · 2 mitigations")
    assert picture["gw.test"][0] == {"gateway", "attack"}
    spoken = document.one(id="chain").one("svg").attributes["aria-label"]
    assert "isp-b: down · 2 mitigations" in spoken and "shop: 1 session" in spoken
    held.stop()


@needs_browser
def test_sessions_and_their_health(scene, make_client, make_session, pki):
    held = make_client(scene.gateway, pki.psk("shop"), "tcp").hold()
    stranger = make_session(scene.gateway, pki.certificate("stranger.test"))
    assert stranger.put("a", 1, dots.request_body(ONE)).text == "4.01"
    wait_for(lambda: len(scene.json("/v1/sessions")["sessions"]) == 2, "both")
    document = scene.document()
    table = {row[0]: row for row in rows(document, "sessions")}
    assert table["shop"][2:4] == ["TCP, TLS", "✔ well"]
    assert table["shop"][1].startswith("127.0.0.1:")
    assert table["nobody we know"][2:4] == ["UDP, DTLS", "✖ unknown identity"]
    assert "Sessions served 1 1 not served" in document.one(id="tiles").text
    held.stop()


@needs_browser
def test_drop_counters_over_time(scene, make_client, mitigator, pki):
    shop = make_client(scene.gateway, pki.psk("shop"))
    assert shop.put(1, ONE).code == "2.01"
    job, told = mitigator.wait_job(ONE), 0

    def plotted():
        nonlocal told
        told += 1_000_000
        mitigator.report(job, 2, bytes=told, pkts=told // 1000)
        (series,) = [each for each in scene.json("/v1/history")["series"] if each["name"] == "isp"]
        return sum(series["bytes"]) and sum(series["pkts"]) and len(series["bytes"]) >= 2

    wait_for(plotted, lambda: f"two points: {scene.json('/v1/history')}", 60)
    document = scene.document()
    (line,) = document.one(id="plot").all("path", class_="line", **{"data-series": "isp"})
    heights = {point.split()[1] for point in line.attributes["d"].lstrip("M").split("L")}
    assert len(heights) >= 2, "it is no flat line"
    legend = document.one(id="plot-legend").text
    assert re.search(r"isp upstream, now [\d.]+ [kM]bit/s, at most [\d.]+ [kM]bit/s", legend), legend
    assert "scrubber-2 mitigator, now 0 bit/s" in legend
    assert "isp: now" in document.one(id="plot").one("svg").attributes["aria-label"]
    dropped = wait_for(lambda: scene.value("dotsgw_dropped_bytes_total", target="isp", kind="upstream"), "its counter")
    assert 0 < dropped <= told


@needs_browser
def test_nothing_at_all(make_server, browser):
    page = Page(make_server(admin=admin(), mitigators=[]), browser)
    document = page.document()
    assert rows(document, "mitigations") == rows(document, "sessions") == []
    shown = [each.text for each in document.all("p", class_="empty") if "hidden" not in each.attributes]
    assert shown[-2:] == ["Nothing is under mitigation.", "No client is connected."]
    assert document.one(id="verdict").text == "✔ Quiet"
    assert "hidden" in document.one(id="trouble").attributes
    assert list(nodes(document)) == ["server.test"]


@needs_browser
def test_many_rows_come_by_the_page(make_server, make_session, browser, pki):
    clients = [client_entry("shop", pki.psk("shop"), limits=MANY)]
    page = Page(make_server(admin=admin(), clients=clients, limits={"requests-per-source": 100000}), browser)
    raw = make_session(page.gateway, pki.psk("shop"))
    for mid in range(1, 121):
        assert raw.put("a", mid, dots.request_body(f"203.0.113.{mid}/32")).text == "2.01"
    seen = []
    for begin, count, more in ((0, 50, True), (50, 50, True), (100, 20, False), (150, 0, False)):
        answer = page.json(f"/v1/mitigations?from={begin}")
        assert (len(answer["mitigations"]), answer["more"]) == (count, more)
        seen += [row["members"][0]["mid"] for row in answer["mitigations"]]
    assert sorted(seen) == list(range(1, 121))
    document = page.document()
    assert len(rows(document, "mitigations")) == 50
    (pages,) = [each for each in document.all("nav") if "hidden" not in each.attributes]
    back, on = pages.all("button")
    assert "1 to 50" in pages.text and "disabled" in back.attributes and "disabled" not in on.attributes
    assert "Mitigations running 120" in document.one(id="tiles").text


@needs_browser
def test_markup_in_names_stays_text(make_upstream, make_relay, make_session, browser, pki):
    """A cuid, a client, an upstream and a refusal with markup in them: shown as they are, and nothing runs."""
    server = make_upstream(clients=[gateway_entry(scopes={"prefixes": [TWO]})]).start()
    clients = [client_entry(NAME, pki.psk("shop"), scopes={"prefixes": [TWO]})]
    gw = make_relay(server, {"name": "<script>isp</script>"}, admin=admin(), clients=clients, session_config=SOON_LOST)
    page = Page(gw.start(), browser)
    raw = make_session(gw, pki.psk("shop"))
    assert raw.put(MARKUP, 1, dots.request_body(TWO)).text == "2.01"
    document = page.document()
    ((client, *_, at, status, _, _, _, _),) = [[row[0], *row[1:]] for row in rows(document, "mitigations")]
    assert client.startswith(NAME) and "<img" in client.split(" ", 1)[1]
    assert at == "<script>isp</script> upstream" and status.startswith("▶")
    assert NAME[:31] in document.one(id="chain").text
    assert not list(document.all("img")) and len(list(document.all("script"))) == 2
    assert document.one("head").one("title").text == "gw.test ▶ mitigating"


@needs_browser
def test_gateway_that_went_away(scene, tmp_path, pki):
    """A page that gets no answer says so, and shows no old state as if it were of now."""
    document, _ = scene.browser.document(f"{scene.origin}/", budget=1500)
    assert "hidden" in document.one(id="trouble").attributes
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("draw.js", "page.js", "page.css", "icon.svg"):
        (kept / name).write_bytes((PAGE / name).read_bytes())
    (kept / "page.html").write_bytes((PAGE / "page.html").read_bytes())
    document, _ = scene.browser.document((kept / "page.html").as_uri())
    assert "hidden" not in document.one(id="trouble").attributes
    assert document.one(id="trouble").text == "No answer from the gateway."


@needs_browser
@pytest.mark.parametrize("size", ["1600,1400", "390,844"], ids=["wall", "telephone"])
def test_screenshot(scene, make_client, mitigator, pki, tmp_path, size):
    assert make_client(scene.gateway, pki.psk("shop")).put(1, ONE).code == "2.01"
    mitigator.report(mitigator.wait_job(ONE), 2, bytes=5_000_000, pkts=4000)
    file = scene.browser.screenshot(f"{scene.origin}/", tmp_path / "page.png", size=size)
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 20_000


# ---- Who may read it ----


@pytest.fixture
def port(make_server):
    return Page(make_server(admin=admin()))


def test_port_is_read_only(port):
    status, _, body = port.request("GET", "/metrics")
    assert status == 200 and "# TYPE dotsgw_mitigations gauge\n" in body
    for path in ("/", "/metrics", "/v1/overview", "/v1/mitigations"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status, fields, body = port.request(method, path)
            assert (status, fields["allow"]) == (405, "GET, HEAD"), (method, path)
        status, fields, body = port.request("HEAD", path)
        assert status == 200 and body == ""


@pytest.mark.parametrize("path", ["/status", "/mitigations", "/sessions", "/config", "/events", "/log-level", "/v1", "/page.html", "/../x"])
def test_port_has_no_other_path(port, path):
    assert port.request("GET", path)[0] == 404


@pytest.mark.parametrize(
    "path", ["/v1/overview?from=1", "/v1/mitigations?from=", "/v1/mitigations?from=-1", "/v1/sessions?from=1&from=2",
             "/v1/sessions?from=99999999999999999999", "/v1/sessions?client=shop", "/metrics?x=1"]
)
def test_port_takes_no_other_query(port, path):
    status, _, body = port.request("GET", path)
    assert status == 400 and "query" in json.loads(body)["error"]


def test_port_tells_no_key_and_no_file(port):
    for path in ("/v1/overview", "/v1/mitigations", "/v1/sessions", "/v1/history"):
        body = port.request("GET", path)[2]
        assert "psk" not in body and ".pem" not in body and ".crt" not in body and str(ROOT) not in body
        assert "/run" not in body, "the program of a mitigator"


def test_page_allows_only_what_it_brings(port):
    for path in ("/", "/page.js", "/draw.js", "/page.css"):
        _, fields, _ = port.request("GET", path)
        policy = dict(part.strip().split(" ", 1) for part in fields["content-security-policy"].split(";"))
        assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
        assert policy.pop("frame-ancestors") == "'none'"
        assert set(policy) == {"script-src", "style-src", "connect-src", "img-src"} and set(policy.values()) == {"'self'"}
        assert fields["x-content-type-options"] == "nosniff" and fields["referrer-policy"] == "no-referrer"
    for path in ("/v1/overview", "/v1/mitigations"):
        _, fields, _ = port.request("GET", path)
        assert fields["cross-origin-resource-policy"] == "same-origin" and "access-control-allow-origin" not in fields


def test_page_names_nobody_else_and_writes_no_markup():
    for file in PAGE.iterdir():
        text = file.read_text()
        assert set(re.findall(r"\bhttps?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}, file
        if file.suffix == ".js":
            assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", text), file
        if file.suffix == ".html":
            assert not re.search(r"\bon\w+=|style=", text), file


@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/overview"])
def test_name_that_was_made_to_point_here_is_refused(port, path):
    """DNS rebinding: a page of attacker.example whose name is now our address would be of the same origin."""
    for host in ("attacker.example", "attacker.example:9646", "127.0.0.1.attacker.example", "localhost.attacker.example", "[::1"):
        assert port.request("GET", path, Host=host)[0] in (400, 421), host
    for host in ("127.0.0.1", f"{port.address}:{PORT}", "localhost:9646", "LOCALHOST", "[::1]:9646", "server.test:9646"):
        assert port.request("GET", path, Host=host)[0] == 200, host


def test_prometheus_of_another_machine_may_use_any_name(make_server):
    """Not on a loopback address: the counters are for whoever the network lets come, the page still is not."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        number = probe.getsockname()[1]
    port = Page(make_server(admin=ADMIN | {"metrics": f"0.0.0.0:{number}"}))
    assert port.request("GET", "/metrics", Host="gw1.internal:9646")[0] == 200
    assert port.request("GET", "/", Host="gw1.internal:9646")[0] == 421
    assert port.request("GET", "/v1/overview", Host="gw1.internal:9646")[0] == 421
    assert port.request("GET", "/", Host="192.0.2.1:9646")[0] == 200
