"""Running a program on this terminal, or in these pipes, as if nothing was in between, while its output is recorded."""

import codecs
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import pexpect

from halab.kit.recording import Recording

SIZE = os.terminal_size((80, 24))  # columns and lines, when there is no terminal or it does not know its size
STDIN, STDOUT, STDERR = 0, 1, 2
Decoder = codecs.getincrementaldecoder("utf-8")


def size() -> os.terminal_size:
    """Return the size of the terminal on standard input, or SIZE when there is none."""
    if not os.isatty(STDIN):
        return SIZE
    found = os.get_terminal_size(STDIN)
    return found if found.columns and found.lines else SIZE


def run(argv: Sequence[str], recording: Recording) -> int:
    """Run a program, record what appears, and return its exit status.

    If a signal killed the program, that is 128 plus the signal's number.
    """
    sys.stdout.flush()
    status = _on_terminal(argv, recording) if os.isatty(STDIN) else _in_pipes(argv, recording)
    return status if status >= 0 else 128 - status


def _on_terminal(argv: Sequence[str], recording: Recording) -> int:
    """Run it on a terminal of its own, which has the size of this one and follows its changes."""
    decoder, shape = Decoder("replace"), size()

    def record(data: bytes) -> bytes:
        nonlocal shape
        if (now := size()) != shape:
            shape = now
            recording.resized(now.columns, now.lines)
        recording.wrote(decoder.decode(data))
        return data

    def typed(data: bytes) -> bytes:
        if not data:  # the terminal was closed, which no signal has told this process; it would be so for ever
            raise OSError
        return data

    child: Any = pexpect.spawn(argv[0], list(argv[1:]), dimensions=(shape.lines, shape.columns))

    def resize(number: int, frame: FrameType | None) -> None:
        child.setwinsize(size().lines, size().columns)

    before = signal.signal(signal.SIGWINCH, resize)
    resize(signal.SIGWINCH, None)  # the size may have changed meanwhile
    try:
        with suppress(OSError):  # the program may end while somebody types
            child.interact(escape_character=None, input_filter=typed, output_filter=record)
        with suppress(pexpect.EOF, pexpect.TIMEOUT, OSError):  # interact() leaves unread what was printed at the end
            while True:
                os.write(STDOUT, record(child.read_nonblocking(65536, timeout=0)))
    finally:
        signal.signal(signal.SIGWINCH, before)
    recording.wrote(decoder.decode(b"", final=True))
    if os.isatty(STDIN):
        child.wait()
    else:
        child.close(force=True)  # as its terminal goes with this one, it would get a SIGHUP anyway
    return -child.signalstatus if child.exitstatus is None else int(child.exitstatus)


def _in_pipes(argv: Sequence[str], recording: Recording) -> int:
    """Run it on this standard input. Its output and errors are recorded in the order in which they come."""
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child,
        selectors.DefaultSelector() as waiting,
    ):
        for pipe, to in ((child.stdout, STDOUT), (child.stderr, STDERR)):
            assert pipe  # noqa: S101  # it was asked for
            waiting.register(pipe, selectors.EVENT_READ, (to, Decoder("replace")))
        while waiting.get_map():
            ended, ready = child.poll() is not None, waiting.select(timeout=0.1)
            if ended and not ready:  # processes that it left in the background still have its pipes
                break
            for key, _ in ready:
                to, decoder = key.data
                data = os.read(key.fd, 65536)
                recording.printed(decoder.decode(data, final=not data))
                if not data:
                    waiting.unregister(key.fileobj)
                _write(to, data)
        return child.wait()


def _write(to: int, data: bytes) -> None:
    while data:
        data = data[os.write(to, data) :]
