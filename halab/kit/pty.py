"""Running a program on a terminal like this one, or in these pipes, as if nothing was in between, and recording it."""

import codecs
import os
import select
import selectors
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from halab.kit.pty_session import Session
from halab.kit.recording import Recording

SIZE = os.terminal_size((80, 24))  # columns and lines, when there is no terminal or it does not know its size
STDIN, STDOUT, STDERR = 0, 1, 2
Shown = Callable[[bytes], bytes]
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
    return run_apart(argv, recording) if on_terminal() else _in_pipes(argv, recording)


def on_terminal() -> bool:
    """Return whether somebody types here and sees what is printed."""
    return os.isatty(STDIN) and os.isatty(STDOUT)


def run_apart(argv: Sequence[str], recording: Recording | None = None, shown: Shown = bytes) -> int:
    """Run a program on a terminal of its own, which has the size of this one and follows its changes. Return its exit
    status. The program cannot reach this terminal itself. Of what it prints, this one gets what `shown` returns.
    """
    sys.stdout.flush()
    session = Session(argv, size(), recording)

    def resize(number: int, frame: FrameType | None) -> None:
        session.resize(size())

    before, settings = signal.signal(signal.SIGWINCH, resize), termios.tcgetattr(STDIN)
    resize(signal.SIGWINCH, None)  # the size may have changed meanwhile
    try:
        tty.setraw(STDIN)
        with suppress(OSError):  # this terminal was closed
            _pass_on(session, shown)
    finally:
        signal.signal(signal.SIGWINCH, before)
        with suppress(termios.error):
            termios.tcsetattr(STDIN, termios.TCSAFLUSH, settings)
        # As its terminal goes with this one, it would get a SIGHUP anyway
        status = session.wait() if os.isatty(STDIN) else session.hang_up()
        session.close()
    return status


def _pass_on(session: Session, shown: Shown) -> None:
    """Pass on what is typed and printed, until the program has ended or closed its terminal. Raises OSError when this
    terminal was closed.
    """
    terminal, typed, ended = session.fileno(), b"", False
    while not ended:
        reading = [terminal, session.end] if typed else [STDIN, terminal, session.end]
        ready, writable, _ = select.select(reading, [terminal] if typed else [], [])
        if STDIN in ready and not (typed := os.read(STDIN, 4096)):
            raise OSError  # no signal has told this process; it would be so for ever
        if typed and (writable or STDIN in ready):
            typed = typed[session.write(typed) :]
        ended = session.end in ready
        with suppress(BlockingIOError):
            while terminal in ready or ended:  # once it has ended, all that is left
                data = session.read()
                _write(STDOUT, shown(data))
                if not data:
                    return
                if not ended:
                    break


def _in_pipes(argv: Sequence[str], recording: Recording) -> int:
    """Run it on this standard input. Its output and errors are recorded in the order in which they come."""
    sys.stdout.flush()
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
        status = child.wait()
    return status if status >= 0 else 128 - status


def _write(to: int, data: bytes) -> None:
    while data:
        data = data[os.write(to, data) :]
