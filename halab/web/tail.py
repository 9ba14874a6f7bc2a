"""Reading an instance's event log (docs/events.md) from any place on, while commands write to it."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from halab.instance.event_log import NAME

AT_ONCE = 2**18  # bytes that are read at once, so that memory is bounded
LONGEST = 2**20  # bytes of a line, above which it is no event
LAST = 2_000  # events of the present command that somebody who has seen none is told
OF_SHELLS = ("ssh", "copy")  # these go on beside commands, and are not what the page is about


@dataclass(frozen=True)
class Told:
    """An event, and the place in the log after it, where to go on."""

    event: dict[str, Any]
    at: int


class Tail:
    """One reader of the log of an instance. `after` is where it goes on; without it the present command is told.

    When the log is full and another one begins, what is left of the old one is read first. A log that is removed with
    its instance is waited for.
    """

    def __init__(self, directory: Path, after: int | None = None) -> None:
        self._path = directory / NAME
        self._after = after
        self._file: FileIO | None = None
        self._rest = b""
        self._skipped = 0  # bytes of a line that is too long to be an event
        self._first: list[Told] = []
        self._at_end: object = object()  # what the log was like when all of it had been read

    def may_have_more(self) -> bool:
        """Return whether the log has changed since it was read to its end. Takes microseconds, so the loop may ask."""
        return self._found() != self._at_end

    def read(self) -> list[Told]:
        """Return what is new. Blocks as reading a file does."""
        found = self._found()
        told = self._read()
        another = self._file is None and found is not None  # which is to be opened
        self._at_end = object() if told or another else found
        return told

    def _found(self) -> object:
        try:
            there = self._path.stat()
        except OSError:
            return None
        return there.st_dev, there.st_ino, there.st_size

    def _read(self) -> list[Told]:
        if self._file is None:
            self._open()
        if self._first:
            first, self._first = self._first, []
            return first
        if self._file is None:
            return []
        while data := self._file.read(AT_ONCE):
            if found := self._lines(data):
                return found
        self._open_the_next()
        return []

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        try:
            current = self._path.open("rb", buffering=0)
        except OSError:
            return
        after, self._after = self._after, 0  # of whatever log follows, all is new
        if after is None:
            self._begin_with_the_present_command(current)
            return
        if not _is_end_of_line(current, after):
            before = self._path.with_name(f"{NAME}.1")
            with suppress(OSError):
                old = before.open("rb", buffering=0)
                if _is_end_of_line(old, after):
                    current.close()
                    current = old
                else:
                    old.close()
                    after = 0
        current.seek(after if _is_end_of_line(current, after) else 0)
        self._file = current

    def _begin_with_the_present_command(self, file: FileIO) -> None:
        """Be at the end of the log, with the last events of the last command first."""
        end = os.fstat(file.fileno()).st_size
        start = max(0, end - LONGEST)
        file.seek(start)
        if start:
            file.readline()
        self._file = file
        while data := file.read(AT_ONCE):
            self._first += self._lines(data)
        begins = [place for place, told in enumerate(self._first) if _begins(told.event)]
        self._first = self._first[begins[-1] if begins else 0 :][-LAST:]

    def _open_the_next(self) -> None:
        """Go on with the log that has taken this one's place, if there is one."""
        if self._file is None:
            return
        try:
            there = self._path.stat()
        except OSError:
            there = None
        ours = os.fstat(self._file.fileno())
        if there is None and ours.st_nlink == 0:
            self.close()  # the instance is gone, and may come again
        elif there is not None and (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
            self.close()
            self._after, self._rest, self._skipped = 0, b"", 0

    def _lines(self, data: bytes) -> list[Told]:
        """Return the events in the whole lines of what was read. What is no JSON is left out."""
        at = (self._file.tell() if self._file else 0) - len(data) - len(self._rest) - self._skipped
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._skipped:
            at, lines = at + self._skipped + len(lines[0]) + 1, lines[1:]
            self._skipped = 0
        found = []
        for line in lines:
            at += len(line) + 1
            with suppress(ValueError, RecursionError):
                if len(line) <= LONGEST and isinstance(event := json.loads(line), dict):
                    found.append(Told(event, at))
        if len(self._rest) > LONGEST:
            self._skipped, self._rest = self._skipped + len(self._rest), b""
        return found


def _begins(event: dict[str, Any]) -> bool:
    return event.get("kind") == "command_begins" and event.get("command") not in OF_SHELLS


def _is_end_of_line(file: FileIO, at: int) -> bool:
    """Return whether a line ends there, as where somebody who has read this log goes on."""
    if at <= 0:
        return at == 0
    with suppress(OSError):
        return os.pread(file.fileno(), 1, at - 1) == b"\n"
    return False
