"""Waiting for conditions, never for a time."""

import time

SLICE = 0.02  # s between two looks
DEADLINE = 15  # s; a sanitizer build on a busy machine is slow


def wait_for(condition, what, deadline=DEADLINE):
    """Returns the first true result of condition(); fails, naming what was waited for, after the deadline."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise AssertionError(f"waited {deadline} s in vain for {text}")
        time.sleep(SLICE)


def never_within(condition, seconds, what):
    """For what must not happen: fails as soon as condition() is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        assert not result, f"{what}: {result}"
        time.sleep(SLICE)
