"""What every request goes through first: Host, Origin, who it is, and what they may reach.

Tornado alone lets a rebound Host pass, and a WebSocket without Origin (see docs/page.md).
"""

import json
from asyncio import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from halab.kit.printable import printable
from halab.web.access import LASTS, Access, Who

LARGEST = 65_536  # bytes of a request, or of a message on a socket
REVOKED = 4401  # the code with which a socket is closed whose login has ended (RFC 6455, 7.4.2)
SLOW = 1013  # the code for one who does not read what is sent (try again later)
MOST_WAITING = 4 * 2**20  # bytes that may wait for one socket
MOST_SOCKETS = 100  # of one login
FAREWELL = 0.5  # seconds in which a browser learns why its socket is closed
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass
class Site:
    """The server as its handlers know it. `hosts` are the values that a Host header may have."""

    access: Access
    hosts: frozenset[str]
    port: int
    tls: bool = False
    sockets: "set[GuardedSocket]" = field(default_factory=set)

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(f"{'https' if self.tls else 'http'}://{host}" for host in self.hosts)

    @property
    def cookie(self) -> str:
        """The cookie's name. It has the port, as a browser sends a host's cookies to all of its ports."""
        return f"{'__Host-' if self.tls else ''}halab-{self.port}"

    def watched_by(self, name: str) -> int:
        """Return with how many sockets somebody watches what a learner does in an instance."""
        return sum(socket.watches and socket.path_kwargs.get("name") == name for socket in self.sockets)

    def close_revoked(self) -> None:
        """Close the sockets of everybody whose login has ended."""
        for socket in list(self.sockets):
            socket.still_there()


class Refused(HTTPError):
    """A request is refused. The sentence goes into the answer, and not into its first line, as it may be anything."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status)
        self.sentence = sentence


class Guarded(RequestHandler):
    """A handler that only runs for whoever may run it. Its address may have the `name` of an instance.

    `needs` is who that is: anybody, whoever has logged in, or an instructor.
    """

    needs: ClassVar[str] = "login"
    _who: Who | None = None

    @property
    def who(self) -> Who:
        """Who asks. Raises 401 when nobody has logged in."""
        if self._who is None:
            raise Refused(401, "log in with a link that `inv page` prints")
        return self._who

    @property
    def site(self) -> Site:
        site: Site = self.application.settings["site"]
        return site

    @property
    def login(self) -> str:
        """The secret that the cookie has; empty without one."""
        return self.get_cookie(self.site.cookie) or ""

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse what is not allowed: 403 for a wrong Host or Origin, 401 without login, 403 for others' things."""
        hosts = self.request.headers.get_list("Host")
        if len(hosts) != 1 or hosts[0].lower() not in self.site.hosts:
            raise Refused(403, "this is not the host that the page is served at")
        if self.request.method not in ("GET", "HEAD") or isinstance(self, WebSocketHandler):
            self._refuse_other_origins()
        elif self.request.headers.get("Sec-Fetch-Site") not in (None, "same-origin", "none"):
            self._refuse_unless_followed()
        if self.needs == "anybody":
            return
        self._who = self.site.access.who(self.login)
        if self.needs == "instructor" and self.who.role != "instructor":
            raise Refused(403, "this is the instructor's")
        name = self.path_kwargs.get("name")
        if name is not None and not self.who.may_reach(name):
            raise Refused(403, "this is not your instance")

    def _refuse_other_origins(self) -> None:
        """Raise 403 unless the page itself asks. Without Origin it is another program, which could forge all else."""
        origins = self.request.headers.get_list("Origin")
        if len(origins) != 1 or origins[0].lower() not in self.site.origins:
            raise Refused(403, "only the page itself may ask for this")
        if self.request.headers.get("Sec-Fetch-Site") not in (None, "same-origin"):
            raise Refused(403, "only the page itself may ask for this")
        if self.request.headers.get("Sec-Fetch-Mode") in ("no-cors", "navigate"):
            raise Refused(403, "only the page's own scripts may ask for this")

    def _refuse_unless_followed(self) -> None:
        """Raise 403 for what another site's page asks for, unless somebody follows a link to the entry."""
        asked = (self.request.path, *(self.request.headers.get(f"Sec-Fetch-{what}") for what in ("Mode", "Dest")))
        if asked != ("/", "navigate", "document"):
            raise Refused(403, "only the page itself may ask for this")

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was posted. Raises 415 or 400 for anything else."""
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "expected application/json")
        try:
            posted = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "expected JSON") from None
        if not isinstance(posted, dict):
            raise Refused(400, "expected a JSON object")
        return posted

    def give(self, what: object, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(as_text(what))

    def set_login(self, login: str) -> None:
        self.set_cookie(
            self.site.cookie, login, path="/", httponly=True, samesite="Strict", secure=self.site.tls, max_age=LASTS
        )

    def write_error(self, status_code: int, **error: Any) -> None:
        """Answer with a sentence, never with a traceback."""
        raised = error.get("exc_info", (None, None))[1]
        sentence = raised.sentence if isinstance(raised, Refused) else self._reason
        self.give({"error": printable(sentence)}, status_code)


class GuardedSocket(Guarded, WebSocketHandler):
    """A WebSocket that is closed as soon as its login has ended. Nothing that arrives later is looked at."""

    ended = False
    _begun = False
    watches = False  # whether it shows to somebody what another one does
    _waiting = 0  # bytes that were not sent yet

    def check_origin(self, origin: str) -> bool:
        return True  # `prepare` has done so, for requests without one, too

    def open(self, *arguments: str, **named: str) -> None:
        mine = sum(socket.login == self.login for socket in self.site.sockets)
        self.site.sockets.add(self)
        if mine >= MOST_SOCKETS:
            self._send_away(SLOW, "too many pages and terminals are open")
        elif self.still_there():
            self._begun = True
            self.opened()

    async def on_message(self, message: str | bytes) -> None:
        if self.still_there():
            await self.received(message)

    def on_close(self) -> None:
        self.site.sockets.discard(self)
        if not self.ended:
            self.ended = True
            if self._begun:
                self.closed()

    def opened(self) -> None:
        """Begin. `self.who` is who has opened it, `self.path_kwargs` what its address has."""

    async def received(self, message: str | bytes) -> None:
        """Take a message; the next one waits until then. By default it is not looked at."""

    def closed(self) -> None:
        """End what `opened` began. Called once."""

    def send(self, what: dict[str, Any]) -> None:
        """Send JSON, unless the socket was closed meanwhile. Whoever does not read what waits is sent away."""
        if self.ended:
            return
        text = as_text(what)
        if self._waiting + len(text) > MOST_WAITING:
            self._send_away(SLOW, "too much waits to be read")
            return
        with suppress(WebSocketClosedError):
            self._waiting += len(text)
            self.write_message(text).add_done_callback(lambda written: self._written(written, len(text)))

    async def sent(self, what: dict[str, Any]) -> None:
        """Send JSON, and wait until the other side has room for more."""
        with suppress(WebSocketClosedError):
            await self.write_message(as_text(what))

    def _written(self, written: "Future[None]", length: int) -> None:
        self._waiting -= length
        if not written.cancelled():
            written.exception()  # that of a socket which was closed meanwhile

    def still_there(self) -> bool:
        """Return whether the login still holds; close the socket when it does not."""
        if not self.ended and self.site.access.who(self.login) == self.who:
            return True
        if not self.ended:
            self._send_away(REVOKED, "this login has ended")
        return False

    def _send_away(self, code: int, why: str) -> None:
        """Close the socket, even if the other side does not."""
        self.on_close()
        self.close(code, why)
        if self.ws_connection is not None and (stream := self.ws_connection.stream) is not None:
            IOLoop.current().call_later(FAREWELL, stream.close)


def as_text(what: object) -> bytes:
    """Return JSON for a text frame. What is no text in UTF-8 is made so: what nodes print may be anything."""
    return json.dumps(what, ensure_ascii=False).encode("utf-8", "replace")


class Nothing(Guarded):
    """What there is at all other addresses."""

    needs = "anybody"

    def prepare(self) -> None:
        super().prepare()
        raise Refused(404, "there is nothing here")
