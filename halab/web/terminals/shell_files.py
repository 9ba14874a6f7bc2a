"""The files of a shell in its instance's directory: the socket of one that is open, and what one has left that ended.

Little is imported here, as each shell of the page has a process with this in it.
"""

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

from halab.web.terminals import frames
from halab.web.terminals.replay import Replay


def keep(file: Path, replay: Replay, last: dict[str, Any]) -> None:
    """Write what a shell has left: a line of JSON, and what it had printed."""
    try:
        head = json.dumps({**last, "start": replay.start}).encode() + b"\n"
        half = file.with_suffix(".half")
        half.write_bytes(head + replay.since(replay.start, replay.end))
        half.rename(file)
    except OSError:  # the instance is gone, or the disk is full
        return


def left(file: Path) -> tuple[Replay, dict[str, Any]] | None:
    """Return what a shell has left: its output, and how it ended; nothing when there was none."""
    try:
        head, _, printed = file.read_bytes().partition(b"\n")
        last = frames.said(head)
        return Replay(last.pop("start"), printed), last
    except (OSError, frames.Garbled, KeyError):
        return None


def listen(directory: Path, name: str) -> socket.socket | None:
    """Return a socket that listens; nothing when there is such a shell already.

    The path of the directory may be longer than that of a socket can be (unix(7)), so the way to it is short.
    """
    folder = os.open(directory, os.O_RDONLY)
    path = f"/proc/self/fd/{folder}/{name}.sock"
    found = socket.socket(socket.AF_UNIX)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # one at a time finds out whether there is one
        with socket.socket(socket.AF_UNIX) as other:
            if other.connect_ex(path) == 0:
                return None
        Path(path).unlink(missing_ok=True)
        before = os.umask(0o177)
        found.bind(path)
        os.umask(before)
        found.listen()
    finally:
        os.close(folder)
    return found
