"""dotsgw under test, in whichever role its configuration gives it."""

import json
import re
import signal

import network
from processes import SANITIZER_EXIT, Process, program, run, sanitizer_report
from waiting import wait_for

START = 60  # s
RELOADED = r" (notice reload|error reload-refused): (.*)"
DATA_PORT = 4443  # the address is nobody else's
PREFIXES = ["203.0.113.0/24", "2001:db8:6401::/48"]


def client_entry(name, *identities, **more):
    """An entry of `clients`; an identity is a Psk, or a text: the SAN of a certificate."""
    listed = [{"san": each} if isinstance(each, str) else each.config() for each in identities]
    entry = {"name": name, "identities": listed, "scopes": {"prefixes": PREFIXES, "fqdns": [f"*.{name}.test"]}}
    return entry | more


class Gateway:
    """One dotsgw: configuration, state and log below `directory`; reachable at `address` and `port`."""

    STARTED = r" notice start: "  # in its log

    def __init__(self, directory, name, certificate, sections, address=None, port=network.PORT):
        self.directory = directory / name
        self.directory.mkdir()
        self.name = name
        self.host = f"{name}.test"  # what its certificate says
        self.address = address or network.loopback()
        self.port = port
        self.state = self.directory / "state"
        self.file = self.directory / "dotsgw.yaml"
        self.process = None
        self.command = None  # another than the program of the build
        self.within = []  # what it is started by: a namespace of its own
        self.starts = 0
        self.data_port = None
        self.crashed = False
        self.sections = {
            "gateway": {"name": self.host, "state-dir": "state"},
            "tls": certificate.config(),
            "listeners": [{"address": self.address, "port": port, "transports": ["udp", "tcp"]}],
            "log": {"level": "debug"},
        }
        self.configure(**sections)

    def configure(self, **sections):
        """Replaces sections of the configuration (`gateway` is merged); in force at the next start."""
        for key, value in sections.items():
            key = key.replace("_", "-")
            if key == "gateway":
                self.sections[key] |= value
            elif value is None:
                self.sections.pop(key, None)
            else:
                self.sections[key] = value
        self.file.write_text(json.dumps(self.sections, indent=2) + "\n")  # JSON is YAML

    def server_entry(self):
        """How an upstream of somebody else's configuration names this one."""
        return {"host": self.host, "port": self.port, "addresses": [self.address]}

    def with_data_channel(self):
        """A listener of the data channel beside that of the signal channel."""
        self.data_port = DATA_PORT
        self.configure(
            listeners=[*self.sections["listeners"], {"channel": "data", "address": self.address, "port": self.data_port}]
        )
        return self

    # ---- Life ----

    def start(self):
        assert not self.running()
        self.starts += 1
        self.crashed = False
        files = self.directory / f"out.{self.starts}", self.directory / f"log.{self.starts}"
        self.process = Process([*self.within, *(self.command or [program("dotsgw")]), "-c", self.file], *files)
        wait_for(
            lambda: self.logged(self.STARTED) or not self.running(),
            lambda: f"the start of {self.name}: {self.log}",
            START,
        )
        assert self.running(), f"{self.name} did not start:\n{self.log}"
        return self

    def running(self):
        return self.process is not None and self.process.running()

    def stop(self, number=signal.SIGTERM):
        """Ends it in order, and checks that it was in order."""
        if self.running():
            self.process.signal(number)
        self.check_end()

    def check_end(self):
        status = self.process.wait()
        log = self.log
        report = sanitizer_report(log)
        assert not report and status != SANITIZER_EXIT, f"{self.name}, a sanitizer: {report or log[-4000:]}"
        assert "seccomp-refused" not in log, f"{self.name}: {re.findall('.*seccomp-refused.*', log)}"
        assert status == 0, f"{self.name} ended with {status}:\n{log[-4000:]}"

    def crash(self):
        """SIGKILL."""
        assert self.running()
        self.crashed = True
        self.process.kill()
        assert not sanitizer_report(self.log)

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, **sections):
        """SIGHUP, after these sections were replaced; returns what the log says of it."""
        before = len(self.logged(RELOADED))
        self.configure(**sections)
        self.process.signal(signal.SIGHUP)
        found = self.wait_log(RELOADED, before + 1)
        assert found[before][0] == "notice reload", found[before]
        return found[before][1]

    def reload_refused(self, **sections):
        """The same, when it is to be refused."""
        before = len(self.logged(RELOADED))
        self.configure(**sections)
        self.process.signal(signal.SIGHUP)
        found = self.wait_log(RELOADED, before + 1)
        assert found[before][0] == "error reload-refused", found[before]
        return found[before][1]

    def check(self):
        """dotsgw -t."""
        return run([program("dotsgw"), "-t", "-c", self.file])

    # ---- What it says ----

    @property
    def log(self):
        """Since the last start."""
        return self.process.err if self.process else ""

    def logged(self, pattern):
        return re.findall(pattern, self.log)

    def wait_log(self, pattern, count=1):
        """Waits for so many matches."""
        return wait_for(
            lambda: (found := self.logged(pattern)) and len(found) >= count and found,
            lambda: f"{pattern!r} in the log of {self.name}:\n{self.log[-3000:]}",
        )
