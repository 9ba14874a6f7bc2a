"""Files that two commands may use at once, or whose writing a kill may interrupt."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from halab.kit.paths import cache_dir


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait until no other command of this user's does the same. Others wait for the end of the `with`."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir() / f"{what}.lock"):
        yield


def write_atomically(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace the content of `path`. It is on disk when this returns, and a reader finds all of the old or of the new.

    An OSError names `path`. Nothing is left of content that could not be written completely.
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
    """Write a file that is made to be handed out. The umask says who may read it (umask(2))."""
    write_atomically(path, content, 0o666)
