"""What clients asked for, what was acknowledged to them, and what must therefore be true.

The ledger of a load (load.py), and the journal of the jobs at the server behind the gateway.
"""

import collections
import json
import time

from load import prefix_of, scopes_of
from waiting import wait_for

# What is withdrawn is listed for a while, so that its end can be read.
ENDED = ("dots-client-withdrawn-mitigation", "attack-mitigation-terminated")

BEGIN = "begin"


class Ledger:
    """Random requests of all sessions of a load. Every prefix is asked for under one mid only."""

    def __init__(self, load, random, most_live=12):
        self.load, self.random, self.most_live = load, random, most_live
        self.asked = {}  # (session, mid) -> prefix: put, not answered yet
        self.kept = {}  # acknowledged
        self.refreshing = set()  # of the kept ones: put again, not answered yet
        self.leaving = {}  # deleted, not answered yet
        self.gone = {}  # acknowledged to be gone
        self.listing = {}  # session -> (must be there, must not be there), while a get is under way
        self.statuses = {}  # (session, mid) -> what an observe said last
        self._mids = collections.Counter()

    # ---- Asking ----

    def put(self, session):
        self._mids[session] += 1
        key = session, self._mids[session]
        self.asked[key] = prefix_of(*key)
        self.load.put(*key, self.asked[key])

    def refresh(self, key):
        self.refreshing.add(key)
        self.load.put(*key, self.kept[key])

    def delete(self, key):
        self.leaving[key] = self.kept.pop(key)
        self.load.say("delete", *key)

    def observe(self, key):
        self.load.say("observe", *key)

    def get(self, session):
        """All of the session: what is acknowledged by now must be there."""
        self.listing[session] = (
            {key for key in self.kept if key[0] == session},
            {key for key in self.gone if key[0] == session},
        )
        self.load.say("get", session)

    def do_something(self):
        """A put, a refresh or a delete; the more there is, the rather a delete."""
        session = self.random.randrange(self.load.sessions)
        mine = [key for key in self.kept if key[0] == session and key not in self.refreshing]
        what = self.random.random()
        if mine and what < len(mine) / (2 * self.most_live):
            self.delete(self.random.choice(mine))
        elif mine and what > 0.85:
            self.refresh(self.random.choice(mine))
        else:
            self.put(session)

    # ---- Answers ----

    @property
    def waiting(self):
        return len(self.asked) + len(self.refreshing) + len(self.leaving) + len(self.listing)

    def take(self, event):
        """One event of the load. True when a request was acknowledged by it."""
        if event["event"] in ("up", "down", "alert"):
            return False
        if event["event"] == "status":
            self.statuses[event["session"], event["mid"]] = (scopes_of(event) or [{}])[0]
            return False
        assert event["event"] == "answer", event
        if event["op"] == "get":
            self._check_list(event)
            return False
        key = event["session"], event["mid"]
        if event["op"] == "delete":
            assert event["code"] == 202, event
            if key in self.leaving:
                self.gone[key] = self.leaving.pop(key)
        else:
            self._take_put(key, event)
        return True

    def _take_put(self, key, event):
        assert event["code"] in (201, 204), event
        if key in self.asked:
            self.kept[key] = self.asked.pop(key)
        else:
            self.refreshing.remove(key)

    def _check_list(self, event):
        session = event["session"]
        there, not_there = self.listing.pop(session)
        assert event["code"] in (205, 404), event
        scopes = [scope for scope in scopes_of(event) if scope["status"] not in ENDED]
        listed = {(session, scope["mid"]): scope["target-prefix"] for scope in scopes}
        missing = {key for key in there if key in self.kept} - listed.keys()
        assert not missing, f"acknowledged, and not there: {sorted(missing)}"
        back = not_there & listed.keys()
        assert not back, f"deleted, and there again: {sorted(back)}"
        for key, prefixes in listed.items():
            asked = self.kept.get(key) or self.asked.get(key) or self.leaving.get(key) or self.gone.get(key)
            assert prefixes == [asked], f"{key} asked for {asked}, there is {prefixes}"

    def settle(self, what, deadline):
        """Until everything is answered."""
        self.until(lambda: not self.waiting, lambda: f"{what}: {self.waiting} answers", deadline)

    def until(self, condition, what, deadline):
        """Takes events until condition() is true."""
        end = time.monotonic() + deadline
        while not condition():
            event = self.load.next(end)
            if event is None:
                raise AssertionError(f"waited {deadline} s in vain for {what() if callable(what) else what}")
            self.take(event)


class Journal:
    """The jobs of a mitigator (mitigator.py), read on as it grows: each prefix has one job, ever.

    A program that is started anew has no jobs until it is told of them (northbound/mitigator/mitigator.h), so
    each one begins with a line that says so, written when the one before it has ended.
    """

    def __init__(self, mitigator):
        self.file = mitigator.directory / "told"
        self.live = {}  # id -> prefix
        self.ids = {}  # prefix -> id
        self._offset, self._rest = 0, b""
        lock, program = mitigator.directory / "lock", mitigator.directory / "program"
        mitigator.program.rename(program)
        begin = f"echo '{BEGIN}' >>'{self.file}'; exec '{program}'"
        mitigator.program.write_text(f'#!/bin/sh\nexec flock \'{lock}\' sh -c "{begin}"\n')
        mitigator.program.chmod(0o755)

    def read(self):
        if not self.file.exists():
            return self
        with self.file.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.endswith(BEGIN.encode()):  # a server that was killed may leave half a line
                self.live.clear()
            else:
                self._take(json.loads(line))
        return self

    def _take(self, job):
        if job["op"] == "stop":
            self.live.pop(job["id"], None)
            return
        (prefix,) = job["scope"]["target-prefix"]
        first = self.ids.setdefault(prefix, job["id"])
        assert first == job["id"], f"{prefix} was installed twice: as job {first} and as job {job['id']}"
        self.live[job["id"]] = prefix

    def wait_job(self, prefix, deadline=15):
        wait_for(lambda: prefix in self.read().live.values(), lambda: f"a job for {prefix}: {self.live}", deadline)

    def wait_equal(self, prefixes, deadline=15):
        """Until exactly these have a job."""
        wanted = sorted(prefixes)
        wait_for(
            lambda: sorted(self.read().live.values()) == wanted,
            lambda: f"these jobs only: {wanted}; there are {sorted(self.live.values())}",
            deadline,
        )
