"""Files that two commands may reach for at once, or that a kill may interrupt the writing of."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from halab.paths import cache_dir


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait until no other command of this user's does the same."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir() / f"{what}.lock"):
        yield


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of `path`, which is on disk when this returns. A reader finds the old or the new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)
