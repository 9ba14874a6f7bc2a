"""How nodes' systems end by themselves: `reboot`, `poweroff` and `halt` that are typed there, and a PID 1 that dies.

The kernel ends the first process of a pid namespace by SIGHUP for a restart, and by SIGINT for a halt or a power-off
(reboot(2), "Behavior inside PID namespaces"). Podman keeps the exit status until the container is made ready again.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.wait import TimedOut, wait
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF
from halab.providers.podman.inside import Container

CLEAN = 30  # seconds that podman may take to clean up after a container
BY_SIGNAL = 128  # and the signal's number: the exit status of what a signal has ended
GAVE_UP = 255  # that of a systemd in a container which has caught the signal of a crash
CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)


def how(status: int) -> str | None:
    """Return how a system ended that left this exit status; None when it was killed from outside."""
    if status == BY_SIGNAL + signal.SIGHUP:
        return REBOOTS
    if status == BY_SIGNAL + signal.SIGKILL:
        return None
    if status == GAVE_UP or status - BY_SIGNAL in CRASHES:
        return CRASHED
    return SWITCHED_OFF


class Endings:
    """Those of an instance's nodes. `find` returns a node's container, `status` the exit status that it has left.

    In the instance's directory, `power-<node>.cut` tells of which boot the power was cut, so that nothing that comes
    late takes its end for the node's own. `power-<node>.on` is a FIFO, on which whoever waits for a node's end is told
    that the node has power again.
    """

    def __init__(self, directory: Path, find: Callable[[str], Container], status: Callable[[str], int | None]) -> None:
        self._directory = directory
        self._find = find
        self._status = status

    def note_cut(self, node: str) -> None:
        """Note that the power of a node is cut, whether its system runs or has ended by itself."""
        self._cut(node).write_text(self._boot(node))

    def note_begun(self, node: str) -> None:
        """Tell whoever waits in `each` that a node has power."""
        with suppress(OSError):  # nobody waits
            told = os.open(self._begun(node), os.O_WRONLY | os.O_NONBLOCK)
            os.write(told, b".")
            os.close(told)

    def last(self, node: str) -> str | None:
        """Return how the last system of a node ended by itself; None when its power was cut, or it runs."""
        container = self._find(node)
        if self._was_cut(node):
            return None
        with suppress(TimedOut):  # somebody may power it on meanwhile
            wait(
                lambda: bool(container.first_process()) or container.is_cleaned(),
                bool,
                within=CLEAN,
                successes=1,
                interval=0.02,
            )
        if container.first_process():
            return None
        status = self._status(node)
        return None if status is None or self._was_cut(node) else how(status)

    def each(self, node: str) -> Iterator[None]:
        """Yield when a node has no power, and whenever it has lost it again. To wait for that costs nothing."""
        fifo = self._begun(node)
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        begun = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # O_RDWR: its other end is never closed
        while True:
            with suppress(BlockingIOError):
                os.read(begun, select.PIPE_BUF)
            if (process := self.open_first_process(node)) is None:
                yield
                _wait_for(begun)
            else:
                _wait_for(process)
                os.close(process)

    def open_first_process(self, node: str) -> int | None:
        """Return a descriptor (pidfd_open(2)) of a node's first process; None when there is none.

        It is readable once the process has ended.
        """
        try:
            container = self._find(node)
            if (pid := container.first_process()) is None:
                return None
            process = os.pidfd_open(pid)
        except (LabError, ProcessLookupError):  # it has no container, or has just ended
            return None
        if container.first_process() == pid:
            return process
        os.close(process)
        return None

    def _was_cut(self, node: str) -> bool:
        try:
            return self._cut(node).read_text() == self._boot(node)
        except FileNotFoundError:
            return False

    def _boot(self, node: str) -> str:
        """Return what tells a node's last boot from all others: when its conmon began."""
        try:
            return str(self._find(node).monitor_file.stat().st_mtime_ns)
        except FileNotFoundError:
            return "none yet"

    def _cut(self, node: str) -> Path:
        return self._directory / f"power-{node}.cut"

    def _begun(self, node: str) -> Path:
        return self._directory / f"power-{node}.on"


def _wait_for(file: int) -> None:
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    waiting.poll()
