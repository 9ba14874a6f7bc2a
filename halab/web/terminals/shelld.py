"""The process behind one shell of the page: `python -I -S -c PROGRAM DESCRIPTION`, as shells.py starts it.

It has the shell's terminal, so the shell outlives the page and its server. Little is imported, as there is one for each
shell. DESCRIPTION is JSON: `directory` of the instance's shells, `name` of this one, `place`, `argv`, `size`, `mark`
(HALAB_MARK of what runs in the shell), `recordings` (a directory, where it is recorded), `why` (a program that prints
why the shell has ended, as JSON with `because` and `power`), and `note` (a file to touch when it ends by itself).

Who connects to its socket says and hears frames (frames.py). First it says {"kind": "hello", "from": NUMBER or null,
"watch": bool}, and then {"kind": "type", "text"}, {"kind": "size", "columns", "lines"} and {"kind": "seen", "at"}. It
hears

- {"kind": "begin", "at", "replay_to", "place", "recorded", "columns", "lines", "modes"}: output follows from byte `at`
  on, which is not always where it asked for; up to `replay_to` it was printed before; `modes` is what a new terminal
  has to be sent first, as what has set them is not kept any more;
- {"kind": "lost", "characters" (bytes), "at"}: output follows from there on, as what came before is not kept any more;
- {"kind": "typing", "here": bool}: of several, who came last types, and the others read;
- {"kind": "watched", "by"}, {"kind": "size", "columns", "lines"};
- {"kind": "ended", "because", "power", "status"}, the last.

A shell that prints without end is read at a bounded rate. It waits for who types in it, but not for one who sees
nothing for some seconds, nor for those who watch: these miss what the replay no longer has. With nobody attached it
runs on, at a lower rate.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from halab.kit.pty_session import Session
from halab.kit.recording import Recording
from halab.web.terminals import frames
from halab.web.terminals.attached import Attached, Gone
from halab.web.terminals.replay import Replay
from halab.web.terminals.shell_files import keep, left, listen

READ = 4096  # bytes at a time, as the kernel has it (n_tty)
BURST = 2**20  # bytes that may be printed at once
RATE, RATE_ALONE = 2**20, 2**17  # bytes a second that may be printed for long, and with nobody attached
TYPED = 65_536  # bytes that may wait to be typed until no more are read from who types, if it has seen all output
MOST_TYPED = 2**20  # bytes that may wait at most; what is typed then is lost, as the program reads nothing and prints
LEFT = 2**18  # bytes that are read of what is left when the shell has ended: what it left behind may print for ever
LOOK = 5.0  # seconds after which it is seen that the instance is gone
LAST = 2.0  # seconds that who is attached has to take what is left
ASKING = 30.0  # seconds in which the program that knows why the shell has ended answers
MOST_ATTACHED = 32
MOST_COLUMNS = 1000
# As a program that was cut short leaves the terminal: out of its alternate screen, with no mode of it
RESET = b"\x1b[?1047l\x1b[!p\x1b[?1000;1002;1003;1004;1006;2004l"
OWN = ("HALAB_MARK", "PYTHONPATH")  # of this process, and not for what runs in the shell
READING, WRITING = select.POLLIN, select.POLLOUT


class Daemon:
    def __init__(self, told: dict[str, Any], listening: socket.socket, replay: Replay) -> None:
        self._told = told
        self._listening = listening
        self._replay = replay
        self._socket = Path(told["directory"], f"{told['name']}.sock")
        size = os.terminal_size(told["size"])
        self._recording = None
        if told["recordings"]:
            self._recording = Recording(Path(told["recordings"]), told["place"], *size)
            notice = f"What appears in this shell is recorded in {self._recording.path}\r\n"
            replay.append(notice.encode())
        environment = {name: value for name, value in os.environ.items() if name not in OWN}
        if told["mark"]:
            environment["HALAB_MARK"] = told["mark"]
        self._session = Session(told["argv"], size, self._recording, environment)
        self._printing = True
        self._attached: list[Attached] = []
        self._typist: Attached | None = None
        self._typed = bytearray()
        self._budget = float(BURST)
        self._counted = time.monotonic()
        self._polled: dict[int, int] = {}
        self._poll = select.poll()
        self._stopped, stop = os.pipe()
        os.set_blocking(stop, False)
        signal.set_wakeup_fd(stop)
        signal.signal(signal.SIGTERM, lambda *_: None)

    def run(self) -> None:
        """Serve the shell until it has ended."""
        while True:
            now = time.monotonic()
            events = dict(self._poll.poll(self._prepare(now) * 1000))
            now = time.monotonic()
            if self._session.end in events:
                return self._end(self._session.wait())
            if self._stopped in events or not self._socket.exists():
                return self._end(self._session.hang_up(), "it was ended")
            if self._listening.fileno() in events:
                self._accept(now)
            for one in list(self._attached):
                if one.fileno() in events:
                    self._hear(one, now)
            if self._typed:
                del self._typed[: self._session.write(self._typed)]
            if events.get(self._session.fileno(), 0) & ~WRITING:
                self._read(now)
            for one in list(self._attached):
                self._serve(one, now)

    def _prepare(self, now: float) -> float:
        """Say what is waited for, and return for how many seconds."""
        typist = self._typist if self._typist and self._typist.is_active(now) else None
        self._budget = min(BURST, self._budget + (now - self._counted) * (RATE if typist else RATE_ALONE))
        self._counted = now
        may_read = self._budget > 0 and not (typist and typist.holds_back(now))
        wanted = {self._listening.fileno(): READING, self._session.end: READING, self._stopped: READING}
        if self._printing:
            wanted[self._session.fileno()] = (READING if may_read else 0) | (WRITING if self._typed else 0)
        for one in self._attached:
            full = one is self._typist and len(self._typed) > TYPED and one.has_seen_all
            wanted[one.fileno()] = (0 if full else READING) | (WRITING if one.wants_to_send else 0)
        for descriptor in self._polled.keys() - wanted.keys():
            self._poll.unregister(descriptor)
        for descriptor, mask in wanted.items():
            if self._polled.get(descriptor) != mask:
                self._poll.register(descriptor, mask)
        self._polled = wanted
        return LOOK if self._budget > 0 else 0.02

    def _accept(self, now: float) -> None:
        connection, _ = self._listening.accept()
        if len(self._attached) < MOST_ATTACHED:
            self._attached.append(Attached(connection, self._replay, now))
        else:
            connection.close()

    def _hear(self, one: Attached, now: float) -> None:
        try:
            for said in one.receive():
                self._obey(one, said, now)
        except (Gone, KeyError, TypeError, ValueError):
            self._leave(one)

    def _obey(self, one: Attached, said: dict[str, Any], now: float) -> None:
        kind = said["kind"]
        if kind == "hello" and not one.begun:
            one.begin(said["from"], bool(said["watch"]), self._about(), now)
            one.send(now)  # what is kept now, before more is printed
            self._tell_who_types()
            if one.watches:
                self._tell_watched()
        elif kind == "seen":
            one.has_seen(int(said["at"]), now)
        elif one is not self._typist:
            return
        elif kind == "type" and one.may_type and len(self._typed) < MOST_TYPED:
            self._typed += said["text"].encode("utf-8", "replace")
        elif kind == "size":
            self._resize(os.terminal_size((int(said["columns"]), int(said["lines"]))))

    def _about(self) -> dict[str, Any]:
        columns, lines = self._session.size
        recorded = self._recording is not None
        return {"place": self._told["place"], "recorded": recorded, "columns": columns, "lines": lines}

    def _resize(self, size: os.terminal_size) -> None:
        if size != self._session.size and 0 < size.columns <= MOST_COLUMNS and 0 < size.lines <= MOST_COLUMNS:
            self._session.resize(size)
            for one in self._attached:
                one.say({"kind": "size", "columns": size.columns, "lines": size.lines})

    def _tell_who_types(self) -> None:
        typists = [one for one in self._attached if one.begun and not one.watches]
        typist = typists[-1] if typists else None
        if typist is not self._typist:
            self._typist = typist
            for one in typists:
                one.say({"kind": "typing", "here": one is typist})

    def _tell_watched(self) -> None:
        count = sum(one.watches for one in self._attached)
        for one in self._attached:
            one.say({"kind": "watched", "by": count})

    def _serve(self, one: Attached, now: float) -> None:
        try:
            one.send(now)
        except Gone:
            self._leave(one)

    def _leave(self, one: Attached) -> None:
        self._attached.remove(one)
        one.close()
        self._tell_who_types()
        if one.watches:
            self._tell_watched()

    def _read(self, now: float) -> None:
        try:
            data = self._session.read(READ)
        except BlockingIOError:
            return
        self._printing = bool(data)
        self._budget -= len(data)
        self._replay.append(data)

    def _end(self, status: int, because: str = "") -> None:
        """Keep what was printed and why the shell has ended, and tell it to all."""
        left = LEFT
        while self._printing and left > 0 and not because:
            try:
                data = self._session.read(READ)
            except BlockingIOError:
                break
            self._printing = bool(data)
            left -= len(data)
            self._replay.append(data)
        self._replay.append(RESET)
        why = self._ask_why() if status and not because else {}
        if why.get("because"):
            self._replay.append(f"\r\n{why['because']}\r\n".encode())
            if self._recording:
                self._recording.printed(f"\n{why['because']}\n")
        elif self._told["note"] and self._socket.parent.exists():
            Path(self._told["note"]).touch()
        status_told = f"its exit status is {status}" if status else "it was left"
        last = {
            "kind": "ended",
            "because": why.get("because") or f"This shell has ended: {because or status_told}.",
            "power": why.get("power"),
            "status": status,
        }
        keep(self._socket.with_suffix(".ended"), self._replay, last)
        self._socket.unlink(missing_ok=True)
        deadline = time.monotonic() + LAST
        for one in self._attached:
            one.send_rest(last, max(0.1, deadline - time.monotonic()))
        for one in self._attached:
            one.wait_until_read(max(0.1, deadline - time.monotonic()))
        self._listening.close()

    def _ask_why(self) -> dict[str, Any]:
        """Return what the program says that knows why the shell has ended; nothing when it says nothing."""
        if not self._told["why"]:
            return {}
        answer, its_end = os.pipe()
        pid = os.posix_spawnp(
            self._told["why"][0],
            self._told["why"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, its_end, 1)],
        )
        os.close(its_end)
        deadline, printed, data = time.monotonic() + ASKING, b"", b"-"
        while data and select.select([answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = os.read(answer, READ)
            printed += data
        if data:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            return frames.said(printed)
        except frames.Garbled:
            return {}


def main() -> None:
    """Start the shell, and return once one can connect to it; another process goes on."""
    told = json.loads(sys.argv[1])
    told_that, tell = os.pipe()
    if os.fork():
        os.close(tell)
        sys.exit(0 if os.read(told_that, 1) else 1)
    os.close(told_that)
    directory = Path(told["directory"])
    listening = listen(directory, told["name"])
    if listening:
        before = left(directory / f"{told['name']}.ended")
        daemon = Daemon(told, listening, before[0] if before else Replay())
    os.write(tell, b"1")
    os.close(tell)
    if listening:
        daemon.run()
