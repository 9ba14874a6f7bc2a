"""Files that two commands may reach for at once, or that a kill may interrupt the writing of."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from halab.kit.paths import cache_dir


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait until no other command of this user's does the same."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir() / f"{what}.lock"):
        yield


def write_atomically(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace the content of `path`, which is on disk when this returns. A reader finds the old or the new, whole.

    An OSError tells the path; nothing is left of what could not be written to its end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def publish(path: Path, content: str | bytes) -> None:
    """Write a file that is made to be handed out: the umask says who may read it (umask(2))."""
    write_atomically(path, content, 0o666)
