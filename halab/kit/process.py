"""Running programs: results with exit status and text, and processes found again by a mark in their environment."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from halab.kit import pipes
from halab.kit.cause import cause
from halab.kit.errors import LabError
from halab.kit.families import end_family, running

MOST = 16 * 2**20  # bytes that a program may print
MARK = b"HALAB_MARK="


class NotDone(LabError):
    """A program did not end in time."""


class PrintedTooMuch(LabError):
    """A program printed more than can be kept, for example a server's page or a file's content."""


@dataclass(frozen=True)
class CommandResult:
    """What a finished program left: its exit status, and its standard output and standard error as text."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.rc == 0

    def cause(self) -> str:
        """Return the part of what was printed that tells why the program failed. One-sentence messages quote it."""
        said = cause(self.stdout, self.stderr)
        with suppress(ValueError):  # a shell has 128 and the number of the signal that ended a program (bash(1))
            killed = f"{signal.Signals(abs(self.rc) - (128 if self.rc > 0 else 0)).name} ended it"
            return f"{said}; {killed}" if said else f"it printed nothing, and {killed}"
        return said or f"it printed nothing, and its exit status is {self.rc}"


class Runner(Protocol):
    """Runs a program to its end, as run() says."""

    def __call__(
        self, argv: Sequence[str], *, input: str | None, timeout: float, errors: str, most: int
    ) -> CommandResult: ...


def run(
    argv: Sequence[str],
    *,
    input: str | None = None,
    timeout: float = 60,
    errors: str = "replace",
    most: int = MOST,
) -> CommandResult:
    """Run a program to its end, and return its result. A non-zero exit status is a result too.

    The program has a session of its own, so that nothing it starts has the caller's terminal. Raises LabError when the
    program is missing, and NotDone when it does not end within `timeout` seconds. Raises PrintedTooMuch when it prints
    more than `most` bytes, output and errors together: anybody may have written what a node prints. The program is then
    ended, with everything it has started; the same happens when the call is interrupted.

    `errors` says what becomes of bytes that are not UTF-8 (see the codecs module). With `surrogateescape` every byte is
    kept; otherwise the ends of lines become those of Unix.
    """
    return _runners[-1](argv, input=input, timeout=timeout, errors=errors, most=most)


@contextmanager
def run_by(runner: Runner) -> Iterator[Runner]:
    """Have `runner` do what run() does, in all threads; the one before it is yielded."""
    before = _runners[-1]
    _runners.append(runner)
    try:
        yield before
    finally:
        _runners.remove(runner)


def _run_on_host(argv: Sequence[str], *, input: str | None, timeout: float, errors: str, most: int) -> CommandResult:
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        # A directory of PATH that may not be read is told as a program that may not be executed (execvp(3))
        if shutil.which(argv[0], mode=os.F_OK) is None:
            raise LabError(f"{argv[0]} is not installed; `inv doctor` tells what is missing") from error
        raise LabError(f"{argv[0]} may not be executed; is it a program, and are you allowed to?") from error
    return finish(child, argv, input=input, timeout=timeout, errors=errors, most=most)


def finish(
    child: pipes.Child,
    argv: Sequence[str],
    *,
    input: str | None = None,
    timeout: float = 60,
    errors: str = "replace",
    most: int = MOST,
) -> CommandResult:
    """Do what run() does with a program once it is started."""
    with child, running(child.pid):
        try:
            given = None if input is None else input.encode("utf-8", errors)
            status, *printed = pipes.talk(child, given, timeout=timeout, most=most)
        except BaseException as error:
            end_family(child.pid, asking=isinstance(error, KeyboardInterrupt))
            if isinstance(error, pipes.TooLate):
                raise NotDone(f"`{' '.join(argv)}` did not finish within {timeout:g} s") from None
            if isinstance(error, pipes.TooMuch):
                raise PrintedTooMuch(
                    f"`{' '.join(argv)}` printed more than {most >> 20} MiB, and was ended; does it print for ever?"
                ) from None
            raise
    stdout, stderr = (_as_text(data, errors) for data in printed)
    return CommandResult(tuple(argv), status, stdout, stderr)


_runners: list[Runner] = [_run_on_host]


def _as_text(data: bytes, errors: str) -> str:
    text = data.decode("utf-8", errors)
    return text if errors == "surrogateescape" else text.replace("\r\n", "\n").replace("\r", "\n")


def must(
    argv: Sequence[str],
    *,
    input: str | None = None,
    timeout: float = 60,
    errors: str = "replace",
    most: int = MOST,
) -> CommandResult:
    """Do as run() does, but raise LabError, with the cause that was printed, for a non-zero exit status."""
    result = run(argv, input=input, timeout=timeout, errors=errors, most=most)
    if not result.ok:
        raise LabError(f"`{' '.join(argv)}` failed with exit status {result.rc}: {result.cause()}")
    return result


def start_daemon(
    argv: Sequence[str], mark: str, *, log: Path | None = None, env: Mapping[str, str] = {}
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, and return it. `find_daemons` finds it again by `mark`.

    The mark is in the process's environment. There is no pid file that could outlive the process, or be lost when the
    starter is killed: the process table is the truth.
    """
    with (log or Path(os.devnull)).open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **env, "HALAB_MARK": mark},
        )


def find_daemons(mark: str) -> dict[int, str]:
    """Return the living processes that have `mark`, or a mark below it (`mark/...`), as pid -> mark."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (its := mark_of(int(entry.name))) and (its == mark or its.startswith(f"{mark}/")):
            found[int(entry.name)] = its
    return found


def mark_of(pid: int) -> str | None:
    """Return the mark that a process of ours was started with.

    Return None when it has none, belongs to somebody else, or is gone (a zombie has no environment).
    """
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes() if is_ours(pid) else b""
    except OSError:
        return None
    marks = [item for item in environ.split(b"\0") if item.startswith(MARK)]
    return marks[0].removeprefix(MARK).decode(errors="replace") if marks else None


def find_program(name: str, argument: str) -> list[int]:
    """Return our living processes of the program `name` (proc(5), comm) that have `argument` among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_it = is_ours(int(entry.name)) and (entry / "comm").read_text().strip() == name
            if is_it and argument.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # the process has just ended
            continue
    return found


def is_ours(pid: int) -> bool:
    """Return whether all user ids of a process are those of the user who asks, in the same user namespace.

    Anybody can give a process any name, arguments and environment, and so can root of a node. So this is asked before
    any of those is read. Reading them may hang: they are in the process's own memory, and that may be a file of a file
    system that the process itself serves (fuse(4)).
    """
    process, me = Path(f"/proc/{pid}"), os.geteuid()
    try:
        if process.stat().st_uid != me or not (process / "ns/user").samefile("/proc/self/ns/user"):
            return False
        status = (process / "status").read_text(errors="replace")
    except OSError:
        return False
    ids = next(line for line in status.splitlines() if line.startswith("Uid:"))
    return {int(number) for number in ids.split()[1:]} == {me}


def is_alive(pid: int) -> bool:
    """Return whether a process runs. One that has ended and was not waited for (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def end_daemons(mark: str, *, grace: float = 3) -> None:
    """End every process that has a mark, and wait until all are gone. SIGKILL follows SIGTERM after `grace` seconds."""
    deadline = time.monotonic() + grace
    while pids := find_daemons(mark):
        late = time.monotonic() >= deadline
        for pid in pids:
            _signal(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
