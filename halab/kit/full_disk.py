"""What halab says when a file system takes no more data: which one it is, and how to make room."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from halab.kit.paths import ROOT, cache_dir, state_dir

REMEDIES = {
    errno.ENOSPC: "make room there, or remove an instance that is not needed: inv lab --instance NAME down",
    errno.EDQUOT: "make room there, or remove an instance that is not needed: inv lab --instance NAME down",
    errno.EROFS: "mount it to be written to, or set XDG_STATE_HOME and XDG_CACHE_HOME to other places",
}
STORAGE = Path("/var/lib/containers")  # where podman keeps its data


def advice(error: BaseException) -> str | None:
    """Return which file system takes no more data, and what to do. Return None when the error has another cause.

    The causes of the error are looked at as well. A program that met a full disk says so in the words of strerror(3).
    """
    for cause in _causes(error):
        for number, remedy in REMEDIES.items():
            if isinstance(cause, OSError) and cause.errno == number:
                return f"{_place(cause.filename)} takes no more ({os.strerror(number)}); {remedy}"
            if os.strerror(number) in str(cause):
                return f"{_place(None)} takes no more; {remedy}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(file: str | os.PathLike[str] | int | None) -> str:
    if file is not None and not isinstance(file, int):
        return f"the file system at {_mount_point(Path(file))}, where {os.fspath(file)} is,"
    places = dict.fromkeys(_mount_point(path) for path in (state_dir(), cache_dir(), STORAGE, ROOT, Path("/tmp")))  # noqa: S108
    full = " and ".join(str(place) for place in places if _is_full(place))
    return f"the file system at {full}" if full else "a file system (see df)"


def _is_full(place: Path) -> bool:
    """Return whether others than root cannot write there: no block or inode is free for them (statvfs(3)), or it is
    read-only.
    """
    free = os.statvfs(place)
    return free.f_bavail == 0 or (free.f_files > 0 and free.f_favail == 0) or bool(free.f_flag & os.ST_RDONLY)


def _mount_point(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() or not path.is_mount():
        path = path.parent
    return path
