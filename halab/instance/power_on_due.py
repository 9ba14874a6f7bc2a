"""A power-on that a BMC has accepted and not carried out yet, kept beside its event log: it outlives the BMC."""

import time
from pathlib import Path

from halab.kit.files import write_atomically


class PowerOnDue:
    def __init__(self, event_log: Path) -> None:
        self._file = event_log.with_suffix(".due")

    def accept(self, seconds: float) -> None:
        """Note that the node is to be powered on in so many seconds."""
        write_atomically(self._file, str(time.time() + seconds))

    def forget(self) -> None:
        """It was carried out, or a power-off or a restore came in between."""
        self._file.unlink(missing_ok=True)

    def left(self) -> float | None:
        """The seconds that are left, at least 0, or None when nothing is due."""
        try:
            return max(0.0, float(self._file.read_text()) - time.time())
        except FileNotFoundError:
            return None
