"""Measure what a class costs on the site that is up: `.venv/bin/python bench/class.py [SEATS]`, as root on the head.

Gives so many learners (30, when none is said) a seat in ha-web, of which there must be no class yet, and takes those
away again. Prints each figure beside what it must reach. Takes some minutes, on machines that do nothing else.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halab.classroom import far, forwarding
from halab.kit.wait import wait

INV = Path(__file__).parent.parent / "inv"
LAB = "ha-web"
ROUNDS = 9
WITHIN = 1800  # seconds for all seats
# Prints how long the command takes by itself. $1: where halab is; $2: the instance; then the words after inv
ALONE = 'cd "$1" && export HALAB_INSTANCE=$2 TIMEFORMAT=%R && shift 2 && time ./inv "$@" >/dev/null'


def inv(*arguments: str) -> str:
    done = subprocess.run([INV, *arguments], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"inv {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def report(what: str, measured: float, limit: float, detail: str) -> None:
    verdict = "ok" if measured <= limit else "TOO SLOW"
    print(f"{what:<48} {measured:6.2f} s  at most {limit:g} s  {verdict:<8} {detail}", flush=True)


@contextmanager
def learners(names: list[str]) -> Iterator[None]:
    """Have a class of so many learners, and tell what it costs until all are up."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as roster:
        roster.write("\n".join(["name", *names, ""]))
        roster.flush()
        began = time.time()
        inv("class", "up", LAB, "--learners", roster.name)
    try:
        seats = until_all_are_up()
        slowest = max(seats.values())
        report(f"class up of {len(names)} seats, more than one", time.time() - began - slowest, 60, f"{slowest:.1f} s")
        yield
    finally:
        inv("class", "down", "--lab", LAB)


def until_all_are_up() -> dict[str, float]:
    """Return how many seconds each seat took from when Slurm began it, by name."""
    took: dict[str, float] = {}

    def look() -> dict[str, Any]:
        rows: list[dict[str, Any]] = json.loads(inv("class", "status", "--lab", LAB, "--json"))["learners"]
        now, since = time.time(), begun()
        for row in rows:
            if "passed" in (row["progress"] or {}):
                took.setdefault(row["learner"], now - since[row["instance"]])
        return {row["learner"]: row["state"] for row in rows if row["learner"] not in took}

    wait(look, lambda left: not left, within=WITHIN, successes=1, interval=1)
    return took


def begun() -> dict[str, float]:
    """Return when each seat began, in seconds since the epoch, by instance."""
    forwarding.use_site()
    argv = ["squeue", "--noheader", "--states=RUNNING", "--format=%j %S"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    pairs = [line.split() for line in lines]
    return {name: time.mktime(time.strptime(at, "%Y-%m-%dT%H:%M:%S")) for name, at in pairs}


def alone(seat: forwarding.Seat, *words: str) -> float:
    """Seconds that a command of inv takes on the machine of a seat."""
    step = ["srun", f"--jobid={seat.job}", "--overlap", "--nodes=1", "--ntasks=1", "--mem=0", "--export=NONE"]
    own = far.argv(
        {far.STATE_HOME: os.environ.get(far.STATE_HOME, "")},
        "bash",
        "-c",
        ALONE,
        "bash",
        seat.directory,
        seat.learner,
        *words,
    )
    done = subprocess.run([*step, *own], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return float(done.stderr.split()[-1])


def do(name: str) -> None:
    """Tell what `inv class do` costs besides the command."""
    seat = forwarding.find(name, print)
    itself, forwarded = [], []
    for _ in range(ROUNDS):
        itself.append(alone(seat, "status"))
        began = time.monotonic()
        inv("class", "do", name, "--", "status")
        forwarded.append(time.monotonic() - began)
    one, other = statistics.median(forwarded), statistics.median(itself)
    report("class do, more than the command itself", one - other, 0.15, f"{one:.2f} s and {other:.2f} s")


def main(seats: int) -> None:
    names = [f"bench{number:02}" for number in range(1, seats + 1)]
    with learners(names):
        do(names[0])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
