"""What can be done to an instance on the page, and how a command of it is run."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.cli.selection import Selection
from halab.instance.instance import Instance
from halab.instance.state import Sitting, locked
from halab.kit.errors import LabError
from halab.kit.process import is_alive
from halab.web import actions, running
from halab.web.access import Who, directory
from halab.web.lesson import asks_for_help, lesson
from halab.web.running import Running
from halab.web.taught import Taught
from tests.fakes import World
from tests.page_server import PageServer

FORBIDDEN = ("down", "lab", "prove", "test", "make-key", "export", "copy", "ssh", "status", "", "check; id", "--help")


@pytest.fixture
def learner(server: PageServer, instance: Instance) -> Callable[[object], Any]:
    """A learner of the instance asks for an action."""
    cookie = server.login(Who("learner", instance.name))
    return lambda content: server.post(f"/instances/{instance.name}/actions", content, cookie)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which words commands were started with; none is run."""
    words: list[list[str]] = []

    def start(self: Running, instance: str, argv: list[str]) -> int:
        words.append(argv)
        return 4711

    monkeypatch.setattr(Running, "start", start)
    monkeypatch.setattr(Running, "of", lambda self, instance: None)
    return words


@pytest.mark.parametrize(
    ("action", "options", "typed"),
    [
        ("up", {}, "up"),
        ("check", {}, "check"),
        ("hint", {}, "hint"),
        ("solve", {}, "solve"),
        ("next", {}, "next"),
        ("reset", {}, "reset"),
        ("reset", {"to": "start"}, "reset --to=start"),
        ("save", {"name": "mine"}, "save mine"),
        ("fault", {"name": "power-cut", "node": "node2"}, "fault power-cut --node=node2"),
        ("fault", {"name": "partition", "groups": "node1/node2"}, "fault partition --groups=node1/node2"),
        ("fault", {"name": "packet-loss", "percent": 20}, "fault packet-loss --node=active --percent=20"),
        ("heal", {}, "heal"),
        ("heal", {"fault": "power-cut"}, "heal --fault=power-cut"),
        ("measure", {"name": "power-cut", "repeat": 2}, "measure power-cut --node=active --repeat=2"),
        ("measure", {"name": "power-cut", "writes": "/c/"}, "measure power-cut --node=active --repeat=1 --writes=/c/"),
        ("bmc", {"node": "node1", "action": "cycle"}, "bmc node1 cycle"),
    ],
)
def test_each_action_is_a_command_with_words_of_its_own(
    instance: Instance,
    learner: Callable[[object], Any],
    started: list[list[str]],
    action: str,
    options: dict[str, object],
    typed: str,
) -> None:
    answer = learner({"action": action, "options": options})

    assert (answer.status, answer.json) == (202, {"pid": 4711})
    assert started == [["lab", f"--instance={instance.name}", *typed.split()]]


@pytest.mark.parametrize("action", FORBIDDEN)
def test_there_are_no_other_actions(learner: Callable[[object], Any], started: list[list[str]], action: str) -> None:
    assert learner({"action": action}).status == 400
    assert learner({"action": [action]}).status == 400
    assert started == []


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("check", {"step": "one"}),
        ("check", ["one"]),
        ("reset", {"to": "nowhere"}),
        ("reset", {"to": "--help"}),
        ("save", {}),
        ("save", {"name": "../../etc/passwd"}),
        ("save", {"name": "-x"}),
        ("fault", {}),
        ("fault", {"name": "nonsense"}),
        ("fault", {"name": "power-cut", "node": "node9"}),
        ("fault", {"name": "power-cut", "node": "node1 --json"}),
        ("fault", {"name": "power-cut", "percent": "5"}),
        ("fault", {"name": "packet-loss", "percent": "101"}),
        ("fault", {"name": "packet-loss", "percent": 1.5}),
        ("fault", {"name": "packet-loss", "percent": True}),
        ("fault", {"name": "packet-loss", "network": "lan\nmgmt"}),
        ("fault", {"name": "x" * 300}),
        ("heal", {"fault": "nonsense"}),
        ("measure", {"name": "power-cut", "repeat": 101}),
        ("measure", {"name": "power-cut", "writes": "/../x"}),
        ("bmc", {"node": "node1", "action": "$(id)"}),
        ("bmc", {"node": "node9", "action": "on"}),
        ("grade", {}),
        ("finish", {}),
        ("interrupt", {}),
        ("help", {"asked": "yes"}),
    ],
)
def test_what_an_instance_cannot_do_is_told_in_a_sentence(
    learner: Callable[[object], Any], started: list[list[str]], action: str, options: object
) -> None:
    answer = learner({"action": action, "options": options})

    assert answer.status == 400
    assert len(answer.json["error"]) > 10
    assert started == []


def test_in_an_exam_there_are_no_steps_and_it_is_graded(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "steps_of", lambda lab: Taught(exam={"minutes": 60}))
    instance.remember(instance.state.model_copy(update={"sitting": Sitting(seed="", drawn={})}))

    assert actions.words(instance.directory, "finish", {})[2:] == ["finish"]
    assert actions.words(instance.directory, "up", {}) == ["start", "tiny", f"--instance={instance.name}"]
    for action in actions.OF_LABS:
        with pytest.raises(LabError, match="exam"):
            actions.words(instance.directory, action, {})


def test_only_up_is_done_to_an_instance_that_is_not_there(tmp_path: Path, world: World) -> None:
    Selection(lab="tiny", provider="fake", distro="debian12").remember()
    assert actions.words(tmp_path / "new", "up", {}) == ["lab", "--instance=new", "up"]
    assert lesson(tmp_path / "new")["title"] == "A lab to test with"
    with pytest.raises(LabError, match="not up"):
        actions.words(tmp_path / "new", "check", {})


def test_whoever_holds_the_lock_is_named_but_a_bmc_needs_none(
    instance: Instance, learner: Callable[[object], Any], started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(instance.directory):
        (instance.directory / "lock-owner").write_text(f"`inv walk` (pid {os.getppid()}, user root)")

        refused = learner({"action": "check"})
        allowed = learner({"action": "bmc", "options": {"node": "node1", "action": "on"}})

    assert (refused.status, refused.json) == (409, {"holder": f"`inv walk` (pid {os.getppid()}, user root)"})
    assert allowed.status == 202


def test_help_is_asked_for_and_no_longer(instance: Instance, learner: Callable[[object], Any]) -> None:
    assert learner({"action": "help", "options": {"asked": True}}).status == 202
    assert asks_for_help(instance.directory)
    assert learner({"action": "help", "options": {"asked": False}}).status == 202
    assert not asks_for_help(instance.directory)


INV = """\
import os, pathlib, signal, sys, time

place = pathlib.Path(sys.argv[2])


def end(*_):
    (place / "interrupted").touch()
    sys.exit(130)


signal.signal(signal.SIGINT, end)
(place / "given").write_text(repr((sys.argv[3:], os.environ["HALAB_INSTANCE"], os.getsid(0) == os.getpid())))
print("it begins", flush=True)
(place / "ready").touch()
time.sleep(60)
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose `inv` tells what it was given, and goes on until it is interrupted."""
    (tmp_path / "inv.py").write_text(INV)
    program = tmp_path / "inv"
    program.write_text(f'#!/bin/bash\nexec python3 {tmp_path}/inv.py --search-root {tmp_path} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(running, "ROOT", tmp_path)
    return tmp_path


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_command_outlives_its_server_and_the_next_one_can_interrupt_it(checkout: Path) -> None:
    before = Running()
    pid = before.start("alice", ["lab", "--instance=alice", "save", "$(id) `id`"])
    until((checkout / "ready").exists)

    after = Running()  # of a server that was started anew
    found, others = after.of("alice"), after.of("bob")

    assert (found, others) == (pid, None)
    given = (["lab", "--instance=alice", "save", "$(id) `id`"], "alice", True)
    assert (checkout / "given").read_text() == repr(given)
    assert (directory() / "actions" / "alice.log").read_text() == "it begins\n"
    assert after.interrupt("alice")
    until(lambda: not is_alive(pid))
    assert (checkout / "interrupted").exists()
    assert before.of("alice") is None
    assert not after.interrupt("alice")
