"""Code of a lab (steps, grade.py, solutions.py), run so that it cannot harm the process that runs it.

Such code may do anything, by mistake or not. So it is first tried in a forked child, with a time limit, before anything
depends on it. If it ends the process that runs it, in the child or not, that is reported as the lab's fault: an exit
status of 0 would look like success.
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
from halab.kit.pace import pace
from halab.kit.paths import short

READING = 10.0  # seconds for importing all files of a lab, or for running a step on a recorder
CHUNK = 65_536  # bytes read at once
Result = TypeVar("Result")

_to_parent: IO[bytes] | None = None  # the pipe to the parent; set in a child only
_file: Path | None = None  # the lab's file whose code runs now, or ran last


def line_in(error: BaseException, file: Path) -> int:
    """Return the innermost line of `file` that the error came through, or 1."""
    trace: TracebackType | None = error.__traceback__
    line = 1
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class NeverEnds(LabError):
    """Code of a lab was not done in time."""


class EndsProgram(LabError):
    """Code of a lab tried to end the program that runs it."""


def reading(file: Path) -> None:
    """Note that this file of the lab is read now: it is to blame when that does not end."""
    _tell("at", str(short(file)))


@contextmanager
def blamed(file: Path) -> Iterator[None]:
    """Run code of this file inside the `with`. Raises EndsProgram when it exits, or tries to become another program."""
    global _file
    _file = file
    reading(file)
    us = os.getpid()
    real = {name: getattr(os, name) for name in ("_exit", "execv", "execve")}

    def refusing(name: str) -> Callable[..., None]:
        def refuse(*arguments: object) -> None:
            if os.getpid() != us:  # a child that the code has forked, so that it becomes another program
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
    """Return the function of this file, wrapped so that it runs inside `blamed`."""

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Result:
        with blamed(file):
            return function(*arguments, **options)

    return run


def is_apart() -> bool:
    """Return whether this process is such a child already."""
    return _to_parent is not None


def apart(work: Callable[[], Result], what: str, within: float | None = None) -> Result:
    """Run `work` in a forked child, and return its result, which is pickled on the way.

    A HalabError that `work` raises is raised here. Raises LabError when `work` raises anything else, when the child
    ends in any other way, or when it takes longer than `within` seconds (READING by default). The message names the
    file of the lab whose code ran last, or `what` if none ran. Whatever the child prints goes to standard error.
    """
    within = within or READING * pace().slowness
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # Python warns of threads; here they only draw on the terminal
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
        raise NeverEnds(f"{value}: it is not done within {within:g} s; does it wait, or run for ever?")
    code = os.waitstatus_to_exitcode(status)
    how = f"exit status {code}" if code >= 0 else f"signal {-code}"
    raise LabError(f"{value}: it ends the program that runs it ({how}); a step, or an exam, has to return")


def _work(work: Callable[[], object], pipe: int) -> NoReturn:
    """Do the work in the child, send its outcome to the parent, and exit."""
    global _to_parent
    end = os._exit  # kept now, as `blamed` replaces it
    try:
        os.setsid()  # so that what it starts is ended with it, and it has no terminal to ask
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
        with suppress(OSError, ValueError):  # the lab's code may have closed the pipe
            _to_parent.write(frame)
            _to_parent.flush()


def _read(child: int, pipe: int, within: float) -> tuple[bool, bytes]:
    """Return whether time was up before the child ended, and the bytes that the child sent."""
    deadline, sent = time.monotonic() + within, bytearray()
    ended, handle = False, os.pidfd_open(child)
    open_ones = [pipe, handle]
    os.set_blocking(pipe, False)
    try:
        while not ended and (seconds := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(open_ones, [], [], seconds)
            ended = handle in ready  # a process that it started may still hold its end of the pipe open
            with suppress(BlockingIOError):
                while data := os.read(pipe, CHUNK):
                    sent += data
                open_ones = [handle]  # nobody writes to the pipe any more
        return not ended, bytes(sent)
    finally:
        os.close(handle)


def _frames(sent: bytes) -> list[tuple[str, Any]]:
    found, stream = [], BytesIO(sent)
    with suppress(Exception):  # the last frame may be cut short
        while True:
            found.append(pickle.load(stream))  # noqa: S301  # a child of our own wrote it
    return found
