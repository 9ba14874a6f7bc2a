"""Which instance each terminal used last, so that it is noticed when another terminal has selected another one.

terminals/<session>-<start>    a file for each terminal (its session, setsid(2)) that is still open
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from halab.kit.files import write_atomically
from halab.kit.paths import state_dir

STARTED = 19  # which word of /proc/PID/stat after the program's name says when it started, see proc(5)


def instance() -> str | None:
    """Return the instance that was used last on this terminal; None when there is no terminal, or none was used."""
    name = _terminal()
    try:
        return (_directory() / name).read_text() if name else None
    except OSError:
        return None


def note(used: str) -> None:
    """Remember that this terminal uses this instance. What is known of terminals that were closed is forgotten."""
    name = _terminal()
    if name is None or instance() == used:
        return
    with suppress(OSError):  # the disk may be full, and `inv down` has to free it
        write_atomically(_directory() / name, used)
        for file in _directory().iterdir():
            if not _is_open(file.name):
                file.unlink(missing_ok=True)


def _directory() -> Path:
    return state_dir() / "terminals"


def _terminal() -> str | None:
    if not sys.stdin.isatty():
        return None
    session = os.getsid(0)
    started = _started(str(session))
    return f"{session}-{started}" if started else None


def _is_open(name: str) -> bool:
    whole = name.strip(".").partition(".")[0]  # one that was being written begins with a dot
    session, _, started = whole.partition("-")
    return bool(started) and _started(session) == started


def _started(session: str) -> str | None:
    """Return when the first process of a session started; None when it has ended."""
    try:
        return (Path("/proc") / session / "stat").read_text().rpartition(")")[2].split()[STARTED]
    except (OSError, IndexError):
        return None
