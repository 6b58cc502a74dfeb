"""Hosts with real addresses and links that can be cut: network namespaces and pairs of virtual Ethernet devices.

A namespace has no name: it lives as long as a process that does nothing in it, which dies with the tests. So runs
at the same time cannot meet, nothing is left behind, and neither /run/netns nor /sys is needed, which a bare
chroot has not.
"""

import contextlib
import ipaddress
import os
import subprocess

import pytest

import network
from processes import spawn
from waiting import wait_for

LINKS = ipaddress.ip_network("198.18.0.0/15")  # for tests of devices: RFC 2544
HOSTS = ipaddress.ip_network("192.0.2.0/24")


class Refused(Exception):
    """This machine makes no namespaces."""


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.returncode}")


class Host:
    """A namespace; what is started `within` it sees its network only."""

    def __init__(self, name, address):
        self.name, self.address = name, str(address)
        self.keeper = spawn(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        own = os.readlink("/proc/self/ns/net")
        space = f"/proc/{self.keeper.pid}/ns/net"

        def settled():
            if self.keeper.poll() is not None:
                raise Refused(f"unshare --net: {self.keeper.stderr.read().decode().strip()}")
            with contextlib.suppress(FileNotFoundError):
                return os.readlink(space) != own

        wait_for(settled, f"the namespace of {name}")
        self.within = ["nsenter", f"--net={space}", "--"]
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", f"{self.address}/32", "dev", "lo")

    def ip(self, *words):
        command(*self.within, "ip", *words)

    def house(self, gateway):
        """The gateway runs here, at this host's address."""
        gateway.within, gateway.address, gateway.port = self.within, self.address, network.PORT
        gateway.configure(listeners=[{"address": self.address, "port": network.PORT, "transports": ["udp", "tcp"]}])
        return gateway

    def end(self):
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stderr.close()


class Link:
    """Two hosts beside each other, each with a route to the other's address."""

    def __init__(self, one, other, subnet):
        self.hosts, self.addresses = (one, other), [str(address) for address in subnet.hosts()]
        far_end = ["peer", "name", f"to-{one.name}", "netns", other.keeper.pid]
        one.ip("link", "add", f"to-{other.name}", "type", "veth", *far_end)
        self.restore()

    def device(self, host):
        return f"to-{self.hosts[host is self.hosts[0]].name}"

    def cut(self, at=None):
        """At one end: that host has no route any more; what the other one sends gets lost."""
        host = at or self.hosts[0]
        host.ip("link", "set", self.device(host), "down")

    def restore(self):
        (one, other), (near, far) = self.hosts, self.addresses
        ends = (one, near, other, far), (other, far, one, near)
        for host, address, _, _ in ends:
            host.ip("address", "replace", f"{address}/30", "dev", self.device(host))
            host.ip("link", "set", self.device(host), "up")
        for host, address, beyond, via in ends:
            host.ip("route", "replace", f"{beyond.address}/32", "via", via, "src", address)


class Network:
    """host(name) and link(one, other) make what they name."""

    def __init__(self):
        self._hosts, self._links = [], 0
        self._addresses, self._subnets = HOSTS.hosts(), LINKS.subnets(new_prefix=30)

    def host(self, name):
        self._hosts.append(Host(name, next(self._addresses)))
        return self._hosts[-1]

    def link(self, one, other):
        return Link(one, other, next(self._subnets))

    def end(self):
        for host in self._hosts:
            host.end()


@contextlib.contextmanager
def namespaces():
    """A Network, or the test is skipped where the kernel, or who runs the tests, may not have one."""
    made = Network()
    try:
        trial = made.host("trial"), made.host("trial2")
        made.link(*trial)
    except (Refused, OSError) as why:
        made.end()
        pytest.skip(f"no network namespaces here (they need root and veth devices): {why}")
    try:
        yield made
    finally:
        made.end()
