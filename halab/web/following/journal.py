"""Following a node's journal on the loop, until the node loses its power or somebody stops."""

import asyncio
import os
from collections.abc import Callable
from functools import partial

from halab.measure.events import DAEMONS, Event, parse_journal
from halab.providers import Followed

SPEAKERS = (*DAEMONS, "pacemaker-schedulerd", "pacemakerd")
COMMAND = [  # --merge, as else only what has the boot id that the asking program sees is followed: the host's
    *("journalctl", "--follow", "--merge", "--lines=0", "--output=json", "--output-fields=MESSAGE", "--no-pager"),
    *(f"--identifier={speaker}" for speaker in SPEAKERS),
]
MOST = 16_384  # bytes that are read at once; anybody on a node may write to its journal, and without an end
PAUSE = 0.05  # seconds until more is read
LONGEST = 2_000  # bytes of a line: four times a daemon's; to look for events in more takes long


class Journal:
    """What a node's daemons say from now on. `tell` is called on the loop, with the events that are in it: none when
    they have said something else. `ended` is called once nothing more will come.
    """

    def __init__(
        self, node: str, followed: Followed, tell: Callable[[list[Event]], None], ended: Callable[[], None]
    ) -> None:
        self._node = node
        self._followed = followed
        self._tell = tell
        self._ended = ended
        self._begun = b""  # a line whose end has not come
        self._file = followed.output.fileno()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._file, False)
        self._loop.add_reader(self._file, self._read)
        self._later: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """End the program on the node. May be called again."""
        if self._followed.output.closed:
            return
        if self._later:
            self._later.cancel()
        self._loop.remove_reader(self._file)
        self._followed.end()
        self._followed.output.close()
        self._ended()

    def _read(self) -> None:
        try:
            data = os.read(self._file, MOST)
        except BlockingIOError:
            return
        if not data:
            self.stop()
            return
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[: LONGEST + 1]
        self._loop.remove_reader(self._file)
        self._later = self._loop.call_later(PAUSE, partial(self._loop.add_reader, self._file, self._read))
        if lines:
            self._tell([event for line in lines for event in _events(line, self._node)])


def _events(line: bytes, node: str) -> list[Event]:
    if len(line) > LONGEST:
        return []
    try:
        return parse_journal([line.decode(errors="replace")], node)
    except (ValueError, LookupError, TypeError, AttributeError):  # it is no line of journalctl
        return []
