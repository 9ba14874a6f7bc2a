"""Running programs: results with exit status and text, and processes found again by a mark in their environment."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from halab.errors import LabError


@dataclass(frozen=True)
class CommandResult:
    """What a finished program left: exit status, standard output and standard error as text."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.rc == 0

    def last_line(self) -> str:
        """The last line printed, errors first: what a one-sentence message quotes."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1] if lines else "(it printed nothing)"


def run(
    argv: Sequence[str], *, input: str | None = None, timeout: float = 60, errors: str = "replace"
) -> CommandResult:
    """Run a program to its end. A non-zero exit status is a result; raises LabError when it is missing or hangs.

    `timeout` is in seconds. `errors` says what becomes of bytes that are not UTF-8 (see the codecs module).
    """
    try:
        done = subprocess.run(
            argv,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            errors=errors,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed; `inv doctor` tells what is missing") from error
    except PermissionError as error:
        raise LabError(f"{argv[0]} may not be executed; is it a program, and are you allowed to?") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not finish within {timeout:g} s") from error
    return CommandResult(tuple(argv), done.returncode, done.stdout, done.stderr)


def must(
    argv: Sequence[str], *, input: str | None = None, timeout: float = 60, errors: str = "replace"
) -> CommandResult:
    """Like run(), but a non-zero exit status raises LabError with the last two lines printed."""
    result = run(argv, input=input, timeout=timeout, errors=errors)
    if not result.ok:
        said = " / ".join((result.stderr.strip() or result.last_line()).splitlines()[-2:])
        raise LabError(f"`{' '.join(argv)}` failed with exit status {result.rc}: {said}")
    return result


def start_daemon(
    argv: Sequence[str], mark: str, *, log: Path | None = None, env: Mapping[str, str] = {}
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, findable by `mark`.

    The mark lives in the process's environment, so there is no pid file that could outlive the process or be lost
    when the starter is killed: the process table is the truth.
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
    """The living processes that were started with `mark`, or with a mark below it (`mark/...`): pid -> mark."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (its := mark_of(int(entry.name))) and (its == mark or its.startswith(f"{mark}/")):
            found[int(entry.name)] = its
    return found


def mark_of(pid: int) -> str | None:
    """The mark that a process was started with, or None: it has none, or it is gone (a zombie has no environment)."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    marks = [item for item in environ.split(b"\0") if item.startswith(b"HALAB_MARK=")]
    return marks[0].partition(b"=")[2].decode(errors="replace") if marks else None


def find_program(name: str, argument: str) -> list[int]:
    """The living processes of a program (proc(5), comm) that have `argument` among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_it = (entry / "comm").read_text().strip() == name
            if is_it and argument.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # it has just ended
            continue
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def end_daemons(mark: str, *, grace: float = 3) -> None:
    """End every process of a mark, SIGTERM first, SIGKILL after `grace` seconds, and wait until they are gone."""
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
