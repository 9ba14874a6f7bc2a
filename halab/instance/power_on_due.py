"""What a BMC has accepted and not carried out yet, and whether it may: files beside its event log that outlive it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from halab.kit.errors import LabError
from halab.kit.files import write_atomically


class OutOfService(LabError):
    """The nodes are being restored: no BMC switches them meanwhile."""


class PowerOnDue:
    """The power-on that is due."""

    def __init__(self, event_log: Path) -> None:
        self._file = event_log.with_suffix(".due")

    def accept(self, seconds: float) -> None:
        """Note that the node is to be powered on in so many seconds."""
        write_atomically(self._file, str(time.time() + seconds))

    def forget(self) -> None:
        """Forget it: it was carried out, or a power-off or a restore came in between."""
        self._file.unlink(missing_ok=True)

    def at(self) -> float | None:
        """Return when the node is to be powered on, in seconds since the epoch, or None when nothing is due."""
        try:
            return float(self._file.read_text())
        except FileNotFoundError:
            return None

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0, or None when nothing is due."""
        at = self.at()
        return None if at is None else max(0.0, at - time.time())


@contextmanager
def switching(event_log: Path) -> Iterator[None]:
    """Let a BMC switch its node's power. Raises OutOfService when a restore holds the switch."""
    try:
        lock = _switch(event_log).acquire(timeout=0)
    except Timeout:
        raise OutOfService("the node is being restored") from None
    with lock:
        yield


@contextmanager
def out_of_service(event_log: Path, within: float) -> Iterator[None]:
    """Wait for what a BMC is about, forget what is due, and keep it from switching its node's power.

    Raises TimeoutError when it is not through within so many seconds.
    """
    with _switch(event_log).acquire(timeout=within):  # its Timeout is a TimeoutError
        PowerOnDue(event_log).forget()
        yield


def _switch(event_log: Path) -> FileLock:
    event_log.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(event_log.with_suffix(".lock"))
