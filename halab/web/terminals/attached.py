"""One connection to a shell's daemon: what it was sent, what it has seen, and what waits to be sent to it.

However slowly it reads, nothing is kept for it but its place in the replay, and a few words. When the replay no longer
has what comes next, it is told so, and goes on with what there is.
"""

import socket
from typing import Any

from halab.web.terminals import frames
from halab.web.terminals.replay import Replay

WINDOW = 40_000  # bytes that it may be sent before it has seen any of them; fewer than a replay keeps
CHUNK = 16_384  # bytes of a frame of output
PATIENCE = 10.0  # seconds after which one that sees nothing of what it was sent holds the shell back no longer
WORDS = 2**18  # bytes of words that may wait for one who does not read


class Gone(Exception):
    """The connection was closed, or is not worth keeping."""


class Attached:
    """`begun` once it has said where it begins, and `watches` when what it types is dropped."""

    def __init__(self, connection: socket.socket, replay: Replay, now: float) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._replay = replay
        self._received = bytearray()
        self._waiting = bytearray()
        self.begun = self.watches = False
        self._sent = self._seen = self._replay_to = 0
        self._moved = now

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def may_type(self) -> bool:
        """Return whether it has seen the replay. Until then a terminal answers old questions."""
        return self.begun and self._seen >= self._replay_to

    @property
    def has_seen_all(self) -> bool:
        """Return whether it has seen all that it was sent."""
        return self._seen == self._sent

    @property
    def wants_to_send(self) -> bool:
        return bool(self._waiting) or (self.begun and self._sent < self._replay.end and self._window > 0)

    @property
    def _window(self) -> int:
        return WINDOW - (self._sent - self._seen)

    def holds_back(self, now: float) -> bool:
        """Return whether the shell is to wait for it."""
        return self._replay.end - self._seen > WINDOW and self.is_active(now)

    def is_active(self, now: float) -> bool:
        return self.has_seen_all or now - self._moved < PATIENCE

    def begin(self, number: int | None, watches: bool, about: dict[str, Any], now: float) -> None:
        """Begin with a byte, or with all that is kept: also where the number is one that this shell never had."""
        start, end = self._replay.start, self._replay.end
        at = number if number is not None and start <= number <= end else start
        self.begun, self.watches, self._moved = True, watches, now
        self._sent = self._seen = at
        self._replay_to = end
        modes = b"".join(b"\x1b[?%bh" % mode for mode in sorted(self._replay.modes)).decode() if at == start else ""
        self.say({**about, "kind": "begin", "at": at, "replay_to": end, "modes": modes})
        if number is not None and number < start:
            self.say({"kind": "lost", "characters": start - number, "at": start})

    def has_seen(self, number: int, now: float) -> None:
        if self._seen < number:
            self._seen = min(number, self._sent)
            self._moved = now

    def receive(self) -> list[dict[str, Any]]:
        """Return what it said. Raises Gone."""
        try:
            data = self._connection.recv(CHUNK)
            self._received += data
            if data:
                return list(frames.taken(self._received))
        except BlockingIOError:
            return []
        except (OSError, frames.Garbled):
            pass
        raise Gone

    def say(self, said: dict[str, Any]) -> None:
        if len(self._waiting) < WORDS:
            self._waiting += frames.words(said)

    def send(self, now: float) -> None:
        """Send what can be sent now. Raises Gone."""
        if len(self._waiting) >= WORDS:
            raise Gone
        while self.wants_to_send:
            if not self._waiting:
                self._take(min(CHUNK, self._window), now)
            try:
                sent = self._connection.send(self._waiting)
            except BlockingIOError:
                return
            except OSError:
                raise Gone from None
            del self._waiting[:sent]

    def send_rest(self, said: dict[str, Any], seconds: float) -> None:
        """Send what is left of the output, and these last words, unless that takes too long."""
        self._connection.settimeout(seconds)
        try:
            while self.begun and self._sent < self._replay.end:
                self._take(CHUNK, 0.0)
            self._waiting += frames.words(said)
            self._connection.sendall(self._waiting)
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def wait_until_read(self, seconds: float) -> None:
        """Wait until it closes its end: if this one is closed first, what it has not read may be lost (unix(7))."""
        try:
            self._connection.settimeout(seconds)
            while self._connection.recv(CHUNK):
                pass
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        self._connection.close()

    def _take(self, most: int, now: float) -> None:
        """Take output from the replay, to be sent next."""
        if self._sent < self._replay.start:
            self.say({"kind": "lost", "characters": self._replay.start - self._sent, "at": self._replay.start})
            self._sent = self._seen = self._replay.start
        if self._sent == self._seen:
            self._moved = now  # it has waited for nothing until now
        data = self._replay.since(self._sent, most)
        self._sent += len(data)
        self._waiting += frames.output(data)
