"""Shells of the page: started, found and spoken to. Behind each is a process of its own (shelld.py)."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from halab.cli import shell as cli_shell
from halab.exams.draw import paper_of
from halab.instance import by_hand, shell_ends
from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.kit.audience import NOBODY
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.process import start_daemon
from halab.web.terminals import frames, shell_files
from halab.web.terminals.replay import Replay

PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from halab.web.terminals.shelld import main; main()"
TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}  # what the page's terminal can do
MOST = 32  # shells of an instance, and as many that have ended can be read
STARTS = 20.0  # seconds in which the process of a shell has started it
SIZE = os.terminal_size((80, 24))  # until the page has told another one


@dataclass(frozen=True)
class Shell:
    """A shell of an instance: on a node or the workstation, under a name that the page gives it."""

    place: str
    identity: str

    @property
    def name(self) -> str:
        return f"{self.place}+{self.identity}"


def folder(directory: Path) -> Path:
    """Return where an instance of that directory has the sockets of its shells, and what those have left that ended."""
    return directory / "shells"


def open_shells(directory: Path) -> list[Shell]:
    """Return the shells of an instance that are open."""
    names = (socket.stem.rpartition("+") for socket in sorted(folder(directory).glob("*.sock")))
    return [Shell(place, identity) for place, _, identity in names]


def left_by(directory: Path, shell: Shell) -> tuple[Replay, dict[str, Any]] | None:
    """Return what a shell printed last, and how it ended; nothing when none of that name has ended yet."""
    return shell_files.left(folder(directory) / f"{shell.name}.ended")


def start(instance: Instance, shell: Shell, size: os.terminal_size = SIZE) -> None:
    """Start a shell, unless there is one of its name; return once it can be spoken to.

    Raises LabError when there is no such place, when it has no power, or when there are too many shells.
    """
    if shell.place not in [Workstation.name, *(node.name for node in instance.spec.nodes)]:
        raise LabError(f"there is no node {shell.place}")
    if shell not in (others := open_shells(instance.directory)) and len(others) >= MOST:
        raise LabError(f"{len(others)} shells are open; close some of them first")
    cli_shell.finish_first(instance, NOBODY)
    told = _description(instance, shell, size)
    by_hand.note(instance)
    folder(instance.directory).mkdir(mode=0o700, exist_ok=True)
    _forget_old(instance.directory)
    run_daemon(told, _mark(instance.directory, shell))


def _forget_old(directory: Path) -> None:
    """Forget what shells have left that ended long ago."""
    for ended in sorted(folder(directory).glob("*.ended"), key=lambda ended: ended.stat().st_mtime)[:-MOST]:
        ended.unlink(missing_ok=True)


def run_daemon(told: dict[str, Any], mark: str) -> None:
    """Have a daemon serve the shell that is described (see shelld.py)."""
    log = Path(told["directory"]) / "log"
    environment = (
        TERMINAL | {"PYTHONPATH": str(ROOT)} | ({"LC_ALL": TERMINAL["LANG"]} if "LC_ALL" in os.environ else {})
    )
    argv = [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), json.dumps(told)]
    daemon = start_daemon(argv, mark, log=log, env=environment)
    try:
        failed = daemon.wait(STARTS) != 0
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        raise LabError(f"the shell on {told['place']} did not start; {log} tells why")


def _mark(directory: Path, shell: Shell) -> str:
    return f"{directory}/page/{shell.place}/{shell.identity}"


def _description(instance: Instance, shell: Shell, size: os.terminal_size) -> dict[str, Any]:
    on_node = shell.place != Workstation.name
    boot = shell_ends.boot_of(instance, shell.place) if on_node else ""
    recorded = instance.state.sitting and paper_of(instance.folder).file.recording
    why = [sys.executable, "-m", "halab.web.terminals.shell_end", instance.name, shell.place, boot]
    return {
        "directory": str(folder(instance.directory)),
        "name": shell.name,
        "place": shell.place,
        "argv": cli_shell.argv(instance, shell.place, [], terminal=True, settings=TERMINAL),
        "size": list(size),
        "mark": by_hand.shell_mark(instance, shell.place) if on_node else "",
        "recordings": str(instance.directory) if recorded else "",
        "why": why if on_node else [],
        "note": str(by_hand.noted(instance)),
    }


Heard = bytes | dict[str, Any]


class Connection:
    """What is said to a shell, and what it says: OUTPUT as bytes, and words (see shelld.py)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._first: Heard = b""

    @classmethod
    async def to(cls, directory: Path, shell: Shell, number: int | None = None, watch: bool = False) -> Self:
        """Connect to a shell of an instance, from a byte of its output on. Raises OSError when it is not open."""
        # The path of the instance's directory may be longer than that of a socket can be (unix(7))
        descriptor = os.open(folder(directory), os.O_RDONLY)
        try:
            connection = cls(*await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{shell.name}.sock"))
        finally:
            os.close(descriptor)
        try:
            await connection.say({"kind": "hello", "from": number, "watch": watch})
            connection._first = await connection._hear()
        except (asyncio.IncompleteReadError, OSError):
            connection.close()
            raise ConnectionError(f"the shell {shell.name} ends") from None
        return connection

    async def say(self, said: dict[str, Any]) -> None:
        self._writer.write(frames.words(said))
        await self._writer.drain()

    async def heard(self) -> AsyncIterator[Heard]:
        """Yield what the shell says, until its end or that of the connection."""
        yield self._first
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                yield await self._hear()

    async def _hear(self) -> Heard:
        header = await self._reader.readexactly(frames.HEADER)
        data = await self._reader.readexactly(frames.length(header))
        return data if header[:1] == frames.OUTPUT else frames.said(data)

    def close(self) -> None:
        self._writer.close()
