"""Visitors: processes of `visit`, each for one node, and the programs that they run."""

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult, finish
from halab.providers import Followed
from halab.providers.podman import visit

MARK = "HALAB_MARK"
NONE = 0  # the pid of a program that could not be started
BEGIN = 30  # seconds that it may take a visitor to be ready, or a program to be started


class Visitor:
    """One process of `visit`. `description` is what asking.describe() makes; `enter` makes a command run where podman
    sees the node's container. Raises LabError when nothing can be asked there.
    """

    def __init__(self, description: Path, enter: Callable[[Sequence[str]], list[str]], pace: Pace) -> None:
        self._talk, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = enter([sys.executable, "-I", "-S", visit.__file__, str(description)])
            environment = {name: value for name, value in os.environ.items() if name != MARK}  # of whoever asks
            process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
            )
        self.leave = weakref.finalize(self, _leave, self._talk, process)
        self.leave.atexit = False  # then the socket is closed without that
        self._begin = BEGIN * pace.slowness
        self._talk.settimeout(self._begin)
        try:
            said = self._talk.recv(visit.MOST)
        except TimeoutError:
            said = f"it is not entered within {self._begin:g} s".encode()
        if said != visit.READY:
            self.leave()
            raise nothing_asked(said.decode(errors="replace") or "it cannot be entered")

    def ask(self, argv: Sequence[str], *, input: str | None, timeout: float) -> CommandResult:
        """Run a program there, and return what it left, as process.run() does.

        Raises ConnectionError when the visitor was ended, and LabError when the program was not even looked for.
        """
        program = Program(self._talk, argv, input is not None, self._begin)
        if program.pid == NONE:
            with program:
                raise nothing_asked(program.said())
        result = finish(program, argv, input=input, timeout=timeout)
        if result.rc == visit.FAILED:
            raise nothing_asked(result.cause())
        return result

    def follow(self, argv: Sequence[str]) -> Followed:
        """Start a program there that prints for as long as it runs. Raises as `ask` does.

        The visitor keeps nothing of it: a node whose power is cut waits until all of its processes are gone.
        """
        program = Program(self._talk, argv, False, self._begin, with_errors=False)
        try:
            if program.pid == NONE:
                raise nothing_asked("the program cannot be started there")
            process = os.pidfd_open(program.pid)
        except BaseException:
            program.close()
            raise
        program.forget()
        return Followed(program.stdout, weakref.finalize(program.stdout, _end, process))


class Program:
    """A program that runs on the node. The visitor keeps its pid for it until this is closed."""

    def __init__(
        self, talk: socket.socket, argv: Sequence[str], with_input: bool, begin: float, with_errors: bool = True
    ) -> None:
        self._report, reporting = socket.socketpair()
        self._told = b""
        self.stdin: IO[bytes] | None
        self.stdin, reads = _pipe_to() if with_input else (None, os.open(os.devnull, os.O_RDONLY))
        self.stdout, writes = _pipe_from()
        self.stderr, complains = _pipe_from() if with_errors else _nothing_from()
        theirs = [reads, writes, complains, reporting.detach()]
        try:
            socket.send_fds(talk, ["\0".join(argv).encode("utf-8", "surrogateescape")], theirs)
            self._report.settimeout(begin)
            self.pid = self._next()
        except TimeoutError:
            self.close()
            raise nothing_asked(f"`{argv[0]}` is not started within {begin:g} s") from None
        except BaseException:
            self.close()
            raise
        finally:
            for file in theirs:
                os.close(file)

    def wait(self, timeout: float) -> int:
        """Return its exit status. Raises subprocess.TimeoutExpired."""
        self._report.settimeout(max(timeout, 0.001))  # 0 would be not to wait at all, even for what is there
        try:
            return self._next()
        except TimeoutError:
            raise subprocess.TimeoutExpired("", timeout) from None

    def _next(self) -> int:
        """Return what the visitor reports next. It is a number a line."""
        while b"\n" not in self._told:
            told = self._report.recv(64)
            if not told:
                raise ConnectionResetError("the visitor is gone")
            self._told += told
        line, _, self._told = self._told.partition(b"\n")
        return int(line)

    def forget(self) -> None:
        """Have the visitor keep nothing of it once it has ended. Its output stays open."""
        for file in (self.stderr, self._report):
            file.close()

    def said(self) -> str:
        """Return why it was not started."""
        return self.stderr.read().decode(errors="replace").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for file in (self.stdin, self.stdout, self.stderr, self._report):
            if file:
                file.close()


def _pipe_to() -> tuple[IO[bytes], int]:
    reads, writes = os.pipe()
    return os.fdopen(writes, "wb", buffering=0), reads


def _pipe_from() -> tuple[IO[bytes], int]:
    reads, writes = os.pipe()
    return os.fdopen(reads, "rb", buffering=0), writes


def _nothing_from() -> tuple[IO[bytes], int]:
    return Path(os.devnull).open("rb", buffering=0), os.open(os.devnull, os.O_WRONLY)


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)


def nothing_asked(why: object) -> LabError:
    return LabError(f"nothing could be asked on the node: {why}")


def _leave(talk: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """Close the socket on which a visitor is asked; then it ends, with all that it runs. Nobody waits for that, as the
    kernel takes a while to end its namespaces.
    """
    talk.close()
    threading.Thread(target=process.wait, daemon=True).start()
