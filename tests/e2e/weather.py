"""The deployment that the bad weather tests put to the test: clients, a gateway, a server with a mitigator."""

from gateway import client_entry
from ledger import Journal, Ledger
from load import NO_LIMITS, Load, load_entries

AT_ONCE = {"initial": "0s", "max": "0s"}  # a deleted mitigation ends at once: its end can be waited for


class Deployment:
    """make(...) starts a part; parts end with stop(), in order."""

    def __init__(self, make_gateway, mitigator, pki, directory):
        self.make_gateway, self.mitigator, self.pki, self.directory = make_gateway, mitigator, pki, directory
        self.journal = Journal(mitigator)
        self.psk = pki.psk("load")
        self.server = self.gateway = self.load = self.ledger = None

    def start_server(self, **sections):
        gateway = client_entry("gw", "gw.test")
        gateway["scopes"] = {"prefixes": ["2001:db8::/32"]}
        gateway["limits"] = {"mitigations": 100000, "requests-per-second": 100000, "cuids": 1000}
        gateway["supplies-cdid"] = True
        sections = {"mitigators": [self.mitigator.config()], "clients": [gateway]} | sections
        self.server = self._make("server", sections)

    def start_gateway(self, sessions, upstream=None, through=None, **sections):
        """through: a LossyPath to the server, when not directly."""
        upstream = {"name": "up", "servers": [(through or self.server).server_entry()]} | (upstream or {})
        sections = {"clients": load_entries(self.psk, sessions), "upstreams": [upstream]} | sections
        self.gateway = self._make("gw", sections)

    def _make(self, name, sections):
        defaults = {"limits": NO_LIMITS, "active_but_terminating": AT_ONCE, "log": {"level": "info"}}
        return self.make_gateway(name, **(defaults | sections)).start()

    def start_load(self, sessions, random=None, through=None, **options):
        self.load = Load(self.directory, through or self.gateway, self.psk, sessions, **options)
        self.ledger = Ledger(self.load, random)

    def check_upstream(self, deadline=15):
        """What is acknowledged to clients, and nothing else, has its job at the server; once."""
        assert not self.ledger.waiting
        self.journal.wait_equal(self.ledger.kept.values(), deadline)

    def check_gateway(self, deadline=15):
        """What is acknowledged is there; what is gone is gone."""
        for session in range(self.load.sessions):
            self.ledger.get(session)
        self.ledger.settle("after a get of all", deadline)

    def stop(self):
        for part in (self.load, self.gateway, self.server):
            if part:
                part.stop()
