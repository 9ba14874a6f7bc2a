"""What a command does when nobody reads what it prints, or when that cannot be written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from halab.kit.errors import Exit
from halab.kit.paths import ROOT

INV = [sys.executable, "-m", "invoke", "--search-root", str(ROOT)]


@pytest.mark.parametrize(
    "command",
    [
        ["labs"],
        ["labs", "--json"],
        ["faults"],
        ["lab", "--name", "failover"],
        ["show", "--step", "install"],
        ["status"],  # which says on the other output that nothing is up
        ["--list"],
        ["--help", "up"],
    ],
)
def test_a_command_whose_output_nobody_reads_ends_as_other_programs_do(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [*INV, *command], stdout=writer, stderr=subprocess.PIPE, env=buffered, text=True, timeout=50, check=False
    )

    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_output_that_is_lost_on_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*INV, "labs"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=50, check=False)

    assert done.returncode == Exit.LAB_BROKEN
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
