"""The page's server in a thread of the test, spoken to as programs do that are not browsers."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect

from halab.web.access import Access, Who, directory
from halab.web.guard import Site
from halab.web.server import application, http_server

SOON = 5.0  # seconds


class NoFollowers:
    """Tells no maps, as nodes would have to be asked."""

    def look(self, name: str, tell: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        return lambda: None


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class PageServer:
    """The server, on a port of its own, until `close`."""

    def __init__(self) -> None:
        (self._socket,) = bind_sockets(0, "127.0.0.1")
        self.port: int = self._socket.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        self.access = Access(directory())
        self.site = Site(self.access, frozenset({self.host, f"localhost:{self.port}"}), self.port)
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(SOON)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.run_forever()
        self.loop.close()

    async def _serve(self) -> None:
        self.application = application(self.site)
        self.application.settings["followers"] = NoFollowers()
        self.server: HTTPServer = http_server(self.application)
        self.server.add_sockets([self._socket])
        self._started.set()

    def close(self) -> None:
        async def end() -> None:
            self.server.stop()
            await self.server.close_all_connections()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
                task.cancel()
            await self.loop.shutdown_default_executor()

        with suppress(asyncio.CancelledError):
            asyncio.run_coroutine_threadsafe(end(), self.loop).result(SOON)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(SOON)

    def in_loop(self, do: Callable[[], None]) -> None:
        async def done() -> None:
            do()

        asyncio.run_coroutine_threadsafe(done(), self.loop).result(SOON)

    def login(self, who: Who) -> str:
        """Return the cookie of somebody who has just logged in."""
        answer = self.post("/login", {"token": self.access.link(who)})
        assert answer.status == 200
        return str(answer.headers["Set-Cookie"]).partition(";")[0]

    def send(
        self, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes | None = None, host: str | None = ""
    ) -> Answer:
        """Send a request with these headers; `host` is the Host header, None for none at all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host is not None:
                connection.putheader("Host", host or self.host)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, cookie: str = "", **headers: str) -> Answer:
        return self.send("GET", path, {**({"Cookie": cookie} if cookie else {}), **headers})

    def post(self, path: str, content: object, cookie: str = "", **headers: str) -> Answer:
        own = {"Origin": self.origin, "Content-Type": "application/json", **({"Cookie": cookie} if cookie else {})}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, {**own, **given}, json.dumps(content).encode())

    def upgrade(self, path: str, headers: Mapping[str, str]) -> int:
        """Ask for a WebSocket, and return the status of the answer."""
        wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        wanted["Sec-WebSocket-Key"] = "x3JJHMbDL1EzLkh9GBhXDw=="
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": self.host, **wanted, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            return connection.getresponse().status
        finally:
            connection.close()

    @asynccontextmanager
    async def socket(self, path: str, cookie: str) -> AsyncIterator[WebSocketClientConnection]:
        headers = {"Cookie": cookie, "Origin": self.origin}
        socket = await websocket_connect(HTTPRequest(f"ws://{self.host}{path}", headers=headers))
        try:
            yield socket
        finally:
            ended = socket.close_code is not None or socket.protocol is None or socket.protocol.stream.closed()
            socket.close()
            while not ended:
                ended = await asyncio.wait_for(socket.read_message(), SOON) is None


async def message(socket: WebSocketClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of a kind."""
    while True:
        text = await asyncio.wait_for(socket.read_message(), SOON)
        assert text is not None, "the socket was closed"
        if (found := json.loads(text))["kind"] == kind:
            return dict(found)


async def close_code(socket: WebSocketClientConnection) -> int | None:
    """Wait for the end of a socket, and return the code that it was closed with."""
    while await asyncio.wait_for(socket.read_message(), SOON) is not None:
        pass
    return socket.close_code


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
