"""How many instructions a step of a request's way through the gateway takes: a slow change is seen on any machine.

The ceilings are an eighth above what gcc 12 of Debian 12 makes (RelWithDebInfo). A step that has become quicker
gets a lower ceiling; one that has to do more gets a higher one, in the change that makes it so and says why.
"""

import os
import re
import shutil
import subprocess

import pytest

from processes import program

FEW, MANY = 100, 300
CEILINGS = {
    "decode-request": 11300,
    "authorize": 1050,
    "plan-join": 38000,
    "encode-upstream": 5550,
    "decode-status": 14350,
    "notify": 8200,
}

pytestmark = pytest.mark.skipif(
    not shutil.which("valgrind") or not os.environ.get("DOTSGW_PLAIN_BUILD_DIR"),
    reason="needs valgrind, and in DOTSGW_PLAIN_BUILD_DIR a build without sanitizers",
)


def instructions(step, count):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [program("tests/hot_paths", "DOTSGW_PLAIN_BUILD_DIR"), step, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


@pytest.mark.parametrize("step", CEILINGS)
def test_instructions_of(step):
    each = (instructions(step, MANY) - instructions(step, FEW)) / (MANY - FEW)
    print(f"{step}: {each:.0f} of {CEILINGS[step]}")
    assert each > 100, "it does not do its step"
    assert each <= CEILINGS[step], f"{step} takes {each:.0f} instructions, {CEILINGS[step]} are allowed"
