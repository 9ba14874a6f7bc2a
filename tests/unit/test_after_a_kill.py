"""Whatever was killed, and whatever is typed next: work that is done after that is never undone unasked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.cli import commands
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import InjectedFault, locked, read_state
from halab.kit.errors import Exit
from halab.walk import checkpoints
from halab.walk.checkpoints import GRADING
from tests.fakes import World
from tests.inv import Inv

pytestmark = pytest.mark.usefixtures("world")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of halab catches it, and nothing is cleaned up after it."""


@pytest.fixture
def inv(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    """The instance `tiny` is up, and its first step done."""
    monkeypatch.setattr(commands.host, "ensure", lambda tools, say: None)
    monkeypatch.setattr(commands.host, "missing", lambda tools: ())
    monkeypatch.setattr("halab.cli.shell._run", lambda argv: 0)
    monkeypatch.setenv("HALAB_MARK", "")
    inv = Inv(capsys, monkeypatch)
    assert inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12") == Exit.GOOD
    assert inv("up") == inv("next") == Exit.GOOD
    return inv


def grading(world: World) -> None:
    checkpoints.save(Instance.open("tiny"), GRADING)
    world.done.append("shaken")


def putting_back(world: World) -> None:
    grading(world)
    instance = Instance.open("tiny")
    instance.remember(instance.state.model_copy(update={"restoring": GRADING}))


def restoring(world: World) -> None:
    instance = Instance.open("tiny")
    instance.remember(instance.state.model_copy(update={"restoring": "one"}))
    world.done.append("half restored")


def reset_of_a_grading(world: World) -> None:
    """A grading that was killed, and then a reset that was typed in place of finishing it, and killed as well."""
    grading(world)
    restoring(world)


def performing(world: World) -> None:
    instance = Instance.open("tiny")
    instance.remember(instance.state.with_step("two", "performing"))
    world.done.append("half of two")


def breaking(world: World) -> None:
    instance = Instance.open("tiny")
    instance.remember(instance.state.with_fault(InjectedFault(name="power-cut", node="node2")))
    world.power["node2"] = "off"


KILLED = (grading, putting_back, restoring, reset_of_a_grading, performing, breaking)
NEXT = (
    ["reset"],
    ["reset", "--to", "start"],
    ["heal"],
    ["ssh", "node1"],
    ["up"],
    ["save", "mine"],
    ["check"],
    ["hint"],
    ["fault", "reboot", "--node", "node1"],
)


@pytest.mark.parametrize("typed", NEXT, ids=" ".join)
@pytest.mark.parametrize("killed", KILLED, ids=lambda function: function.__name__)
def test_what_is_done_after_the_next_command_stays(
    inv: Inv, world: World, killed: Callable[[World], None], typed: list[str]
) -> None:
    killed(world)

    inv(*typed)
    world.done.append("later work")

    for later in (["heal"], ["ssh", "node1"], ["up"]):
        inv(*later)
        assert world.done[-1] == "later work", (later, inv.out, inv.err)


def test_a_reset_says_that_it_gives_up_what_a_killed_grading_had_to_put_back(inv: Inv, world: World) -> None:
    grading(world)

    assert inv("reset", "--to", "start") == Exit.GOOD

    assert inv.out.startswith("A grading was interrupted; the work that it had to put back is given up for start.")
    assert checkpoints.names(Instance.open("tiny")) == ["start", "one"]
    assert world.done == []


def test_a_reset_that_is_killed_at_once_is_the_one_that_is_done_again(inv: Inv, world: World) -> None:
    grading(world)

    def killed(call: str) -> None:
        world.before_call = lambda call: None
        raise Killed

    world.before_call = killed
    with pytest.raises(Killed):
        checkpoints.restore(Instance.open("tiny"), "start")
    inv("up")

    assert "The reset to start was interrupted; doing it again." in inv.out
    assert world.done == []


def test_a_reset_to_what_was_graded_has_nothing_to_put_back_any_more(inv: Inv, world: World) -> None:
    grading(world)

    assert inv("reset", "--to", GRADING) == Exit.GOOD

    assert world.done == ["one"]
    assert GRADING not in checkpoints.names(Instance.open("tiny"))


def test_faults_are_not_forgotten_by_a_reset_that_is_killed_before_it_has_begun(inv: Inv, world: World) -> None:
    breaking(world)

    def killed(call: str) -> None:
        raise Killed

    world.before_call = killed
    with pytest.raises(Killed):
        checkpoints.restore(Instance.open("tiny"), "one")

    state = Instance.open("tiny").state
    assert state.restoring == "one" or state.faults


def test_a_node_that_a_killed_save_left_frozen_is_thawed_though_it_has_a_fault(inv: Inv, world: World) -> None:
    instance = Instance.open("tiny")
    instance.remember(instance.state.with_fault(InjectedFault(name="cpu-hog", node="node2")))
    world.power["node2"] = "frozen"

    inv("check")

    assert world.power["node2"] == "on"


def test_a_shell_while_another_command_is_at_it_is_told_of_it(inv: Inv, world: World) -> None:
    grading(world)

    with locked(instances_dir() / "tiny"):
        inv("ssh", "node1")

    assert "it may undo what is done in this shell" in inv.err
    assert GRADING in checkpoints.names(Instance.open("tiny"))


def test_a_shell_of_what_cannot_be_finished_opens_and_says_so(inv: Inv, world: World) -> None:
    del world.power["node2"]
    grading(world)

    inv("ssh", "node1")

    assert "only half up; try: inv up. What is done in this shell may be undone by that." in inv.err


def test_a_down_that_was_killed_leaves_no_instance(inv: Inv, world: World) -> None:
    def killed(call: str) -> None:
        world.before_call = lambda call: None
        raise Killed

    world.before_call = killed
    with pytest.raises(Killed):
        Instance.open("tiny").down()

    assert inv("status") == Exit.LAB_BROKEN
    assert "half removed; try: inv down, or inv up for a new one" in inv.err
    assert inv("up") == Exit.GOOD
    state = read_state(instances_dir() / "tiny")
    assert state is not None
    assert (state.steps, state.removing, world.done) == ({}, False, [])
    assert checkpoints.names(Instance.open("tiny")) == ["start"]


def test_a_down_that_is_killed_says_so_as_long_as_anything_is_there(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    unlink = os.unlink

    def note(path: str | Path, **options: Any) -> None:
        removed.append(Path(path).name)
        unlink(path, **options)

    with monkeypatch.context() as watched:
        watched.setattr("os.unlink", note)
        assert inv("down") == Exit.GOOD

    assert {"start.json", "lock"} < set(removed)
    assert removed[-1] == "state.json"
