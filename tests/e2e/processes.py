"""Processes under test: they end with the test, and their sanitizers are heard."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess

from waiting import wait_for

SANITIZER = re.compile(r"runtime error:|ERROR: (Address|Leak)Sanitizer|SUMMARY: \w*Sanitizer")
SANITIZER_EXIT = 99
END = 60  # s for an orderly end
COMMAND = 30  # s for a command

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def program(name, build="DOTSGW_BUILD_DIR"):
    folder = os.environ.get(build)
    assert folder, f"{build} is not set: run ./dev test e2e, or point it at a build"
    path = pathlib.Path(folder) / name
    assert path.exists(), f"{path} is not built"
    return str(path)


def openssl():
    return shutil.which("openssl")


def environment():
    """One environment for all: sanitizers report and go on to the end, with an exit status of their own."""
    env = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    env["ASAN_OPTIONS"] = (
        f"abort_on_error=0:exitcode={SANITIZER_EXIT}:detect_leaks=1:strict_string_checks=1:intercept_strndup=0"
    )
    env["UBSAN_OPTIONS"] = f"print_stacktrace=1:exitcode={SANITIZER_EXIT}"
    return env


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(arguments, **options):
    """Popen; the process does not outlive the one that runs the tests."""
    options.setdefault("env", environment())
    return subprocess.Popen([str(argument) for argument in arguments], preexec_fn=die_with_parent, **options)


def run(arguments, **options):
    """A command to its end. SIGKILL ends one that hangs, and the test fails."""
    options.setdefault("timeout", COMMAND)
    options.setdefault("env", environment())
    return subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, preexec_fn=die_with_parent, **options
    )


def sanitizer_report(text):
    found = SANITIZER.search(text)
    return text[max(0, found.start() - 200) :] if found else None


class Process:
    """A long-running program; what it writes lies in files, so that it never blocks on us."""

    def __init__(self, arguments, out, err, stdin=subprocess.DEVNULL):
        self.out_file, self.err_file = pathlib.Path(out), pathlib.Path(err)
        with open(out, "ab") as stdout, open(err, "ab") as stderr:
            self.popen = spawn(arguments, stdout=stdout, stderr=stderr, stdin=stdin)

    @property
    def out(self):
        return self.out_file.read_text(errors="replace")

    @property
    def err(self):
        return self.err_file.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, deadline=END):
        wait_for(lambda: not self.running(), lambda: f"the end of {self.popen.args[0]}:\n{self.err[-4000:]}", deadline)
        return self.popen.returncode

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()
