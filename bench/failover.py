"""How long each fault takes the service away, with defaults and tuned: `.venv/bin/python bench/failover.py`, as root.

Medians of five, in one run on the lab failover, each in seconds: the whole outage and its phases. Takes 40 minutes on a
machine that does nothing else; needs the image of debian12 (`./inv up` makes it).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

INV = Path(__file__).parent.parent / "inv"
FAULTS = ("standby", "power-cut", "freeze", "kill-corosync", "service-crash", "service-hang")
ROUNDS = 5
PHASES = ("detect", "fence", "recover")


def inv(*arguments: str) -> str:
    done = subprocess.run([INV, *arguments], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"inv {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def median(runs: list[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]) -> str:
    """Over the runs that have such a value; nothing where none has."""
    values = [found for found in map(value, runs) if found is not None]
    return f"{statistics.median(values):.1f}" if values else ""


def total(run: dict[str, Any]) -> float:
    return sum(float(outage["span"]["end"] - outage["span"]["start"]) for outage in run["outages"])


def phase(name: str) -> Callable[[dict[str, Any]], float | None]:
    """A phase of the run's first outage."""
    return lambda run: run["outages"][0]["phases"][name] if run["outages"] else None


def table(settings: str) -> None:
    for fault in FAULTS:
        runs = json.loads(inv("measure", fault, "--repeat", str(ROUNDS), "--json"))["runs"]
        outages = max(len(run["outages"]) for run in runs)
        phases = " ".join(f"{median(runs, phase(name)):>7}" for name in PHASES)
        print(f"{fault:<15} {settings:<9} {median(runs, total):>7} {phases}   {outages} at most", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        inv("lab", "--name", "failover", "--provider", "podman", "--distro", "debian12", "up")
        try:
            print(f"{'fault':<15} {'settings':<9} {'outage':>7} {'detect':>7} {'fence':>7} {'recover':>7}   outages")
            table("defaults")
            inv("walk")
            table("tuned")
        finally:
            inv("down")


if __name__ == "__main__":
    main()
