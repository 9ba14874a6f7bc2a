"""Code of a lab (steps, grade.py, solutions.py), which may do anything to the process that runs it, by mistake or not.

It is tried out in a forked child, with a time limit, before anything depends on it. And what ends the process that it
runs in is the lab's fault, and told so, in the child or not: an exit status of 0 would look like success.
"""

import os
import pickle
import select
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, TypeVar

from halab.kit.errors import HalabError, LabError
from halab.kit.families import end_family
from halab.kit.paths import short

READING = 30.0  # seconds for importing all files of a lab, or for what a step does on a recorder
CHUNK = 65_536  # bytes that are read at once
Result = TypeVar("Result")

_to_parent: IO[bytes] | None = None  # in a child
_file: Path | None = None  # the one of the lab whose code runs, or ran last


def line_in(error: BaseException, file: Path) -> int:
    """The innermost line of that file which an error came through."""
    trace: TracebackType | None = error.__traceback__
    line = 1
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class EndsProgram(LabError):
    """Code of a lab tried to end the program that runs it."""


@contextmanager
def blamed(file: Path) -> Iterator[None]:
    """Run code of this file. Raises LabError when it exits, or would become another program."""
    global _file
    _file = file
    _tell("at", str(short(file)))
    us = os.getpid()
    real = {name: getattr(os, name) for name in ("_exit", "execv", "execve")}

    def refusing(name: str) -> Callable[..., None]:
        def refuse(*arguments: object) -> None:
            if os.getpid() != us:  # a child that was forked to become another program
                real[name](*arguments)
            raise SystemExit(f"os.{name}")

        return refuse

    for name in real:
        setattr(os, name, refusing(name))
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise EndsProgram(
            f"{short(file)}, line {line_in(error, file)}: it ends the program that runs it ({what}); "
            "a step, or an exam, has to return"
        ) from error
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def blaming(function: Callable[..., Result], file: Path) -> Callable[..., Result]:
    """The function of this file, run as `blamed` says."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Result:
        with blamed(file):
            return function(*arguments, **options)

    return run


def is_apart() -> bool:
    """Whether this is a child already."""
    return _to_parent is not None


def apart(work: Callable[[], Result], what: str, within: float | None = None) -> Result:
    """The result of `work`, which is pickled, or the HalabError that it raises; it is done in a child.

    Raises LabError when the child ends in any other way, or is not done `within` so many seconds (READING); `what` is
    told then, if no file of a lab was run. What the child prints goes to standard error.
    """
    within = within or READING
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # Python warns of threads, which do nothing here but draw on the terminal
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    kind, value, late = "at", what, True
    try:
        late, sent = _read(child, reading, within)
        kind, value = ([("at", what), *_frames(sent)])[-1]
    finally:
        os.close(reading)
        if kind == "at":
            end_family(child)
        _, status = os.waitpid(child, 0)
    if kind == "result":
        return value  # type: ignore[no-any-return]
    if kind == "raised":
        raise value
    if late:
        raise LabError(f"{value}: it is not done within {within:g} s; does it wait, or run for ever?")
    code = os.waitstatus_to_exitcode(status)
    how = f"exit status {code}" if code >= 0 else f"signal {-code}"
    raise LabError(f"{value}: it ends the program that runs it ({how}); a step, or an exam, has to return")


def _work(work: Callable[[], object], pipe: int) -> NoReturn:
    """Be the child."""
    global _to_parent
    end = os._exit  # as it is now
    try:
        os.setsid()  # what it starts is ended with it, and it has no terminal to ask
        _to_parent = os.fdopen(pipe, "wb")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        try:
            _tell("result", work())
        except HalabError as error:
            _tell("raised", error)
        except BaseException as error:  # noqa: BLE001  # an author may have written anything
            where = f"{short(_file)}, line {line_in(error, _file)}: " if _file else ""
            _tell("raised", LabError(f"{where}{type(error).__name__}: {error}"))
    finally:
        end(0)


def _tell(kind: str, value: object) -> None:
    if _to_parent is not None:
        frame = pickle.dumps((kind, value))
        with suppress(OSError, ValueError):  # the code that ran may have closed it
            _to_parent.write(frame)
            _to_parent.flush()


def _read(child: int, pipe: int, within: float) -> tuple[bool, bytes]:
    """Whether time was up before the child ended, and what it sent."""
    deadline, sent = time.monotonic() + within, bytearray()
    ended, handle = False, os.pidfd_open(child)
    open_ones = [pipe, handle]
    os.set_blocking(pipe, False)
    try:
        while not ended and (seconds := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(open_ones, [], [], seconds)
            ended = handle in ready  # its end of the pipe may be open still, in a process that it has started
            with suppress(BlockingIOError):
                while data := os.read(pipe, CHUNK):
                    sent += data
                open_ones = [handle]  # nobody writes any more
        return not ended, bytes(sent)
    finally:
        os.close(handle)


def _frames(sent: bytes) -> list[tuple[str, Any]]:
    found, stream = [], BytesIO(sent)
    with suppress(Exception):  # the last one may be cut short
        while True:
            found.append(pickle.load(stream))  # noqa: S301  # by a child of our own
    return found
