"""The processor time of everything that this process has started, and that was started by that, daemons too."""

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends: what they have taken is counted once they end."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def spent() -> float:
    """Seconds so far, of all descendants that have ended and that live. No child may be waited for elsewhere now."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_taken, _descendants()))


def _descendants() -> set[int]:
    parents = {int(entry.name): parent for entry in Path("/proc").glob("[0-9]*") if (parent := _parent(entry))}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _parent(process: Path) -> int:
    try:
        return int(_stat(process)[1])
    except OSError:
        return 0


def _taken(pid: int) -> float:
    """By a process, and by those of its children that have ended and were waited for (proc(5))."""
    try:
        return sum(map(int, _stat(Path(f"/proc/{pid}"))[11:15])) * TICK
    except OSError:
        return 0.0


def _stat(process: Path) -> list[str]:
    """What stands behind the name: state, parent ..."""
    return (process / "stat").read_text().rpartition(")")[2].split()
