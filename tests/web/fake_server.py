"""A stand-in for the page's server: it speaks the same addresses and messages, about a cluster that a test makes up.

`python -m tests.web.fake_server PORT` serves it for somebody who works on the page's files.
"""

import asyncio
import json
import mimetypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from halab.kit.paths import ROOT
from halab.kit.wait import TimedOut, wait
from halab.web import assets
from tests.web import canned

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@dataclass
class Shell:
    """A shell that echoes, and remembers all it ever printed."""

    place: str
    output: bytes = b""
    typed: str = ""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    ended: str = ""
    longest: int = 0  # characters of a message
    sockets: list["ShellSocket"] = field(default_factory=list)

    def print(self, text: str) -> None:
        content = text.encode()
        self.output += content
        for socket in self.sockets:
            socket.write_message(content, binary=True)

    def end(self, because: str, power: str) -> None:
        self.ended = because
        for socket in self.sockets:
            socket.write_message({"kind": "ended", "because": because, "power": power})


@dataclass
class World:
    """What the server knows: a test changes it through `Fake.tell` and the like."""

    role: str = "learner"
    lesson: dict[str, Any] = field(default_factory=canned.lesson)
    map: dict[str, Any] = field(default_factory=canned.map_)
    rows: list[dict[str, Any]] = field(default_factory=canned.rows)
    events: list[dict[str, Any]] = field(default_factory=list)
    holder: str | None = None
    watched: int = 0
    help: bool = False
    actions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    shells: dict[str, Shell] = field(default_factory=dict)
    held: bool = False  # whether shells that are asked for wait until `let_shells_open`
    waiting: list[Callable[[], None]] = field(default_factory=list)
    live: list["LiveSocket"] = field(default_factory=list)
    boards: list["BoardSocket"] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=canned.report)
    tokens: set[str] = field(default_factory=lambda: {"first"})
    answers: Callable[[str], tuple[int, dict[str, Any]]] = lambda action: (202, {"pid": 1})

    def let_shells_open(self) -> None:
        self.held = False
        for begin in self.waiting:
            begin()


class Handler(RequestHandler):
    @property
    def world(self) -> World:
        world: World = self.application.settings["world"]
        return world

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Cache-Control", "no-store")

    def logged_in(self) -> None:
        if self.get_cookie("fake") != "yes":
            raise HTTPError(401)

    def who(self) -> dict[str, Any]:
        return {"role": self.world.role, "instance": "alice" if self.world.role == "learner" else None}


class File(Handler):
    def get(self, place: str, name: str) -> None:
        if place == "modules" and name not in assets.SERVED:
            raise HTTPError(404)
        folder = assets.path(tests=True) if place == "modules" else ROOT / "halab" / "web" / "static"
        self.send(ROOT / "halab" / "exams" / "reports" / name if name == "player.js" else folder / name)

    def send(self, path: Path) -> None:
        if not path.is_file():
            raise HTTPError(404)
        kind = "text/javascript" if path.suffix in (".js", ".mjs") else mimetypes.guess_type(path)[0]
        self.set_header("Content-Type", kind or "application/octet-stream")
        self.write(path.read_bytes())


class Entry(File):
    def get(self) -> None:  # type: ignore[override]
        self.send(ROOT / "halab" / "web" / "static" / "index.html")


class Login(Handler):
    def post(self) -> None:
        token = json.loads(self.request.body)["token"]
        if token not in self.world.tokens:
            raise HTTPError(403)
        self.world.tokens.remove(token)
        self.set_cookie("fake", "yes", httponly=True, samesite="Strict")
        self.write(self.who())


class Me(Handler):
    def get(self) -> None:
        self.logged_in()
        self.write(self.who())


class Actions(Handler):
    def post(self, instance: str) -> None:
        self.logged_in()
        asked = json.loads(self.request.body)
        self.world.actions.append((asked["action"], asked["options"]))
        status, answer = self.world.answers(asked["action"])
        self.set_status(status)
        self.write(answer)


class Instances(Handler):
    def get(self) -> None:
        self.logged_in()
        self.write({"instances": self.world.rows})


class Shells(Handler):
    def get(self, instance: str) -> None:
        self.logged_in()
        shells = [{"place": shell.place, "id": id_} for id_, shell in self.world.shells.items()]
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(shells))


class Recordings(Handler):
    def get(self, instance: str, name: str = "") -> None:
        self.logged_in()
        self.write(canned.recording() if name else {"recordings": [{"name": "node1-1.cast", "at": 1000.0, "bytes": 3}]})


class Marks(Handler):
    def get(self, exam: str) -> None:
        self.logged_in()
        if exam != "exam-repair":
            raise HTTPError(404)
        self.write(canned.marks())


class Measurements(Handler):
    def get(self, instance: str, name: str, file: str) -> None:
        self.logged_in()
        if file.endswith(".json"):
            self.write(self.world.report)
        else:
            self.set_header("Content-Type", "image/svg+xml")
            self.write(canned.PICTURE)


class LiveSocket(WebSocketHandler):
    def prepare(self) -> None:
        if self.get_cookie("fake") != "yes":
            raise HTTPError(403)

    def open(self, instance: str) -> None:
        world: World = self.application.settings["world"]
        world.live.append(self)
        after = int(self.get_query_argument("after", "0"))
        for message in (
            {"kind": "lesson", **world.lesson},
            world.map,
            {"kind": "lock", "holder": world.holder},
            {"kind": "watched", "by": world.watched},
            {"kind": "help", "asked": world.help},
            *({"kind": "event", "event": event, "at": at} for at, event in enumerate(world.events, 1) if at > after),
        ):
            self.write_message(message)

    def on_close(self) -> None:
        live = self.application.settings["world"].live
        if self in live:
            live.remove(self)


class BoardSocket(WebSocketHandler):
    def open(self) -> None:
        world: World = self.application.settings["world"]
        world.boards.append(self)
        self.write_message({"kind": "board", "rows": world.rows})

    def on_close(self) -> None:
        self.application.settings["world"].boards.remove(self)


class ShellSocket(WebSocketHandler):
    shell: Shell | None = None

    def initialize(self) -> None:
        self.world: World = self.application.settings["world"]

    def open(self, instance: str, place: str, id_: str) -> None:
        if self.world.held:
            self.world.waiting.append(lambda: self.begin(place, id_))
        else:
            self.begin(place, id_)

    def begin(self, place: str, id_: str) -> None:
        shells = self.world.shells
        again = self.get_query_argument("again", "") == "1"
        new = id_ not in shells or again
        self.shell = shells.setdefault(id_, Shell(place))
        self.watches = self.get_query_argument("watch", "") == "1"
        seen = int(self.get_query_argument("from", "0"))
        end = len(self.shell.output)
        self.write_message({"kind": "begin", "at": seen, "replay_to": end, "place": place})
        if end > seen:
            self.write_message(self.shell.output[seen:], binary=True)
        self.shell.sockets.append(self)
        if new:
            self.shell.print(f"\x1b[32m[root@{place} ~]#\x1b[0m ")

    def on_message(self, message: str | bytes) -> None:
        told = json.loads(message)
        if self.shell is None:
            return
        self.shell.longest = max(self.shell.longest, len(message))
        if told["kind"] == "size":
            self.shell.sizes.append((told["columns"], told["lines"]))
        if told["kind"] == "type" and not self.watches:
            self.shell.typed += told["text"]
            prompt = f"\r\n[root@{self.shell.place} ~]# "
            self.shell.print(told["text"].replace("\r", prompt).replace("\x03", "^C"))

    def on_close(self) -> None:
        if self.shell and self in self.shell.sockets:
            self.shell.sockets.remove(self)


def application(world: World) -> Application:
    name = "([^/]+)"
    return Application(
        [
            ("/", Entry),
            ("/(static|modules)/(.+)", File),
            ("/login", Login),
            ("/me", Me),
            ("/board", BoardSocket),
            ("/instances", Instances),
            (f"/instances/{name}/live", LiveSocket),
            (f"/instances/{name}/actions", Actions),
            (f"/instances/{name}/recordings", Recordings),
            (f"/instances/{name}/recordings/{name}.json", Recordings),
            (f"/marks/{name}", Marks),
            (f"/instances/{name}/shells", Shells),
            (f"/instances/{name}/shells/{name}/{name}", ShellSocket),
            (f"/instances/{name}/measurements/{name}/{name}", Measurements),
        ],
        world=world,
    )


class Fake:
    """The server as a test has it, in a thread of its own."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.world = world
        self.loop = loop
        self.port = port
        self.stop: Callable[[], None] = lambda: None
        self.start: Callable[[], None] = lambda: None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def do(self, act: Callable[[], object]) -> None:
        """Have the server's thread do something, and wait for it."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (act(), done.set()))
        assert done.wait(10)

    def asked(self, number: int) -> list[tuple[str, dict[str, Any]]]:
        """Return all actions that pages have asked for, once there are so many, or after ten seconds."""
        with suppress(TimedOut):
            wait(lambda: len(self.world.actions), lambda count: count >= number, within=10, successes=1, interval=0.02)
        return self.world.actions

    def tell(self, message: dict[str, Any]) -> None:
        """Send every page a message. The next page that connects is told the same."""

        def send() -> None:
            kind = message["kind"]
            if kind == "map":
                self.world.map = message
            elif kind == "lesson":
                self.world.lesson = message
            elif kind == "lock":
                self.world.holder = message["holder"]
            for socket in self.world.live:
                socket.write_message(message)

        self.do(send)

    def event(self, kind: str, command: str = "check", time: float = 1000.0, **rest: Any) -> None:
        event = {"time": time, "pid": 7, "command": command, "kind": kind, **rest}

        def send() -> None:
            self.world.events.append(event)
            for socket in self.world.live:
                socket.write_message({"kind": "event", "event": event, "at": len(self.world.events)})

        self.do(send)

    def board(self, rows: list[dict[str, Any]]) -> None:
        def send() -> None:
            self.world.rows = rows
            for socket in self.world.boards:
                socket.write_message({"kind": "board", "rows": rows})

        self.do(send)


@contextmanager
def served(world: World, port: int = 0) -> Iterator[Fake]:
    """Serve a world in a thread while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = Fake(world, loop, port)
    servers: list[HTTPServer] = []

    def start() -> None:
        sockets = bind_sockets(fake.port, "127.0.0.1")
        fake.port = sockets[0].getsockname()[1]
        server = HTTPServer(application(world))
        server.add_sockets(sockets)
        servers.append(server)

    def stop() -> None:
        for server in servers:
            server.stop()
        servers.clear()
        for socket in [*world.live, *world.boards, *(one for shell in world.shells.values() for one in shell.sockets)]:
            socket.ws_connection._abort() if socket.ws_connection else None  # type: ignore[attr-defined]

    fake.start, fake.stop = (lambda: fake.do(start)), (lambda: fake.do(stop))
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


if __name__ == "__main__":
    with served(World(role=(sys.argv[2:] or ["learner"])[0]), int(sys.argv[1])) as shown:
        print(f"{shown.address}#token=first", flush=True)
        threading.Event().wait()
