"""dots-client as a program: its commands and what they answer."""

import json
import re
import secrets
import subprocess

from pki import Psk
from processes import SANITIZER_EXIT, Process, program, run, sanitizer_report
from waiting import wait_for

MODULE = "ietf-dots-signal-channel:"
ANSWER = re.compile(r"^(?:< )?(\d\.\d\d) ?([^,:\n]*)(?:, Max-Age (\d+))?(?:: (.*))?$", re.M)


class Answer:
    """One answer: code "2.01", exit status, JSON body, reason (a diagnostic payload), Max-Age."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        found = ANSWER.search(err)
        self.code = found[1] if found else None
        self.max_age = int(found[3]) if found and found[3] else None
        self.reason = found[4] or "" if found else ""
        self.json = json.loads(out) if out.strip() else None

    @property
    def scopes(self):
        return self.json[MODULE + "mitigation-scope"]["scope"]

    @property
    def scope(self):
        (scope,) = self.scopes
        return scope

    @property
    def conflict(self):
        return self.scope["conflict-information"]

    @property
    def config(self):
        return self.json[MODULE + "signal-config"]

    def __repr__(self):
        return f"<{self.code} exit {self.status}: {self.reason or self.json or self.err}>"


def json_objects(text):
    """One after the other; the last may be cut off."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return
        yield value


class Running:
    """dots-client that goes on (observe, hold)."""

    def __init__(self, arguments, directory):
        stem = directory / f"client-{secrets.token_hex(4)}"
        self.process = Process(arguments, f"{stem}.out", f"{stem}.err")

    @property
    def bodies(self):
        """The JSON bodies so far."""
        return list(json_objects(self.process.out))

    @property
    def statuses(self):
        """The status of the only mitigation of each notification."""
        return [body[MODULE + "mitigation-scope"]["scope"][0].get("status") for body in self.bodies]

    def wait(self, condition, what, deadline=20):
        """Waits until condition(bodies) is true."""
        return wait_for(
            lambda: condition(self.bodies), lambda: f"{what}; so far: {self.process.out}{self.process.err}", deadline
        )

    def wait_status(self, *statuses, deadline=20):
        """Waits until these statuses have been told, in this order, others between them."""

        def told(_):
            rest = iter(self.statuses)
            return all(status in rest for status in statuses)

        return self.wait(told, f"the statuses {statuses}", deadline)

    def wait_session(self):
        wait_for(lambda: "session with" in self.process.err, lambda: f"a session: {self.process.err}")
        return self

    def stop(self, number=15):
        if self.process.running():
            self.process.signal(number)
        status = self.process.wait()
        report = sanitizer_report(self.process.err)
        assert not report and status != SANITIZER_EXIT, report
        return status

    def vanish(self):
        """Dies without a word to the server."""
        self.process.kill()


class Client:
    """Somebody who uses dots-client towards one gateway."""

    def __init__(self, gateway, credentials, directory, transport="udp", cuid=None, started=None):
        self.gateway, self.credentials, self.directory = gateway, credentials, directory
        self.transport, self.cuid = transport, cuid
        self.started = started if started is not None else []
        self.within = []  # what it is started by: a namespace of its own

    def arguments(self, *words):
        argv = [*self.within, program("dots-client"), "-s", f"{self.gateway.host}:{self.gateway.port}"]
        argv += ["-a", self.gateway.address]
        if self.transport:
            argv += ["-T", self.transport]
        if isinstance(self.credentials, Psk):
            argv += ["-u", self.credentials.identity, "-K", self.credentials.file]
        else:
            argv += ["-c", self.credentials.cert, "-k", self.credentials.key, "-C", self.credentials.anchors]
        if self.cuid:
            argv += ["-i", self.cuid]
        return argv + list(words)

    def run(self, *words, body=None):
        """One command; body is JSON for its standard input."""
        options = {"input": json.dumps(body).encode()} if body is not None else {"stdin": subprocess.DEVNULL}
        done = run(self.arguments(*words), **options)
        out, err = done.stdout.decode(), done.stderr.decode(errors="replace")
        report = sanitizer_report(err)
        assert not report and done.returncode != SANITIZER_EXIT, f"dots-client, a sanitizer: {report or err}"
        return Answer(done.returncode, out, err)

    def start(self, *words):
        running = Running(self.arguments(*words), self.directory)
        self.started.append(running)
        return running

    # ---- Commands ----

    def put(self, mid, *prefixes, lifetime=None, flags=(), command="put"):
        words = [command, str(mid)]
        for prefix in prefixes:
            words += ["-p", prefix]
        if lifetime is not None:
            words += ["-l", str(lifetime)]
        return self.run(*words, *flags)

    def put_json(self, mid, scope, command="put"):
        """A request with anything in it that JSON can say."""
        scopes = scope if isinstance(scope, list) else [scope]
        return self.run(command, str(mid), "-", body={MODULE + "mitigation-scope": {"scope": scopes}})

    def efficacy(self, mid, *prefixes, flag="--under-attack", lifetime=None, flags=()):
        return self.put(mid, *prefixes, lifetime=lifetime, flags=(flag, *flags), command="efficacy")

    def get(self, mid=None, content=None):
        words = ["get"] + ([str(mid)] if mid is not None else [])
        return self.run(*words, *(["--content", content] if content else []))

    def status(self, mid):
        """The status of one mitigation, None when it is not there."""
        answer = self.get(mid)
        return answer.scope["status"] if answer.code == "2.05" else None

    def delete(self, mid):
        return self.run("delete", str(mid))

    def observe(self, mid=None, *flags):
        return self.start("observe", *([str(mid)] if mid is not None else []), *flags)

    def hold(self):
        return self.start("hold").wait_session()

    def heartbeat(self):
        return self.run("hb")

    def config_get(self, sid=None):
        return self.run("config", "get", *([str(sid)] if sid is not None else []))

    def config_put(self, sid, **sets):
        body = {MODULE + "signal-config": {key.replace("_", "-"): value for key, value in sets.items()}}
        return self.run("config", "put", str(sid), "-", body=body)

    def config_delete(self, sid=None):
        return self.run("config", "delete", *([str(sid)] if sid is not None else []))
