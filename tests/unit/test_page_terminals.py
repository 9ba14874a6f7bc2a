"""Shells as the page has them, through the server: who types, who watches, and what outlives a server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from halab.cli.selection import Selection
from halab.instance import by_hand, shell_ends
from halab.instance.instance import Instance
from halab.instance.power_on_due import PowerOnDue
from halab.kit.paths import ROOT
from halab.kit.process import end_daemons, find_daemons
from halab.web.access import Access, Who, directory
from halab.web.guard import Site
from halab.web.server import application
from halab.web.terminals import shell_end, shells
from halab.web.terminals.shells import Shell
from tests.fakes import World
from tests.unit.test_exams import EXAM, begin_exam, write_exam

WITHIN = 20.0
LEARNER, INSTRUCTOR = Who("learner", "tiny"), Who("instructor")


class Browser:
    """A page's terminal: it shows what comes, and says what it has shown."""

    def __init__(self, socket: WebSocketClientConnection, at: int) -> None:
        self.socket = socket
        self.at = at
        self.output = b""
        self.said: list[dict[str, Any]] = []
        self.gone = False

    async def hear(self) -> bool:
        message = await self.socket.read_message()
        self.gone = message is None
        if isinstance(message, bytes):
            self.output += message
            self.at += len(message)
        elif message is not None:
            self.said.append(json.loads(message))
            self.at = self.said[-1].get("at", self.at)
        await self.say({"kind": "seen", "at": self.at})
        return message is not None

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(WITHIN):
            while not holds():
                assert await self.hear(), (self.output, self.said)

    async def shows(self, text: str) -> None:
        await self.until(lambda: text.encode() in self.output)

    async def say(self, said: object) -> None:
        with suppress(WebSocketClosedError):
            await self.socket.write_message(json.dumps(said))

    async def close(self) -> None:
        self.socket.close()
        async with asyncio.timeout(WITHIN):
            while not self.gone:
                await self.hear()

    async def type(self, text: str) -> None:
        await self.say({"kind": "type", "text": text})

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["kind"] == kind]


class Server:
    """Where a page is served, and who may see it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.access = Access(directory())
        self.logins = {who: self._login(who) for who in (LEARNER, INSTRUCTOR, Who("learner", "other"))}

    def _login(self, who: Who) -> str:
        used = self.access.log_in(self.access.link(who))
        assert used
        return used[1]

    def request(self, address: str, who: Who | None, scheme: str = "http") -> HTTPRequest:
        host = f"127.0.0.1:{self.port}"
        login = f"halab-{self.port}={self.logins[who]}" if who else ""
        return HTTPRequest(f"{scheme}://{host}{address}", headers={"Origin": f"http://{host}", "Cookie": login})

    async def open(self, address: str, who: Who | None, at: int = 0) -> Browser:
        return Browser(await websocket_connect(self.request(address, who, "ws")), at)

    @asynccontextmanager
    async def terminal(self, query: str = "", who: Who = LEARNER, place: str = "node1") -> AsyncIterator[Browser]:
        browser = await self.open(f"/instances/tiny/shells/{place}/a{query}", who)
        await browser.until(lambda: browser.said)
        if browser.told("begin"):
            await browser.until(lambda: browser.at >= browser.told("begin")[0]["replay_to"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served() -> AsyncIterator[Server]:
    (listening,) = bind_sockets(0, "127.0.0.1")
    server = Server(listening.getsockname()[1])
    site = Site(server.access, frozenset({f"127.0.0.1:{server.port}"}), server.port)
    http = HTTPServer(application(site))
    http.add_socket(listening)
    try:
        yield server
    finally:
        http.stop()
        await http.close_all_connections()


@pytest.fixture(autouse=True)
def _ended(instance: Instance) -> Iterator[None]:
    yield
    end_daemons(f"{instance.directory}/page")


def run(test: Callable[[Server], Coroutine[Any, Any, None]]) -> None:
    async def with_server() -> None:
        async with served() as server:
            await test(server)

    asyncio.run(with_server())


def daemon(instance: Instance) -> int:
    (pid,) = find_daemons(f"{instance.directory}/page")
    return pid


def test_a_learner_types_on_a_node_in_colours_and_others_know_that_there_was_a_shell(instance: Instance) -> None:
    async def test(server: Server) -> None:
        async with server.terminal("?columns=132&lines=43") as page:
            await page.type("echo $((6*7)) $TERM $COLORTERM $LANG; stty size\n")
            await page.shows("42 xterm-256color truecolor C.UTF-8\r\n43 132\r\n")
            answer = await AsyncHTTPClient().fetch(server.request("/instances/tiny/shells", LEARNER))
            assert json.loads(answer.body) == [{"place": "node1", "id": "a"}]
            await page.type("exit 3\n")
            await page.until(lambda: page.told("ended"))
            assert page.told("ended")[0]["status"] == 3
        assert by_hand.may_have_worked(instance)

    run(test)


def test_a_shell_on_the_workstation_has_nothing_of_the_servers_own(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALAB_MARK", "of the server")
    monkeypatch.setenv("LC_ALL", "C")

    async def test(server: Server) -> None:
        async with server.terminal(place="workstation") as page:
            await page.type("echo [$HALAB_MARK] [$PYTHONPATH] $LC_ALL $TERM\n")
            await page.shows("[] [] C.UTF-8 xterm-256color\r\n")
        assert by_hand.open_shells(instance) == []

    run(test)


def test_an_instructor_watches_and_is_not_heard_and_the_learner_is_told(instance: Instance) -> None:
    async def test(server: Server) -> None:
        live = await server.open("/instances/tiny/live", LEARNER)
        async with server.terminal() as page, server.terminal(who=INSTRUCTOR) as viewer:
            await live.until(lambda: live.told("watched")[-1:] == [{"kind": "watched", "by": 1}])
            await page.until(lambda: page.told("watched") == [{"kind": "watched", "by": 1}])
            await viewer.type("touch /tmp/typed-by-a-viewer\n")
            await viewer.say({"kind": "size", "columns": 20, "lines": 5})
            await viewer.say({"kind": "hello", "from": None, "watch": False})
            await page.type("stty size; echo done\n")
            await viewer.shows("24 80\r\ndone\r\n")
            assert b"viewer" not in viewer.output
            viewer.socket.close()
            await page.until(lambda: page.told("watched")[-1]["by"] == 0)
            await live.until(lambda: live.told("watched")[-1]["by"] == 0)
        await live.close()

    run(test)


def test_who_watches_starts_no_shell(instance: Instance) -> None:
    async def test(server: Server) -> None:
        for who, query in ((INSTRUCTOR, ""), (LEARNER, "?watch=1")):
            async with server.terminal(query, who) as page:
                assert page.told("ended")[0]["because"] == "There is no such shell."
        assert find_daemons(f"{instance.directory}/page") == {}

    run(test)


@pytest.mark.parametrize(("who", "code"), [(None, 401), (Who("learner", "other"), 403)])
@pytest.mark.parametrize("query", ["", "?watch=1"])
def test_nobody_else_reaches_a_learners_shell(instance: Instance, who: Who | None, code: int, query: str) -> None:
    async def test(server: Server) -> None:
        with pytest.raises(HTTPClientError) as refused:
            await server.open(f"/instances/tiny/shells/node1/a{query}", who)
        assert refused.value.code == code
        with pytest.raises(HTTPClientError) as refused:
            await AsyncHTTPClient().fetch(server.request("/instances/tiny/shells", who))
        assert refused.value.code == code
        assert find_daemons(f"{instance.directory}/page") == {}

    run(test)


@pytest.mark.parametrize(
    "address",
    [
        "/instances/tiny/shells/node1/a?from=-1",
        "/instances/tiny/shells/node1/a?columns=9e9",
        "/instances/tiny/shells/node1/..",
        "/instances/tiny/shells/node1/" + "a" * 21,
        "/instances/tiny/shells/..%2Fother/a",
        "/instances/../shells/node1/a",
    ],
)
def test_an_address_that_is_none_is_refused(instance: Instance, address: str) -> None:
    async def test(server: Server) -> None:
        with pytest.raises(HTTPClientError) as refused:
            await server.open(address, LEARNER)
        assert refused.value.code in (400, 403, 404)

    run(test)


@pytest.mark.parametrize(
    ("power", "sentence"),
    [
        ("off", "node1 is off; try: inv bmc node1 on"),
        ("booting", "node1 is about to boot; try again in some seconds"),
        ("frozen", "node1 is frozen: a shell on it would hang; try: inv heal"),
    ],
)
def test_a_node_that_runs_nothing_is_told_in_a_sentence(
    instance: Instance, world: World, power: str, sentence: str
) -> None:
    world.power["node1"] = "off" if power == "booting" else power
    if power == "booting":
        PowerOnDue(instance.bmc_log("node1")).accept(5)

    async def test(server: Server) -> None:
        async with server.terminal() as page:
            told = "off" if power == "booting" else power
            assert page.said == [{"kind": "ended", "because": sentence, "power": told, "status": None}]
        async with server.terminal(place="node7") as page:
            assert (page.said[0]["because"], page.said[0]["power"]) == ("there is no node node7", None)

    run(test)


def test_a_shell_that_has_ended_is_still_read_and_goes_on_when_it_is_opened_again(instance: Instance) -> None:
    async def test(server: Server) -> None:
        async with server.terminal() as page:
            await page.type("echo one; exit 0\n")
            await page.until(lambda: page.told("ended"))
            at = page.at
        async with server.terminal() as page:
            await page.until(lambda: page.told("ended"))
            assert b"one\r\n" in page.output
        async with server.terminal(f"?from={at}") as page:
            await page.until(lambda: page.told("ended"))
            assert page.output == b""
        async with server.terminal(f"?from={at}&again=1") as page:
            await page.type("echo two\n")
            await page.shows("two\r\n")
            assert b"one" not in page.output
            assert page.told("begin")[0]["at"] == at

    run(test)


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\xff",
        "[]",
        "null",
        "{}",
        '"type"',
        "[" * 50_000,
        '{"kind": ["type"]}',
        '{"kind": "type", "text": 5}',
        '{"kind": "type"}',
        '{"kind": "size", "columns": "80", "lines": 24}',
        '{"kind": "size", "columns": true, "lines": 24}',
        '{"kind": "seen", "at": 1e400}',
        '{"kind": "seen", "at": -5}',
        '{"kind": "hello", "from": null, "watch": true}',
        '{"kind": "type", "text": "\\ud800\\udfff\\ud800"}',
    ],
)
def test_nonsense_from_a_page_harms_nothing(instance: Instance, message: bytes | str) -> None:
    async def test(server: Server) -> None:
        async with server.terminal() as page:
            await page.socket.write_message(message, binary=isinstance(message, bytes))
            await page.type("\x15echo still $((1+1))\n")
            await page.shows("still 2\r\n")

    run(test)


def test_a_shell_outlives_the_login_that_opened_it(instance: Instance) -> None:
    async def test(server: Server) -> None:
        async with server.terminal() as page:
            pid = daemon(instance)
            server.access.revoke(lambda who: who == LEARNER)
            await page.type("echo too late\n")
            async with asyncio.timeout(WITHIN):
                while await page.hear():
                    pass
            assert page.socket.close_code == 4401
            assert b"late\r\n" not in page.output
        assert daemon(instance) == pid

    run(test)


def test_output_without_end_stalls_nobody_else(instance: Instance) -> None:
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async def test(server: Server) -> None:
        async with server.terminal() as page, server.terminal(place="node2") as other:
            await page.type("yes\n")
            flood = asyncio.create_task(page.until(lambda: len(page.output) > 2_000_000))
            beating = asyncio.create_task(beat())
            echoes = []
            while not flood.done():
                before = time.monotonic()
                at = len(other.output)
                await other.type("x")
                await other.until(lambda: len(other.output) > at)  # noqa: B023
                echoes.append(time.monotonic() - before)
            await flood
            beating.cancel()
            assert max(echoes) < 1
            assert longest < 0.5

    run(test)


def test_the_program_that_knows_why_a_shell_has_ended_says_so(
    instance: Instance, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shell_ends, "boot_of", lambda instance, node: "1")
    shell_end.main("tiny", "node1", "1")
    shell_end.main("tiny", "node1", "0")

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    sentence = "node1 lost its power, or was rebooted: this shell ended with it."
    assert told == [{"because": "", "power": "on"}, {"because": sentence, "power": "off"}]


def test_there_is_a_bound_to_how_many_shells_an_instance_has(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "MOST", 1)
    shells.start(instance, Shell("node1", "a"))
    shells.start(instance, Shell("node1", "a"))

    with pytest.raises(shells.LabError, match="1 shells are open; close some of them first"):
        shells.start(instance, Shell("node1", "b"))


@pytest.mark.parametrize(("toml", "recorded"), [("", 1), ("recording = false\n", 0)])
def test_a_shell_of_an_exam_is_recorded_where_that_of_inv_ssh_is(
    world: World, tmp_path: Path, toml: str, recorded: int
) -> None:
    Selection(lab="test", instance="alice").remember()
    exam = begin_exam(write_exam(tmp_path / "labs", toml + EXAM))
    try:
        shells.start(exam, Shell("node1", "a"))
    finally:
        end_daemons(f"{exam.directory}/page")

    assert len(list((exam.directory / "recordings").glob("*-node1.cast"))) == recorded


def test_shells_go_with_their_instance(instance: Instance, world: World) -> None:
    world.daemons[77] = f"{instance.directory}/page/node1/a"

    with instance.lock():
        instance.down()

    assert 77 not in world.daemons


def test_of_shells_that_ended_the_last_can_be_read(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "MOST", 2)
    folder = shells.folder(instance.directory)
    folder.mkdir()
    for number in range(5):
        (folder / f"node1+{number}.ended").write_bytes(b"{}")
        os.utime(folder / f"node1+{number}.ended", (number, number))

    shells.start(instance, Shell("node1", "a"))

    assert sorted(file.name for file in folder.glob("*.ended")) == ["node1+3.ended", "node1+4.ended"]


def test_a_server_that_is_killed_and_started_again_loses_and_doubles_nothing(instance: Instance) -> None:
    (free,) = bind_sockets(0, "127.0.0.1")
    server = Server(free.getsockname()[1])
    free.close()
    argv = [sys.executable, "-m", "halab.web.server", str(server.port), "127.0.0.1", "", ""]
    expected = "".join(f"line {number}\r\n" for number in range(1, 9_001)).encode()
    together = b""

    async def terminal(at: int) -> Browser:
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                return await server.open(f"/instances/tiny/shells/node1/a?from={at}", LEARNER, at)
            except OSError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)

    async def test() -> None:
        nonlocal together
        for _ in range(3):
            process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
            page = await terminal(len(together))
            try:
                await page.until(lambda: len(page.output) > 2_000)  # noqa: B023
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
                await page.close()
            assert page.told("begin")[0]["at"] == len(together)
            together += page.output

    shell = 'for i in {1..9000}; do echo "line $i"; read -t 0.002; done; sleep 60'
    told = {
        "directory": str(shells.folder(instance.directory)),
        "name": "node1+a",
        "place": "node1",
        "argv": ["bash", "-c", shell],
        "size": [80, 24],
        "mark": "",
        "recordings": "",
        "why": [],
        "note": "",
    }
    shells.folder(instance.directory).mkdir()
    shells.run_daemon(told, f"{instance.directory}/page/node1/a")
    asyncio.run(test())

    assert len(together) > 6_000
    assert together == expected[: len(together)]
