"""Redirect as the balancer: clients with a session each at one gateway, each asking for another mitigation every two
seconds, are sent to three others, a third to each, by `dotsgwctl redirect CLIENT`; and all of them to one by a drain. How
long until the last has its session there, how many came to each, what became of the requests, and how long they waited
meanwhile, beside how long they wait when nobody is moved. The clients are those of dots-client, in one process. One JSON
object a line on stdout, a table on stderr. balance.py [CLIENTS]"""

import json
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from control import ADMIN, Control  # noqa: E402
from gateway import Gateway  # noqa: E402
from load import NO_LIMITS, Load, load_entries, prefix_of  # noqa: E402
from mitigator import Mitigator  # noqa: E402
from pki import Pki  # noqa: E402

GAP = 2  # s between two requests of a client
QUIET = 5  # s before anybody is moved
PATIENCE = 60  # s
OTHERS = 3


class Population:
    """The clients: what they ask, and what they are answered."""

    def __init__(self, directory, server, psk, count, transport):
        self.count, self.load = count, Load(directory, server, psk, count, transport)
        self.asked, self.took, self.refused = 0, [], []
        self.begun = None
        self.ups = 0
        self.until(lambda: self.ups == count, ask=False)

    def until(self, condition, ask=True):
        """Goes on until then; s that it took."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < PATIENCE, f"{self.asked} asked, {len(self.took)} answered, {self.refused}"
            self.turn(ask)
        return time.monotonic() - begun

    def turn(self, ask=True):
        if ask:
            self.begun = self.begun or time.monotonic()
            while self.asked < (time.monotonic() - self.begun) * self.count / GAP:
                client, number = self.asked % self.count, self.asked // self.count + 1
                self.load.put(client, number, prefix_of(client, number))
                self.asked += 1
        event = self.load.next(time.monotonic() + 0.005)
        while event:
            if event["event"] == "up":
                self.ups += 1
            elif event["event"] == "answer":
                self.take(event)
            event = self.load.next(0)

    def take(self, event):
        self.took.append(event["ms"] if event.get("code") == 201 else PATIENCE * 1000)
        if event.get("code") != 201:
            self.refused.append(event)


def arrived(gateway):
    return len(set(gateway.logged(r" session-up: client (load\d+) on ")))


def tell(name, transport, count, seconds, taken, quiet, refused, shares):
    p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    figures = {"name": f"balance.{name}", "transport": transport, "clients": count, "figure": round(seconds, 2), "unit": "s"}
    figures |= {"shares": shares, "requests": len(taken), "refused": refused, "p50_ms": p50, "p99_ms": p99}
    figures |= {"most_ms": taken[-1], "reference": "nobody is moved"}
    figures |= {"reference_p50_ms": quiet[len(quiet) // 2], "reference_p99_ms": quiet[len(quiet) * 99 // 100]}
    print(json.dumps(figures), flush=True)
    print(
        f"{name:9} {transport:5} {seconds:7.2f} s   {'+'.join(map(str, shares)):>12}   {len(taken):6} requests, "
        f"{refused} refused   p50 {p50} ms   p99 {p99} ms   most {taken[-1]} ms",
        file=sys.stderr,
    )


def redirect(server):
    return {"alt-server": server.host, "addresses": [server.address], "ttl": "1h"}


def spread(first, others, population):
    """A third to each, one after the other: who has not asked yet would be told of the next one. s until the last has
    its session there."""
    control, begun = Control(first), time.monotonic()
    for place, other in enumerate(others):
        first.reload(redirect=redirect(other))
        clients = range(place, population.count, OTHERS)
        for client in clients:
            control.text("-y", "redirect", f"load{client}")
            population.turn()
        population.until(lambda to=other, those=clients: arrived(to) == len(those))
    return time.monotonic() - begun, list(map(arrived, others))


def drain(first, others, population):
    begun = time.monotonic()
    first.process.signal(signal.SIGUSR1)
    population.until(lambda: not first.running())
    return time.monotonic() - begun, [arrived(others[0])]


def measure(directory, pki, how, transport, count):
    psk, mitigator = pki.psk("load"), Mitigator(directory).config()
    sections = {"clients": load_entries(psk, count), "mitigators": [mitigator], "limits": NO_LIMITS, "log": {"level": "info"}}
    gateways = [Gateway(directory, name, pki.certificate(f"{name}.test"), sections) for name in ("a", "b", "c", "d")]
    first, *others = gateways
    first.configure(admin=ADMIN, redirect=redirect(others[0]))
    for gateway in gateways:
        gateway.start()
    try:
        population = Population(directory, first, psk, count, transport)
        end = time.monotonic() + QUIET
        population.until(lambda: time.monotonic() > end)
        before = len(population.took)
        seconds, shares = how(first, others, population)
        end = time.monotonic() + GAP
        population.until(lambda: time.monotonic() > end)
        population.until(lambda: len(population.took) >= population.asked, ask=False)
        quiet, taken = sorted(population.took[:before]), sorted(population.took[before:])
        tell(how.__name__, transport, count, seconds, taken, quiet, len(population.refused), shares)
        population.load.stop()
        for gateway in gateways:
            if gateway.running():
                gateway.stop()
    finally:
        for gateway in gateways:
            gateway.process.kill()


def main(count):
    for transport in ("udp", "tcp"):
        for how in (spread, drain):
            with tempfile.TemporaryDirectory() as folder:
                measure(pathlib.Path(folder), Pki(pathlib.Path(folder)), how, transport, count)


if __name__ == "__main__":
    assert os.environ.get("DOTSGW_BUILD_DIR"), "use ./dev bench balance"
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 240)
