"""How soon a key is echoed in a terminal of the page, and what a shell and the server take: a part of bench/page.py.

By itself: `.venv/bin/python -m bench.page_terminal INSTANCE`, as root, on an instance that is up.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tornado.httpclient import HTTPRequest
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect

from halab.cli import shell
from halab.instance.instance import Instance
from halab.kit.paths import ROOT
from halab.kit.process import end_daemons, find_daemons
from halab.kit.pty_session import Session
from halab.web.access import Access, Who, directory
from halab.web.terminals.shells import SIZE, TERMINAL

KEYS = 300  # that are typed in each terminal
PAUSE = 0.04  # seconds between them at least; twice that at most
LINE = 40  # keys after which the line is taken back
LEARNERS = 20
LEARNERS_KEYS = 100
LEARNERS_PAUSE = 0.15  # seconds: somebody who types fast

Key = Callable[[str], Awaitable[None]]


class Server:
    """A server of the page, a process of its own."""

    def __init__(self, instance: str) -> None:
        (free,) = bind_sockets(0, "127.0.0.1")
        self.host = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        access, who = Access(directory()), Who("learner", instance)
        used = access.log_in(access.link(who))
        assert used  # noqa: S101
        self._login = f"halab-{self.host.partition(':')[2]}={used[1]}"
        self._instance = instance
        argv = [sys.executable, "-m", "halab.web.server", self.host.partition(":")[2], "127.0.0.1", "", ""]
        self.process = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})

    async def terminal(self, place: str, identity: str) -> "PageTerminal":
        address = f"ws://{self.host}/instances/{self._instance}/shells/{place}/{identity}"
        request = HTTPRequest(address, headers={"Origin": f"http://{self.host}", "Cookie": self._login})
        for _ in range(200):
            try:
                return PageTerminal(await websocket_connect(request))
            except OSError:  # it does not listen yet
                await asyncio.sleep(0.05)
        raise TimeoutError


class PageTerminal:
    """A terminal as the page has it."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        assert socket.protocol  # noqa: S101
        socket.protocol.set_nodelay(True)  # as browsers do
        self._socket = socket
        self._at = 0
        self._echoed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while (message := await self._socket.read_message()) is not None:
            if isinstance(message, bytes):
                self._at += len(message)
                self._echoed.set()
            else:
                self._at = json.loads(message).get("at", self._at)
            await self._socket.write_message(json.dumps({"kind": "seen", "at": self._at}))

    async def key(self, text: str) -> None:
        """Type, and wait until something appears."""
        self._echoed.clear()
        await self._socket.write_message(json.dumps({"kind": "type", "text": text}))
        await self._echoed.wait()

    async def ready(self) -> None:
        await _quiet(lambda: self._at)

    def close(self) -> None:
        self._socket.close()


class BareTerminal:
    """The same program on a terminal of this process."""

    def __init__(self, argv: list[str]) -> None:
        self._session = Session(argv, SIZE, environment={**os.environ, **TERMINAL})
        self._read = 0
        self._echoed = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._session.fileno(), self._take)

    def _take(self) -> None:
        self._read += len(self._session.read())
        self._echoed.set()

    async def key(self, text: str) -> None:
        self._echoed.clear()
        self._session.write(text.encode())
        await self._echoed.wait()

    async def ready(self) -> None:
        await _quiet(lambda: self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._session.fileno())
        self._session.hang_up()
        self._session.close()


async def _quiet(printed: Callable[[], int]) -> None:
    """Wait until a shell has shown its prompt."""
    before = 0
    while not printed() or printed() != before:
        before = printed()
        await asyncio.sleep(1)


async def _type(key: Key, keys: int, pause: float) -> list[float]:
    """Type, and return how many seconds each key took."""
    taken = []
    for number in range(keys):
        await asyncio.sleep(random.uniform(pause, 2 * pause))  # noqa: S311
        began = time.monotonic()
        await key("x" if number % LINE else "\x15x")
        taken.append(time.monotonic() - began)
    return taken


def _late(seconds: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(seconds, n=20)[-1]


async def _measure(server: Server, places: list[str], bare_argv: list[str]) -> dict[str, float]:
    bare, page = BareTerminal(bare_argv), await server.terminal(places[0], "one")
    await asyncio.gather(bare.ready(), page.ready())
    alone, through = await asyncio.gather(_type(bare.key, KEYS, PAUSE), _type(page.key, KEYS, PAUSE))
    bare.close()
    many = [await server.terminal(places[number % len(places)], f"n{number}") for number in range(LEARNERS)]
    await asyncio.gather(*(one.ready() for one in many))
    at_once = await asyncio.gather(*(_type(one.key, LEARNERS_KEYS, LEARNERS_PAUSE) for one in many))
    for one in (page, *many):
        one.close()
    return {
        "bare": _late(alone),
        "page": _late(through),
        "many": _late([seconds for one in at_once for seconds in one]),
    }


def typing(instance: Instance) -> dict[str, float]:
    """Return the 95th percentile of seconds until a key is echoed: in a bare terminal, through the page at the same
    time, and when many learners type at once; and the kilobytes that a shell's daemon and the server take.
    """
    with served(instance) as server:
        places = [node.name for node in instance.spec.nodes]
        found = asyncio.run(_measure(server, places, shell.argv(instance, places[0], [], True, TERMINAL)))
        daemons = find_daemons(f"{instance.directory}/page")
        return {**found, "shell": max(map(own_memory, daemons)), "server": own_memory(server.process.pid)}


@contextmanager
def served(instance: Instance) -> Iterator[Server]:
    server = Server(instance.name)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()
        end_daemons(f"{instance.directory}/page")


def own_memory(pid: int) -> int:
    """Return kilobytes: those of a process alone, and its share of the others (proc(5), Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    for what, number in typing(Instance.open(sys.argv[1])).items():
        print(what, f"{number:.4f}")
