"""A shell of an instance as the page has it: `/instances/NAME/shells/PLACE/ID`, a WebSocket.

`?from=N` says how many bytes of its output the page has already, `?watch=1` that it only reads, `?columns=C&lines=L`
the size with which a shell is started, and `?again=1` that one is started where the last one of that ID has ended.

Both sides say what the shell's daemon says and hears (shelld.py), as JSON texts; output comes as binary messages. When
there is nothing to open, the page hears {"kind": "ended", ...} with the reason, and the socket is closed.
"""

import asyncio
import json
import os
import re
from contextlib import suppress
from typing import Any

from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError

from halab.instance.instance import Instance, instances_dir
from halab.kit.errors import HalabError
from halab.kit.printable import printable
from halab.web.guard import Guarded, GuardedSocket
from halab.web.live import Live
from halab.web.terminals import shells
from halab.web.terminals.replay import Replay
from halab.web.terminals.shelld import MOST_COLUMNS
from halab.web.terminals.shells import Connection, Shell

FROM_PAGE: dict[str, dict[str, type]] = {
    "type": {"text": str},
    "size": {"columns": int, "lines": int},
    "seen": {"at": int},
}
TRIES = 3  # to connect to one that may end in this very moment
NUMBER = re.compile("[0-9]{1,15}")


class Terminal(GuardedSocket):
    """A learner types, and an instructor watches. Who watches is not heard, whatever the page sends."""

    _connection: Connection | None = None
    _task: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        super().prepare()
        asked = {name: self.get_query_argument(name, "") for name in ("from", "columns", "lines")}
        if any(value and not NUMBER.fullmatch(value) for value in asked.values()):
            raise HTTPError(400, reason="expected numbers")
        self._from = int(asked["from"]) if asked["from"] else None
        self._size = _size(asked["columns"], asked["lines"])
        self.watches = self.get_query_argument("watch", "") == "1" or self.who.role != "learner"
        self._again = self.get_query_argument("again", "") == "1"
        self._directory = instances_dir() / self.path_kwargs["name"]
        self._shell = Shell(self.path_kwargs["place"], self.path_kwargs["identity"])

    def opened(self) -> None:
        self.set_nodelay(True)
        self._task = asyncio.create_task(self._run())
        self._tell_learner()

    async def received(self, message: str | bytes) -> None:
        """Tell the shell what the page says, as slowly as that takes it."""
        said = _said(message)
        if self._connection and said and (said["kind"] == "seen" or not self.watches):
            with suppress(ConnectionError):
                await self._connection.say(said)

    def closed(self) -> None:
        if self._task:
            self._task.cancel()
        self._tell_learner()

    def _tell_learner(self) -> None:
        """Tell the pages of the instance how many watch its terminals."""
        for socket in list(self.site.sockets) if self.watches else ():
            if isinstance(socket, Live) and socket.path_kwargs["name"] == self.path_kwargs["name"]:
                socket.tell_watched()

    async def _run(self) -> None:
        try:
            self._connection = await self._connect()
            if self._connection:
                await self._pass_on(self._connection)
            else:
                await self._tell_what_is_left()
        except HalabError as error:
            power = await asyncio.to_thread(_power, self.path_kwargs["name"], self._shell.place)
            self.send(_ended(printable(str(error)), power))
        except WebSocketClosedError:
            return
        finally:
            if self._connection:
                self._connection.close()
        self.close()

    async def _connect(self) -> Connection | None:
        """Connect to the shell, which is started unless it has ended; None when there is nothing to connect to."""
        may_start = not self.watches
        for _ in range(TRIES):
            try:
                return await Connection.to(self._directory, self._shell, self._from, self.watches)
            except OSError:  # it is not open, or it ends in this moment
                if not may_start or (not self._again and (await asyncio.to_thread(self._left)) is not None):
                    return None
            await asyncio.to_thread(_start, self.path_kwargs["name"], self._shell, self._size)
            may_start = False
        return None

    async def _pass_on(self, connection: Connection) -> None:
        async for heard in connection.heard():
            await self.write_message(heard if isinstance(heard, bytes) else json.dumps(heard), isinstance(heard, bytes))

    def _left(self) -> tuple[Replay, dict[str, Any]] | None:
        return shells.left_by(self._directory, self._shell)

    async def _tell_what_is_left(self) -> None:
        """Tell what a shell had printed that has ended, and why it has."""
        found = await asyncio.to_thread(self._left)
        if found is None:
            self.send(_ended("There is no such shell."))
            return
        replay, last = found
        at = self._from if self._from is not None and replay.start <= self._from <= replay.end else replay.start
        self.send({"kind": "begin", "at": at, "replay_to": replay.end, "place": self._shell.place, "recorded": False})
        await self.write_message(replay.since(at, replay.end), binary=True)
        self.send(last)


class OpenShells(Guarded):
    """The shells of an instance that are open: of a learner's own, or, for an instructor to watch, of any."""

    async def get(self, name: str) -> None:
        found = await asyncio.to_thread(shells.open_shells, instances_dir() / name)
        self.give([{"place": shell.place, "id": shell.identity} for shell in found])


def _start(name: str, shell: Shell, size: os.terminal_size) -> None:
    shells.start(Instance.open(name), shell, size)


def _power(name: str, place: str) -> str | None:
    """Return the power of a node; None for what has none, or cannot be asked."""
    try:
        return Instance.open(name).provider.power_states().get(place)
    except HalabError:
        return None


def _ended(because: str, power: str | None = None) -> dict[str, Any]:
    return {"kind": "ended", "because": because, "power": power, "status": None}


def _size(columns: str, lines: str) -> os.terminal_size:
    size = os.terminal_size((int(columns or 0), int(lines or 0)))
    return size if all(0 < number <= MOST_COLUMNS for number in size) else shells.SIZE


def _said(message: str | bytes) -> dict[str, Any] | None:
    """Return what the page says, if it is something that a page may say."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return None
    kind = said.get("kind") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in FROM_PAGE:
        return None
    fits = all(type(said.get(name)) is wanted for name, wanted in FROM_PAGE[kind].items())
    return {name: said[name] for name in ("kind", *FROM_PAGE[kind])} if fits else None
