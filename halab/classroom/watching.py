"""What a seat's job is while its instance is up: it has each new checkpoint brought home, and takes little memory.

It only looks at the times of files. What brings a checkpoint home is a process of its own, now and then.
"""

import os
import subprocess
import sys
from pathlib import Path

from halab.kit.wait import Clock, wait

LOOKS = 2.0  # seconds between two looks
AGAIN = 10.0  # seconds until what could not be brought home is tried again: somebody works, or the head is silent
FOR_EVER = float("inf")
Stamp = tuple[tuple[str, int], ...]


def stamp(directory: Path) -> Stamp:
    """Return which checkpoints an instance has, and of what time each is."""
    try:
        with os.scandir(directory / "checkpoints") as found:
            files = [file for file in found if file.name.endswith(".json") and not file.name.startswith(".")]
            return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in files))
    except FileNotFoundError:  # it is being made, or removed
        return ()


def watch(of_class: str, directory: Path, clock: Clock | None = None) -> None:
    """Bring each new checkpoint home, for ever."""
    shipped: Stamp = ()
    while True:
        known = shipped
        there = wait(
            lambda: stamp(directory),
            lambda there, known=known: there not in ((), known),  # type: ignore[misc]
            within=FOR_EVER,
            successes=1,
            interval=LOOKS,
            clock=clock,
        )
        if _ship(of_class, directory.name):
            shipped = there
        else:
            (clock or Clock()).sleep(AGAIN)


def _ship(of_class: str, instance: str) -> bool:
    argv = [sys.executable, "-P", "-m", "halab.classroom.shipping", of_class, instance]
    return subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    watch(sys.argv[1], Path(sys.argv[2]))
