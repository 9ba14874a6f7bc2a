"""Talking to a program through its pipes, with a limit on its time and on its output, which is kept in memory."""

import os
import selectors
import subprocess
import time
from typing import IO, Any, Protocol, Self

CHUNK = 65_536  # bytes read or written at once


class TooLate(Exception):
    """The program did not end in time, or something that it started still has its pipes."""


class TooMuch(Exception):
    """The program printed more than it may."""


class Child(Protocol):
    """A program that was started and leads a session: a subprocess.Popen, or what is like one in this."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def stderr(self) -> IO[bytes] | None: ...
    def wait(self, timeout: float) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> None: ...


def talk(child: Child, given: bytes | None, *, timeout: float, most: int) -> tuple[int, bytes, bytes]:
    """Give a program its input, and return its exit status, its output and its errors once it has ended.

    Raises TooLate after `timeout` seconds, and TooMuch after `most` bytes of output and errors together. The program
    then goes on running: the caller has to end it.
    """
    deadline = time.monotonic() + timeout
    printed: dict[object, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    left = memoryview(given or b"")
    with selectors.DefaultSelector() as open_pipes:
        for pipe in (child.stdout, child.stderr):
            assert pipe  # noqa: S101  # it was asked for
            open_pipes.register(pipe, selectors.EVENT_READ)
        if child.stdin:
            os.set_blocking(child.stdin.fileno(), False)
            open_pipes.register(child.stdin, selectors.EVENT_WRITE)
        while open_pipes.get_map():
            if (seconds := deadline - time.monotonic()) <= 0:
                raise TooLate
            for key, _ in open_pipes.select(seconds):
                if key.fileobj is child.stdin:
                    left = _give(key.fd, left)
                    done = not left
                else:
                    data = os.read(key.fd, CHUNK)
                    printed[key.fileobj] += data
                    done = not data
                if done:
                    open_pipes.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
            if sum(map(len, printed.values())) > most:
                raise TooMuch
    try:
        status = child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TooLate from None
    return status, bytes(printed[child.stdout]), bytes(printed[child.stderr])


def _give(pipe: int, data: memoryview) -> memoryview:
    """Write as much as the pipe takes now, and return the rest. It is empty when nobody reads the pipe any more."""
    try:
        return data[os.write(pipe, data[:CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]
