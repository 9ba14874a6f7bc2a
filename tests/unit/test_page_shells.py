"""Shells of the page: a process of its own has each, numbers what it prints, and outlives whoever speaks to it."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from halab.kit.process import end_daemons, find_daemons
from halab.kit.wait import wait
from halab.web.terminals import shelld, shells
from halab.web.terminals.attached import WINDOW, Attached
from halab.web.terminals.replay import CHARACTERS, SLACK, Replay
from halab.web.terminals.shells import Connection, Shell

SHELL = Shell("node1", "a")
LINE = b"0123456789\r\n"
WITHIN = 20.0


class Typist:
    """Whoever is attached: what came, as one text, and what was said."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._heard = connection.heard()
        self.said: list[dict[str, Any]] = []
        self.output = b""
        self.at = 0
        self.answers = True

    async def hear(self) -> bool:
        """Hear one thing, and tell that it was seen. False at the end."""
        async for heard in self._heard:
            if isinstance(heard, bytes):
                self.output += heard
                self.at += len(heard)
                if self.answers:
                    await self.connection.say({"kind": "seen", "at": self.at})
            else:
                self.said.append(heard)
                self.at = heard.get("at", self.at)
            return True
        return False

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(WITHIN):
            while not holds():
                assert await self.hear(), f"the connection ended; {self.output!r} {self.said!r}"

    async def shows(self, text: str) -> None:
        await self.until(lambda: text.encode() in self.output)

    async def to_the_end(self) -> None:
        async with asyncio.timeout(WITHIN):
            while await self.hear():
                pass
        self.connection.close()

    async def type(self, text: str) -> None:
        await self.connection.say({"kind": "type", "text": text})

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["kind"] == kind]


class Page:
    """A directory with a shell, in place of an instance."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shells.folder(directory).mkdir()

    @property
    def mark(self) -> str:
        return f"{self.directory}/page"

    def start(self, *argv: str, shell: Shell = SHELL, **more: Any) -> None:
        told = {
            "directory": str(shells.folder(self.directory)),
            "name": shell.name,
            "place": shell.place,
            "argv": argv or ["env", "PS1=> ", "bash", "--norc", "--noprofile"],
            "size": [80, 24],
            "mark": f"{self.directory}/shell/{shell.place}",
            "recordings": "",
            "why": [],
            "note": "",
        }
        shells.run_daemon({**told, **more}, f"{self.mark}/{shell.place}/{shell.identity}")

    def pid(self) -> int:
        """Return the pid of the shell's process, once there is only one: another that finds it there ends."""
        (pid,) = wait(lambda: find_daemons(self.mark), lambda found: len(found) == 1, within=10, successes=1)
        return pid

    @asynccontextmanager
    async def attached(
        self, number: int | None = None, watch: bool = False, sees: bool = True
    ) -> AsyncIterator[Typist]:
        connection = await Connection.to(self.directory, SHELL, number, watch)
        typist = Typist(connection)
        typist.answers = sees
        await typist.until(lambda: typist.told("begin"))
        if sees and not watch:
            await typist.until(lambda: typist.at >= typist.told("begin")[0]["replay_to"])
        try:
            yield typist
        finally:
            connection.close()

    def gone(self) -> None:
        deadline = time.monotonic() + WITHIN
        while find_daemons(self.mark):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    yield made
    end_daemons(made.mark)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_what_is_typed_reaches_the_shell_and_what_it_prints_comes_back(page: Page) -> None:
    page.start()

    async def test() -> None:
        async with page.attached() as typist:
            await typist.type("echo $((6*7)) $TERM $COLORTERM $LANG $HALAB_MARK\n")
            await typist.shows(f"42 xterm-256color truecolor C.UTF-8 {page.directory}/shell/node1\r\n")

    run(test())


def test_only_its_user_may_connect(page: Page) -> None:
    page.start("sleep", "60")

    (its,) = shells.folder(page.directory).glob("*.sock")
    assert stat.S_IMODE(its.stat().st_mode) == 0o600
    assert shells.open_shells(page.directory) == [SHELL]


def test_what_runs_in_it_has_the_mark_of_a_shell_on_a_node_and_the_daemon_has_not(page: Page) -> None:
    page.start("sleep", "60")

    marked = find_daemons(f"{page.directory}/shell")
    assert set(marked.values()) == {f"{page.directory}/shell/node1"}
    assert page.pid() not in marked


def test_what_the_daemon_makes_has_the_mode_that_the_shell_would_give_it(page: Page) -> None:
    page.start("bash", "-c", "umask; sleep 60")

    async def test() -> None:
        async with page.attached() as typist:
            before = os.umask(0o022)
            os.umask(before)
            await typist.shows(f"{before:04o}")

    run(test())


def test_a_directory_with_a_long_path_has_shells_too(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 120)
    directory.mkdir()
    page = Page(directory)
    try:
        page.start()

        async def test() -> None:
            async with page.attached() as typist:
                await typist.shows("> ")

        run(test())
    finally:
        end_daemons(page.mark)


def test_whoever_comes_again_goes_on_where_it_was_and_nothing_is_lost_or_doubled(page: Page) -> None:
    page.start("bash", "-c", "for i in {1..600}; do echo line $i; read -t 0.001; done; sleep 60")
    expected = "".join(f"line {number}\r\n" for number in range(1, 601)).encode()
    together = b""

    async def test() -> None:
        nonlocal together
        at = 0
        while len(together) < len(expected):
            async with page.attached(at) as typist:
                for _ in range(12):
                    if len(together) + len(typist.output) < len(expected):
                        await typist.hear()
                together += typist.output
                at = typist.at

    run(test())

    assert together == expected


def test_what_it_is_told_before_it_has_seen_the_replay_is_not_typed(page: Page) -> None:
    page.start("cat")

    async def test() -> None:
        async with page.attached() as first:
            await first.type("early\n")
            await first.shows("early\r\nearly\r\n")
        async with page.attached(sees=False) as second:
            await second.type("\x1b[?1;2c")
            await second.shows("early\r\nearly\r\n")
            await second.type("\x1b[?1;2c")
            await second.connection.say({"kind": "seen", "at": second.told("begin")[0]["replay_to"]})
            await second.type("late\n")
            await second.shows("late\r\nlate\r\n")
            assert b"1;2c" not in second.output

    run(test())


def test_who_watches_reads_and_does_not_type_nor_resize(page: Page) -> None:
    page.start("cat")

    async def test() -> None:
        async with page.attached() as typist, page.attached(watch=True) as viewer:
            await typist.until(lambda: typist.told("watched") == [{"kind": "watched", "by": 1}])
            await viewer.type("from the viewer\n")
            await viewer.connection.say({"kind": "size", "columns": 33, "lines": 11})
            await viewer.connection.say({"kind": "seen", "at": 0})
            await typist.type("from the typist\n")
            await viewer.shows("from the typist\r\nfrom the typist\r\n")
            assert b"viewer" not in viewer.output
            assert viewer.told("size") == viewer.told("typing") == []
            viewer.connection.close()
            await typist.until(lambda: typist.told("watched")[-1]["by"] == 0)

    run(test())


def test_who_comes_last_types_and_the_one_before_types_again_when_that_one_has_left(page: Page) -> None:
    page.start("cat")

    async def test() -> None:
        async with page.attached() as one:
            async with page.attached() as other:
                await one.until(lambda: one.told("typing")[-1:] == [{"kind": "typing", "here": False}])
                await one.type("one\n")
                await other.type("other\n")
                await other.shows("other\r\nother\r\n")
                assert b"one" not in other.output
            await one.until(lambda: one.told("typing")[-1]["here"] is True)
            await one.type("again\n")
            await one.shows("again\r\nagain\r\n")

    run(test())


def test_a_new_size_is_the_programs_and_told_to_all(page: Page) -> None:
    page.start("bash", "-c", "trap 'stty size' WINCH; while :; do read -t 0.05; done")

    async def test() -> None:
        async with page.attached() as typist, page.attached(watch=True) as viewer:
            await typist.connection.say({"kind": "size", "columns": 120, "lines": 40})
            await viewer.shows("40 120")
            assert viewer.told("size") == [{"kind": "size", "columns": 120, "lines": 40}]
            for columns, lines in ((0, 0), (-1, 5), (10**6, 5), (2**40, 2)):
                await typist.connection.say({"kind": "size", "columns": columns, "lines": lines})
        async with page.attached() as later:
            assert (later.told("begin")[0]["columns"], later.told("begin")[0]["lines"]) == (120, 40)

    run(test())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 50,
        b"w\xff\xff\xff\xff",
        b"w\x00\x00\x00\x02[]",
        b"w\x00\x00\x00\x02{}",
        b'w\x00\x00\x00\x27{"kind":"hello","from":"a","watch":true}',
    ],
)
def test_whoever_talks_nonsense_is_left_and_the_shell_goes_on(page: Page, garbage: bytes) -> None:
    page.start("cat")

    async def test() -> None:
        async with page.attached() as typist:
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(shells.folder(page.directory) / f"{SHELL.name}.sock"))
                other.sendall(garbage)
                other.settimeout(WITHIN)
                assert other.recv(1) == b""
            await typist.type("still\n")
            await typist.shows("still\r\nstill\r\n")

    run(test())


@pytest.mark.parametrize(
    ("script", "status", "because"),
    [
        ("exit 0", 0, "This shell has ended: it was left."),
        ("exit 7", 7, "This shell has ended: its exit status is 7."),
        ("kill -KILL $$", 137, "This shell has ended: its exit status is 137."),
    ],
)
def test_a_shell_that_ended_says_how_and_its_output_can_be_read_until_another_goes_on(
    page: Page, script: str, status: int, because: str
) -> None:
    noted = page.directory / "noted"
    page.start("bash", "-c", f"printf 'a\\u00e4z'; read; {script}", note=str(noted))

    async def test() -> None:
        async with page.attached() as typist:
            await typist.type("\n")
            await typist.to_the_end()
            assert typist.said[-1] == {"kind": "ended", "because": because, "power": None, "status": status}

    run(test())
    page.gone()

    left = shells.left_by(page.directory, SHELL)
    assert left
    replay, last = left
    printed = replay.since(0, replay.end)
    assert printed.startswith("aäz".encode())
    assert last["because"] == because
    assert noted.exists()
    assert shells.open_shells(page.directory) == []

    page.start("bash", "-c", "echo anew; sleep 60")

    async def again() -> None:
        async with page.attached(replay.end) as typist:
            await typist.shows("anew")
            assert typist.output == b"anew\r\n"
        async with page.attached() as other:
            await other.shows("anew")
            assert other.output == printed + b"anew\r\n"

    run(again())


def test_why_the_node_ended_it_is_told_shown_and_recorded(page: Page) -> None:
    why = ["echo", '{"because": "node1 reboots: this shell ended with it.", "power": "off"}']
    noted = page.directory / "noted"
    page.start("bash", "-c", "echo hi; read; exit 137", why=why, recordings=str(page.directory), note=str(noted))

    async def test() -> None:
        async with page.attached() as typist:
            assert typist.told("begin")[0]["recorded"] is True
            await typist.shows("hi")
            await typist.type("\n")
            await typist.to_the_end()
            last = typist.said[-1]
            assert (last["because"], last["power"]) == ("node1 reboots: this shell ended with it.", "off")
            assert typist.output.startswith(b"What appears in this shell is recorded in ")
            assert typist.output.endswith(b"\r\nnode1 reboots: this shell ended with it.\r\n")

    run(test())

    (recording,) = (page.directory / "recordings").glob("*-node1.cast")
    header, *events = [json.loads(line) for line in recording.read_text().splitlines()]
    assert header["env"] == {"TERM": "xterm-256color"}
    assert "".join(event[2] for event in events).startswith("hi\r\n")
    assert "recorded in" not in "".join(event[2] for event in events)
    assert events[-1][2] == "\r\nnode1 reboots: this shell ended with it.\r\n"
    assert not noted.exists()


def test_a_shell_is_ended_with_its_instance_and_says_so(page: Page) -> None:
    page.start("bash", "-c", "echo $$; trap '' HUP TERM; while :; do sleep 1; done")
    pid = 0

    async def test() -> None:
        nonlocal pid
        async with page.attached() as typist:
            await typist.shows("\r\n")
            pid = int(typist.output)
            os.kill(page.pid(), signal.SIGTERM)
            await typist.to_the_end()
            assert typist.said[-1]["because"] == "This shell has ended: it was ended."

    run(test())
    page.gone()
    assert not Path(f"/proc/{pid}").exists()


def test_a_shell_ends_when_the_directory_goes(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.start("sleep", "60")
    shells.folder(page.directory).rename(page.directory / "away")

    async def wake() -> None:  # it looks each LOOK seconds, and whenever something happens
        descriptor = os.open(page.directory / "away", os.O_RDONLY)
        _, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{SHELL.name}.sock")
        os.close(descriptor)
        writer.close()

    run(wake())
    page.gone()


def test_of_two_that_start_the_same_shell_at_once_there_is_one_and_one_that_was_killed_is_in_nobodys_way(
    page: Page,
) -> None:
    page.start("cat")
    first = page.pid()
    page.start("cat")
    assert page.pid() == first

    os.kill(first, signal.SIGKILL)
    page.gone()
    page.start("cat")

    async def test() -> None:
        async with page.attached() as typist:
            await typist.type("alive\n")
            await typist.shows("alive\r\nalive\r\n")

    run(test())


def test_what_is_left_in_the_background_is_not_waited_for(page: Page) -> None:
    page.start("bash", "-c", "trap '' HUP; sleep 30 & trap - HUP; echo $!; read")

    async def test() -> None:
        async with page.attached() as typist:
            await typist.shows("\r\n")
            pid = int(typist.output.split()[0])
            await typist.type("\n")
            await typist.to_the_end()
            os.kill(pid, signal.SIGKILL)

    run(test())


def test_a_program_that_cannot_be_started_is_told(page: Page) -> None:
    with pytest.raises(shells.LabError, match="the shell on node1 did not start"):
        page.start("no-such-program")


def memory(pid: int) -> int:
    """Return the kilobytes that are a process's own, or its part of those that it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def test_of_output_without_end_each_gets_what_it_can_take_and_memory_stays_bounded(page: Page) -> None:
    page.start("yes", "0123456789")

    async def test() -> None:
        async with page.attached() as typist, page.attached(watch=True, sees=False) as viewer:
            begin = viewer.at
            await typist.until(lambda: typist.at > begin + 300_000)
            passed = typist.told("begin")[0]["at"] % len(LINE)
            lines = LINE * (len(typist.output) // len(LINE) + 2)
            assert typist.told("lost") == []
            assert typist.output == lines[passed : passed + len(typist.output)]
            async with asyncio.timeout(WITHIN):
                while len(viewer.output) < WINDOW:
                    await viewer.hear()
            viewer.answers, others = True, asyncio.create_task(typist.to_the_end())
            await viewer.connection.say({"kind": "seen", "at": viewer.at})
            await viewer.until(lambda: viewer.told("lost"))
            await viewer.until(lambda: viewer.at > viewer.told("lost")[0]["at"])
            assert memory(page.pid()) < 9_000
            others.cancel()

    run(test())


def test_who_types_and_reads_slowly_misses_nothing(page: Page) -> None:
    page.start("yes", "0123456789")

    async def test() -> None:
        async with page.attached() as typist:
            begin = typist.at
            for _ in range(5):
                await asyncio.sleep(0.1)
                await typist.until(lambda least=begin + 60_000: typist.at > least)
                begin = typist.at
            assert typist.told("lost") == []

    run(test())


def test_what_is_typed_while_a_program_reads_nothing_does_not_stop_its_output(page: Page) -> None:
    page.start("bash", "-c", "stty raw -echo; exec yes")

    async def test() -> None:
        async with page.attached() as typist:
            others = asyncio.create_task(typist.to_the_end())
            for _ in range(100):
                await typist.type("x" * 15_000)
            before = typist.at
            async with asyncio.timeout(5):
                while typist.at < before + 300_000:
                    await asyncio.sleep(0.01)
            others.cancel()
            assert memory(page.pid()) < 10_000

    run(test())


def test_a_long_text_is_typed_whole_though_the_program_reads_slowly(page: Page) -> None:
    slow = "import sys,time\nfor _ in range(40): time.sleep(0.01); n = len(sys.stdin.buffer.read(10_000))\nprint('all')"
    page.start("bash", "-c", f'stty raw -echo; echo ready; exec {sys.executable} -c "{slow}"')

    async def test() -> None:
        async with page.attached() as typist:
            await typist.shows("ready")
            for _ in range(40):
                await typist.type("y" * 10_000)
            await typist.shows("all")

    run(test())


def test_who_sees_nothing_for_some_seconds_holds_the_shell_back_no_longer() -> None:
    ours, other = socket.socketpair()
    replay = Replay()
    with ours, other:
        one = Attached(ours, replay, now=0.0)
        one.begin(None, False, {}, now=0.0)
        replay.append(b"x" * 41_000)
        one.send(now=100.0)
        held = [one.holds_back(100.0 + seconds) and one.is_active(100.0 + seconds) for seconds in (0, 9.9, 10.1)]
        one.has_seen(500, now=120.0)
        again = one.holds_back(120.0) and one.is_active(129.0)
        one.has_seen(40_000, now=121.0)

        assert held == [True, True, False]
        assert again
        assert not one.holds_back(121.0)


def test_output_without_end_and_without_anybody_takes_little_of_the_processor(page: Page) -> None:
    page.start("yes")
    pid = page.pid()

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

    async def printed() -> int:
        async with page.attached() as typist:
            return int(typist.told("begin")[0]["replay_to"])

    deadline = time.monotonic() + WITHIN
    while asyncio.run(printed()) < shelld.BURST and time.monotonic() < deadline:
        time.sleep(0.05)
    before, at = ticks(), asyncio.run(printed())
    time.sleep(0.5)
    after, then = ticks(), asyncio.run(printed())

    assert at < then <= at + 4 * shelld.RATE_ALONE
    assert (after - before) / os.sysconf("SC_CLK_TCK") < 0.25


def test_a_replay_keeps_the_last_characters_and_cuts_none() -> None:
    replay = Replay()
    for _ in range(3):
        replay.append("日本語ä".encode() * 10_000)
    kept = replay.since(replay.start, replay.end).decode()

    assert replay.end == 11 * 30_000
    assert CHARACTERS <= len(kept) <= CHARACTERS + SLACK
    assert kept == ("日本語ä" * 30_000)[-len(kept) :]


def test_a_replay_begins_with_a_line_as_half_a_control_sequence_would_be_shown() -> None:
    replay = Replay()
    for number in range(30_000):
        replay.append(b"\x1b[1;3%dmline\x1b[0m\r\n" % (number % 8))

    kept = replay.since(replay.start, replay.end)
    assert replay.start > 0
    assert kept.startswith(b"\x1b[1;3")
    assert CHARACTERS <= len(kept) <= CHARACTERS + SLACK


def test_the_modes_of_a_terminal_are_kept_though_what_has_set_them_is_not(page: Page) -> None:
    lines = "for i in {1..9000}; do echo 0123456789; done"
    page.start("bash", "-c", f"printf '\\e[?1049;2004h\\e[?1h\\e[?25l\\e[?2004l'; {lines}; echo end; sleep 60")

    async def test() -> None:
        async with page.attached() as first:
            await first.shows("end")
        async with page.attached() as second:
            assert second.told("begin")[0]["modes"] == "\x1b[?1h\x1b[?1049h"
        async with page.attached(first.at) as third:
            assert third.told("begin")[0]["modes"] == ""

    run(test())


@pytest.mark.parametrize("data", [b"\x80" * 7777, bytes(range(256)) * 33, b"x" * 5000, b"\n" * 999])
def test_a_replay_is_bounded_whatever_is_printed(data: bytes) -> None:
    replay, everything = Replay(), b""
    for _ in range(100):
        replay.append(data)
        everything += data
        assert replay.end - replay.start <= 4 * (CHARACTERS + SLACK)

    assert replay.end == len(everything)
    assert everything.endswith(replay.since(replay.start, replay.end))
