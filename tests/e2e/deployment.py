"""A deployment of the operator's guide, started as it stands: its configurations with their addresses, in a
network of their own; certificates and keys are made at the paths that the configurations name."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from client import Client
from gateway import Gateway
from processes import program, run, spawn
from waiting import wait_for

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "deployments"


class Namespace:
    """Network and mounts that nobody else sees; /var/lib and /run are empty there, and the addresses are local."""

    def __init__(self, addresses):
        own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
        self.holder = spawn(["unshare", *own_user, "--net", "--mount", "sleep", "infinity"], stderr=subprocess.PIPE)
        user = ["-U", "--preserve-credentials"] if own_user else []
        self.within = ["nsenter", "-t", str(self.holder.pid), *user, "-n", "-m", "--"]
        ours = os.readlink("/proc/self/ns/net")
        wait_for(lambda: self.other_than(ours), lambda: "a network namespace (unshare, as root or with user namespaces)")
        self.do("ip", "link", "set", "lo", "up")
        for address in addresses:
            self.do("ip", "address", "add", f"{address}/32", "dev", "lo")
        for folder in ("/var/lib", "/run"):
            self.do("mount", "-t", "tmpfs", "tmpfs", folder)
        self.do("mkdir", "/run/dotsgw")  # as the units and the container do

    def other_than(self, ours):
        if self.holder.poll() is not None:  # a bare chroot, whose root is no mount, or neither root nor user namespaces
            pytest.skip(f"no namespaces of network and mounts here: {self.holder.stderr.read().decode().strip()}")
        program_name = pathlib.Path(f"/proc/{self.holder.pid}/comm").read_text().strip()
        return program_name == "sleep" and os.readlink(f"/proc/{self.holder.pid}/ns/net") != ours

    def do(self, *words):
        done = run([*self.within, *words])
        assert done.returncode == 0, (words, done.stderr)

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Deployed(Gateway):
    """One configuration of a deployment."""

    STARTED = r' notice start: |"event":"start"'

    def __init__(self, deployment, file, directory):
        text = file.read_text()
        self.file, self.name = file, file.stem
        self.directory = directory / f"{file.stem}-of-{file.parent.name}"
        self.directory.mkdir()
        self.host = re.search(r"^  name: (\S+)", text, re.M)[1]
        self.state_dir = re.search(r"^  state-dir: (\S+)", text, re.M)[1]
        self.process, self.starts, self.crashed = None, 0, False
        self.deployment = deployment
        self.within, self.command = deployment.namespace.within, None
        listener = re.search(r"^listeners:\n  - \{ address: \"?([^,\"]+)\"?, port: (\d+)", text, re.M)
        self.address, self.port = listener[1], int(listener[2])

    def check(self):
        return run([*self.within, program("dotsgw"), "-t", "-c", self.file])

    def start(self):
        self.deployment.namespace.do("mkdir", "-p", self.state_dir)
        return super().start()


class Deployment:
    def __init__(self, name, directory, pki):
        self.pki = pki
        self.folder = directory / name
        shutil.copytree(GUIDE / name, self.folder)
        files = sorted(self.folder.glob("*.yaml"))
        texts = [file.read_text() for file in files]
        addresses = sorted(set(re.findall(r"\b(?:10|192)\.\d+\.\d+\.\d+\b", "".join(texts))))
        self.namespace = Namespace(addresses)
        for text in texts:
            self.make_keys(text)
        self.gateways = {file.stem: Deployed(self, file, directory) for file in files}

    def make_keys(self, text):
        """NAME.pem and NAME.key are of NAME; *.psk are keys."""
        for kind, name in re.findall(r"\b(certificate|trust-anchors|key-file): (\S+?)(?=\s|\}|$)", text):
            path = self.folder / name
            if kind == "certificate":
                made = self.pki.certificate(path.stem)
                shutil.copy(made.cert, path)
                shutil.copy(made.key, path.with_suffix(".key"))
                shutil.copy(made.anchors, self.folder / "ca.pem")
            elif kind == "key-file":
                shutil.copy(self.pki.psk(path.stem).file, path)

    def __getitem__(self, name):
        return self.gateways[name]

    def start(self, *names):
        for name in names:
            assert self[name].check().returncode == 0
            self[name].start()

    def operator(self, *words):
        """What dotsgwctl says, asked where the packages have the socket."""
        done = run([*self.namespace.within, program("dotsgwctl"), *words])
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def page(self, path=""):
        """What the port for people says, where each deployment has it."""
        done = run([*self.namespace.within, "curl", "-fsS", f"http://127.0.0.1:9646/{path}"])
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def follow(self, pattern):
        """Commands of its README that match, as they stand there."""
        lines = [line for line in (self.folder / "README.md").read_text().splitlines() if re.match(pattern, line)]
        assert lines, pattern
        return [(line, run([*self.namespace.within, "bash", "-euo", "pipefail", "-c", line])) for line in lines]

    def client(self, gateway, name, directory, address=None):
        """Whoever has NAME.psk, or the certificate of that name."""
        if name.endswith(".psk"):
            credentials = self.pki.psk(name.removesuffix(".psk"))
        else:
            credentials = self.pki.certificate(name)
        client = Client(self[gateway], credentials, directory)
        client.within = self.namespace.within
        if address:
            self[gateway].address = address
        return client

    def close(self):
        try:
            for gateway in self.gateways.values():
                if gateway.process:
                    gateway.stop()
        finally:
            for gateway in self.gateways.values():
                if gateway.process:
                    gateway.process.kill()
            self.namespace.close()
