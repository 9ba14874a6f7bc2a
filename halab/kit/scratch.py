"""Directories to work in. A process that is killed leaves its own; the next one that works there removes that."""

import glob
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from halab.kit.files import remove_all
from halab.kit.process import is_alive


@contextmanager
def scratch(place: Path, name: str) -> Iterator[Path]:
    """Yield a new directory below `place`, which is made if need be; it is removed afterwards."""
    place.mkdir(parents=True, exist_ok=True)
    remove_left(place, name)
    made = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=f".{os.getpid()}", dir=place))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_left(place: Path, name: str) -> None:
    """Remove what processes that were killed have left below `place`: what is called .NAME, and their number last."""
    for left in place.glob(f".{glob.escape(name)}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            with suppress(OSError):  # it is somebody else's
                remove_all(left)


def end_in_order() -> None:
    """Have SIGTERM end this process as Ctrl-C would, with what it has to do at its end."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
