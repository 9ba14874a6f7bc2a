"""Talking to a program through its pipes, for a limited time, and for no more output than can be kept in memory."""

import os
import selectors
import subprocess
import time

CHUNK = 65_536  # bytes that are read at once


class TooLate(Exception):
    """The program, or something it started that has its pipes still, did not end in time."""


class TooMuch(Exception):
    """The program printed more than it may."""


def talk(child: "subprocess.Popen[bytes]", given: bytes | None, *, timeout: float, most: int) -> tuple[bytes, bytes]:
    """Give a program its input and read output and errors until it has ended. It is left as it is when it exceeds its
    `timeout` (seconds), or `most` (bytes, output and errors together).
    """
    deadline = time.monotonic() + timeout
    printed: dict[object, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    left = memoryview(given or b"")
    with selectors.DefaultSelector() as open_pipes:
        for pipe in (child.stdout, child.stderr):
            assert pipe  # noqa: S101  # as it was asked for
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
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TooLate from None
    return bytes(printed[child.stdout]), bytes(printed[child.stderr])


def _give(pipe: int, data: memoryview) -> memoryview:
    """Write what the pipe takes now; return what is left, which is nothing when nobody reads it any more."""
    try:
        return data[os.write(pipe, data[:CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]
