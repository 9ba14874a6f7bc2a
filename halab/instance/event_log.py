"""The event log of an instance, events.jsonl, by which other programs follow what commands do to it.

Each line is a JSON object: the time (seconds since the epoch), the process, the command, the kind of the event, and
what the event has itself. A kill or a full disk may cut a line short. It is no JSON then, and the next one begins on a
line of its own. So a reader ignores empty lines and those that it cannot read, and waits for the end of the last one.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Self

from halab.kit.audience import Event
from halab.kit.errors import Exit, HalabError
from halab.kit.printable import printable

NAME = "events.jsonl"
FULL = 16 * 2**20  # bytes, above which a command begins another file
LONGEST = 16_000  # characters of a text
MOST = 300  # items of a list


@dataclass(frozen=True)
class CommandBegins(Event):
    """A command begins. Its arguments are not told: one of them may be the seed of an exam's draw."""

    kind = "command_begins"


@dataclass(frozen=True)
class CommandEnds(Event):
    """A command ends, with this exit status, and, unless that is 0, for this reason."""

    kind = "command_ends"
    status: int
    reason: str


@dataclass(frozen=True)
class Asked(Event):
    """Whoever typed the command is asked whether to go on."""

    kind = "asked"
    lost: str


class EventLog:
    """The log as one command writes it. What cannot be written is lost, and no error.

    What is told before the instance has a directory is written as soon as it has one. A log that was removed with its
    instance is not made again.
    """

    def __init__(self, directory: Path, command: str) -> None:
        self._path = directory / NAME
        self._command = command
        self._one_at_a_time = Lock()
        self._waiting: list[bytes] = []
        self._file: int | None = None
        self._torn = False  # whether the file ends with part of a line

    def __enter__(self) -> Self:
        self.tell(CommandBegins())
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.tell(CommandEnds(*_end(error)))
        if self._file is not None:
            os.close(self._file)

    def tell(self, event: Event) -> None:
        about = {"time": round(time.time(), 6), "pid": os.getpid(), "command": self._command, "kind": event.kind}
        line = json.dumps({**about, **_plain(event.data())}, ensure_ascii=False)
        with self._one_at_a_time:
            self._waiting.append(line.encode("utf-8", "replace") + b"\n")
            try:
                self._write_waiting()
            except OSError:
                self._waiting.clear()

    def go_on(self, lost: str) -> bool:
        self.tell(Asked(lost))
        return True

    def _write_waiting(self) -> None:
        """Add each line in one write, so that it is never mixed with that of another command."""
        if self._file is None and self._path.parent.is_dir():
            self._file, self._torn = _opened(self._path)
        while self._file is not None and self._waiting:
            line = b"\n" + self._waiting[0] if self._torn else self._waiting[0]
            self._torn = os.write(self._file, line) < len(line)
            del self._waiting[0]


def _opened(path: Path) -> tuple[int, bool]:
    """Return the file, which is a new one where the last one is full, and whether it ends with part of a line."""
    file = _open(path)
    found = os.fstat(file)
    if found.st_size > FULL and path.stat().st_ino == found.st_ino:  # else another command was first
        path.replace(path.with_name(f"{path.name}.1"))
        os.close(file)
        file = _open(path)
        found = os.fstat(file)
    return file, found.st_size > 0 and os.pread(file, 1, found.st_size - 1) != b"\n"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _end(error: BaseException | None) -> tuple[int, str]:
    """Return the exit status and the reason of a command that ends with this error."""
    match error:
        case None:
            return Exit.GOOD, ""
        case HalabError():
            return error.exit_code, str(error)
        case KeyboardInterrupt():
            return Exit.INTERRUPTED, "interrupted"
        case SystemExit():
            return (error.code if isinstance(error.code, int) else 0), ""
    return Exit.LAB_BROKEN, type(error).__name__


def _plain(value: Any) -> Any:
    """Return what JSON has of a value, made harmless to look at, and bounded."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value[:MOST]]
    text = printable(str(value))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
