"""A bad path between two peers: the program lossy_relay, and what to tell it."""

import json
import subprocess

from processes import program, sanitizer_report, spawn
from waiting import wait_for


class LossyPath:
    """UDP datagrams to `address`:`port` go to the gateway it leads to, or get lost."""

    def __init__(self, directory, name, gateway, **weather):
        """weather: loss, loss_forward, loss_back, duplicate, reorder (0 to 1); delay, jitter (ms); seed."""
        self.gateway, self.host = gateway, gateway.host
        self.err = directory / f"path-{name}.err"
        arguments = [program("tests/lossy_relay"), "-l", "127.0.0.1:0", "-t", f"{gateway.address}:{gateway.port}"]
        for key, value in weather.items():
            arguments += [f"--{key.replace('_', '-')}", value]
        with self.err.open("wb") as err:
            self.process = spawn(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True)
        first = self._counts()
        self.address, port = first["listen"].rsplit(":", 1)
        self.port = int(port)

    def server_entry(self):
        """How an upstream of somebody's configuration names the gateway at the other end."""
        return self.gateway.server_entry() | {"addresses": [self.address], "port": self.port}

    def _counts(self):
        line = self.process.stdout.readline()
        assert line, f"the relay has ended: {self.err.read_text()}"
        return json.loads(line)

    def tell(self, *words):
        """For instance tell("loss", 1); what was passed so far comes back when it is in force."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._counts()

    def cut(self):
        return self.tell("loss", 1)

    def restore(self):
        return self.tell("loss", 0)

    def counts(self):
        return self.tell("counts")

    def wait_dropped(self, direction, count, deadline=30):
        """Waits until so many more datagrams were dropped: somebody sends into the void."""
        before = self.counts()[direction]["dropped"]
        wait_for(
            lambda: self.counts()[direction]["dropped"] >= before + count,
            lambda: f"{count} datagrams to be dropped {direction}: {self.counts()}",
            deadline,
        )

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.read()
        status = self.process.wait(20)
        text = self.err.read_text()
        assert status == 0 and not text, f"lossy_relay ended with {status}: {sanitizer_report(text) or text}"
