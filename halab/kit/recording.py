"""Recordings of terminals, which asciinema plays (asciicast v2): recordings/<when>-<name>.cast in an instance."""

import json
import os
import time
from itertools import count
from pathlib import Path
from typing import Self


class Recording:
    """A recording that is being written. Each event is one line, written whole as it comes.

    So a recording that is cut short can be played. Only what appears is recorded. What somebody types is not, unless
    the terminal shows it.
    """

    def __init__(self, directory: Path, name: str, columns: int, lines: int) -> None:
        folder = directory / "recordings"
        folder.mkdir(exist_ok=True)
        started = time.time()
        self._started = time.monotonic()
        self.path, self._file = _new(folder, f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(started))}-{name}")
        self._write(
            {
                "version": 2,
                "width": columns,
                "height": lines,
                "timestamp": int(started),
                "env": {"TERM": os.environ.get("TERM", "xterm")},
            }
        )

    def wrote(self, text: str) -> None:
        """Record text that a terminal was sent."""
        if text:
            self._event("o", text)

    def printed(self, text: str) -> None:
        """Record text that was printed without a terminal: a terminal would have put a return before each newline."""
        self.wrote(text.replace("\r\n", "\n").replace("\n", "\r\n"))

    def resized(self, columns: int, lines: int) -> None:
        self._event("r", f"{columns}x{lines}")

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _event(self, kind: str, text: str) -> None:
        self._write([round(time.monotonic() - self._started, 6), kind, text])

    def _write(self, line: object) -> None:
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:  # the disk is full: take back the half-written line
            os.ftruncate(self._file, end)
            os.lseek(self._file, end, os.SEEK_SET)
            error.filename = str(self.path)
            raise


def whole_lines(data: bytes) -> bytes:
    """Return the recording so far, without an event that is just being written, so that it plays to its end."""
    return data[: data.rfind(b"\n") + 1]


def _new(folder: Path, stem: str) -> tuple[Path, int]:
    """Create a file under a name that is not taken. Two shells may be opened within one second."""
    for number in count(1):
        path = folder / (f"{stem}.cast" if number == 1 else f"{stem}-{number}.cast")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
    raise AssertionError("there is always one more number")
