"""A mitigator (driver exec) that a test leads by the hand."""

import json
import os
import pathlib

from waiting import wait_for

PROGRAM = pathlib.Path(__file__).with_name("mitigator_program.py")


class Mitigator:
    """What the gateway told it, and what it reports. One for each gateway."""

    def __init__(self, directory, name="scrubber"):
        self.name = name
        self.directory = directory / f"mitigator-{name}"
        self.directory.mkdir()
        os.mkfifo(self.directory / "say")
        self.program = self.directory / "run"
        self.program.write_text(f"#!/bin/sh\nexec /usr/bin/python3 -S '{PROGRAM}' '{self.directory}'\n")
        self.program.chmod(0o755)

    def config(self):
        return {"name": self.name, "driver": "exec", "exec": str(self.program)}

    # ---- What it was told ----

    @property
    def told(self):
        """All lines so far, oldest first; over restarts of the program as well."""
        try:
            text = (self.directory / "told").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def live(self):
        """The jobs that were started and not stopped, by id, as they were told last."""
        jobs = {}
        for line in self.told:
            if line["op"] == "stop":
                jobs.pop(line["id"], None)
            else:
                jobs[line["id"]] = line
        return jobs

    def prefixes(self):
        """Of all live jobs, each as a sorted list."""
        return sorted(sorted(job["scope"].get("target-prefix", [])) for job in self.live.values())

    def wait_told(self, condition, what, deadline=15):
        return wait_for(
            lambda: condition(self.told), lambda: f"the mitigator to be told {what}; it was told {self.told}", deadline
        )

    def wait_job(self, prefix, deadline=15):
        """The id of the live job for exactly this prefix."""

        def found():
            return [id for id, job in self.live.items() if job["scope"].get("target-prefix") == [prefix]]

        return wait_for(found, lambda: f"a job for {prefix}; the mitigator was told {self.told}", deadline)[0]

    def wait_prefixes(self, *prefixes, deadline=15):
        """Until the live jobs are one for each of these prefixes, and no other."""
        expected = sorted([prefix] for prefix in prefixes)
        wait_for(
            lambda: self.prefixes() == expected,
            lambda: f"jobs for {expected}; there are {self.prefixes()}, the mitigator was told {self.told}",
            deadline,
        )

    def wait_idle(self, deadline=15):
        wait_for(lambda: not self.live, lambda: f"the end of all jobs; the mitigator was told {self.told}", deadline)

    # ---- What it says ----

    def say(self, line):
        """Any text, as one line."""
        end = None

        def opened():
            nonlocal end
            try:
                end = os.open(self.directory / "say", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                return False
            return True

        wait_for(opened, "the mitigator to run")
        try:
            os.write(end, line.encode() + b"\n")
        finally:
            os.close(end)

    def matched(self, job, **aces):
        """What entries of a filter matched: name=(packets, octets)."""
        entries = [
            {"name": name, "statistics": {"matched-packets": packets, "matched-octets": str(octets)}}
            for name, (packets, octets) in aces.items()
        ]
        self.say(json.dumps({"id": job, "aces": {"ace": entries}}))

    def report(self, job, status=None, **counters):
        """counters: bytes, bps, pkts, pps."""
        report = {"id": job} | ({"status": status} if status is not None else {})
        self.say(json.dumps(report | {f"{name}-dropped": value for name, value in counters.items()}))
