"""What halab says when it cannot write: which file system takes no more data, or which place is not the user's."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from halab.kit.paths import ROOT, cache_dir, state_dir

REMEDIES = {
    errno.ENOSPC: "make room there, or remove an instance that is not needed: inv lab --instance NAME down",
    errno.EDQUOT: "make room there, or remove an instance that is not needed: inv lab --instance NAME down",
    errno.EROFS: "mount it to be written to, or set XDG_STATE_HOME and XDG_CACHE_HOME to other places",
}
CUT_SHORT = re.compile(r"Wrote only \d+ of \d+ bytes")  # tar, where the disk becomes full within a record
NOT_OURS = (errno.EACCES, errno.EPERM, errno.ENOTDIR)
STORAGE = Path("/var/lib/containers")  # where podman keeps its data


def advice(error: BaseException) -> str | None:
    """Return which file system takes no more data, or where halab may not write, and what to do. Return None when the
    error has another cause.

    The causes of the error are looked at as well. A program that met a full disk says so in the words of strerror(3),
    or as tar does.
    """
    for cause in _causes(error):
        for number, remedy in REMEDIES.items():
            if isinstance(cause, OSError) and cause.errno == number:
                return f"{_place(cause.filename)} takes no more ({os.strerror(number)}); {remedy}"
            if os.strerror(number) in str(cause) or (number == errno.ENOSPC and CUT_SHORT.search(str(cause))):
                return f"{_place(None)} takes no more; {remedy}"
        if isinstance(cause, OSError) and isinstance(cause.filename, str) and (told := _not_ours(cause)):
            return told
    return None


def _not_ours(error: OSError) -> str | None:
    """Return which of halab's own directories cannot be used, and what to do; None when it is about none of them."""
    path = Path(error.filename)
    for own, variable in ((state_dir(), "XDG_STATE_HOME"), (cache_dir(), "XDG_CACHE_HOME")):
        on_the_way = path in (own, *own.parents, own / "selection.json")
        if (error.errno in NOT_OURS and (on_the_way or own in path.parents)) or (
            error.errno == errno.ENOENT and on_the_way
        ):
            reason = f"{os.strerror(error.errno)}: {path}"
            return f"{own} cannot be used ({reason}); set HOME, or {variable}, to a directory of your own"
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
