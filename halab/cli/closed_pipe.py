"""Ending as other programs do when nobody reads any more what is printed, as in `inv labs | head -1`.

Python ignores SIGPIPE (signal(7)), so that a write fails instead, with a BrokenPipeError. That is better while a
command acts: it can still put right what it was about. But at the end the signal ends the process, without a word.
"""

import contextlib
import os
import select
import signal
import sys
from types import TracebackType

OUTPUTS = (1, 2)


def end_if_nobody_reads() -> None:
    """End quietly if standard output or standard error is a pipe that nobody reads (poll(2), POLLERR)."""
    poll = select.poll()
    for descriptor in OUTPUTS:
        poll.register(descriptor, 0)
    if any(events & select.POLLERR for _, events in poll.poll(0)):
        _end_quietly()


def _end_quietly() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPIPE])
    os.kill(os.getpid(), signal.SIGPIPE)


def watch_end() -> None:
    """From now on end quietly where Python would print a traceback of a BrokenPipeError, or fail as it ends."""
    told = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, BrokenPipeError):
            end_if_nobody_reads()
        told(kind, error, trace)

    sys.excepthook = hook


def flush() -> None:
    """Print what is left. Python would do so later, and could only complain."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except BrokenPipeError:
            _end_quietly()
        except OSError as error:  # a full disk, for example
            with contextlib.suppress(OSError):
                os.write(2, f"halab: what was printed is lost: {error.strerror}\n".encode())
            os._exit(3)
