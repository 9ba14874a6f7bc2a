"""Files that two commands may use at once, or whose writing a kill may interrupt."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from halab.kit.errors import LabError
from halab.kit.paths import cache_dir, short

LARGEST = 2**20  # bytes of a file that people write


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait until no other command of this user's does the same. Others wait for the end of the `with`."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir() / f"{what}.lock"):
        yield


def read_small(path: Path) -> str:
    """Return the text of a file that people write. A byte order mark is left out.

    Raises LabError, with the file's name, when it is missing, no regular file, too large, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():  # to read a pipe, for example, would never end
            raise LabError(f"{short(path)}: expected a regular file, which it is not")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise LabError(f"{short(path)}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise LabError(f"{short(path)}: expected at most {LARGEST} bytes, and it has more")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LabError(f"{short(path)}: expected text in UTF-8: {error.reason} at byte {error.start}") from error


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


def readable(path: Path) -> int:
    """Return the mode of a file or directory that everybody may read, whatever umask(2) it was made with."""
    return 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644


def let_read(folder: Path) -> None:
    """Let everybody read a folder with all that is in it, as a node's users are others than the host's."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(readable(path))


def publish(path: Path, content: str | bytes) -> None:
    """Write a file that is made to be handed out. The umask says who may read it (umask(2))."""
    write_atomically(path, content, 0o666)


def remove_all(path: Path) -> None:
    """Remove a file, or a directory with all that is in it. A link is removed itself."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
