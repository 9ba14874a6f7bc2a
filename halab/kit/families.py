"""Ending a program together with everything it has started, in a node too. The host sees all of these processes."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE = 2.0  # seconds after SIGINT; a package manager, for example, finishes what it has in hand
PATIENCE = 5.0  # seconds after SIGKILL; a process that waits for a broken disk does not end
_running: set[int] = set()


@contextmanager
def running(leader: int) -> Iterator[None]:
    """Let `end_all` know, inside the `with`, of a program that leads a session of its own."""
    _running.add(leader)
    try:
        yield
    finally:
        _running.discard(leader)


def end_all() -> None:
    """End whatever other threads are running. Ctrl-C reaches the main thread only, and none of the programs."""
    end_family(*_running, asking=True)


def end_family(*leaders: int, asking: bool = False) -> None:
    """End these programs and their families: all of their descendants, and all that share a session with one of them.

    The programs lead a session, and are not waited for yet. SIGKILL is sent until none is left, but for at most
    PATIENCE seconds. With `asking`, SIGINT comes first, as by Ctrl-C, and SIGKILL only after GRACE seconds. A process
    that has made itself a daemon (a session of its own, and no parent) belongs to no family, on a node as anywhere.
    """
    began = time.monotonic()
    late = began + GRACE if asking else began
    sessions = set(leaders)  # these also find members that have lost their parents meanwhile
    if asking:
        _send(_family(leaders, sessions), signal.SIGINT)
    while (family := _family(leaders, sessions)) and (now := time.monotonic()) < late + PATIENCE:
        if now >= late:
            _send(family, signal.SIGKILL)
        time.sleep(0.005)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _family(leaders: Iterable[int], sessions: set[int]) -> set[int]:
    """Return the living members, and add their sessions to `sessions`. Zombies count as parents."""
    stats = {int(entry.name): _stat(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit()}
    known = {pid: stat for pid, stat in stats.items() if stat}
    family, before = set(leaders), 0
    while len(family) > before:
        before = len(family)
        family |= {pid for pid, (_, parent, session) in known.items() if parent in family or session in sessions}
        sessions |= {known[pid][2] for pid in family if pid in known} - {os.getsid(0), 0}
    return {pid for pid in family if pid in known and known[pid][0] not in "ZX"}


def _stat(pid: int) -> tuple[str, int, int] | None:
    """Return state, parent and session of a process, or None when it is gone.

    They come from /proc/PID/stat (proc(5)), which is not in the process's own memory.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[1]), int(fields[3])
