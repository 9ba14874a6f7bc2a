"""How long each fault takes the service away, with defaults and tuned: `.venv/bin/python bench/failover.py`, as root.

Medians of five, in one run on two instances of the lab failover, side by side; in seconds, the whole outage and its
phases. A fault whose outage does not end by itself is injected once. Takes an hour on a machine that does nothing else,
and less for the faults that are named on the command line; needs the image of debian12 (`./inv up` makes it).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

INV = Path(__file__).parent.parent / "inv"
ROUNDS = 5
PHASES = ("detect", "fence", "recover")
SETTINGS = ("defaults", "tuned")
Run = dict[str, Any]


class Refused(Exception):
    """inv failed, with its last sentence."""


def inv(settings: str, *arguments: str) -> str:
    select = ["lab", "--name", "failover", "--instance", settings, "--provider", "podman", "--distro", "debian12"]
    argv = [INV, *select, *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Refused((done.stdout + done.stderr).strip().rpartition("\n")[2])
    return done.stdout.partition("\n")[2]  # the first line tells what is selected


def measure(settings: str, fault: str) -> list[Run]:
    runs: list[Run] = []
    while len(runs) < ROUNDS and all(outage["ended"] for run in runs for outage in run["outages"]):
        runs += json.loads(inv(settings, "measure", fault, "--json"))["runs"]
    return runs


def median(runs: list[Run], value: Callable[[Run], float | None]) -> str:
    """Over the runs that have such a value; nothing where none has."""
    values = [found for found in map(value, runs) if found is not None]
    return f"{statistics.median(values):.1f}" if values else ""


def total(run: Run) -> float:
    return sum(float(outage["span"]["end"] - outage["span"]["start"]) for outage in run["outages"])


def phase(name: str) -> Callable[[Run], float | None]:
    """A phase of the run's first outage."""
    return lambda run: run["outages"][0]["phases"][name] if run["outages"] else None


def row(settings: str, fault: str) -> str:
    try:
        runs = measure(settings, fault)
    except Refused as reason:
        inv(settings, "reset")
        return f"{fault:<18} {settings:<9} {reason}"
    if not all(outage["ended"] for run in runs for outage in run["outages"]):
        return f"{fault:<18} {settings:<9}  no end"
    phases = " ".join(f"{median(runs, phase(name)):>7}" for name in PHASES)
    most = max(len(run["outages"]) for run in runs)
    if not most:
        return f"{fault:<18} {settings:<9}    none"
    return f"{fault:<18} {settings:<9} {median(runs, total):>7} {phases}   {most} at most"


def rows(settings: str) -> list[str]:
    """The lines of the table, of the faults that were asked for or of all."""
    try:
        inv(settings, "up")
        if settings == "tuned":
            inv(settings, "walk")
        faults = sys.argv[1:] or [fault["name"] for fault in json.loads(inv(settings, "faults", "--json"))]
        return [row(settings, fault) for fault in faults]
    finally:
        inv(settings, "down")


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        with ThreadPoolExecutor() as pool:
            tables = list(pool.map(rows, SETTINGS))
    print(f"{'fault':<18} {'settings':<9} {'outage':>7} {'detect':>7} {'fence':>7} {'recover':>7}   outages")
    print("\n".join(line for pair in zip(*tables, strict=True) for line in pair))


if __name__ == "__main__":
    sys.exit(main())
