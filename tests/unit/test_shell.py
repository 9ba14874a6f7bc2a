"""Shells of `inv ssh`: known while they are open, and ended with a sentence that says what took the node's power."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halab.cli import audience, shell
from halab.cli.selection import Selection
from halab.exams import attempts
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.state import OWNER, InjectedFault
from halab.kit import pty
from halab.kit.errors import Exit
from halab.kit.recording import Recording, whole_lines
from halab.walk import checkpoints
from halab.walk.checkpoints import GRADING
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import begin_exam, write_exam

SLEEPER = [sys.executable, "-c", "import time; print('open', flush=True); time.sleep(60)"]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a shell leaves in this process's environment is gone after the test."""
    monkeypatch.setenv("HALAB_MARK", "")


pytestmark = pytest.mark.usefixtures("environ")


def run(instance: Instance, script: str, recording: Recording | None = None) -> int:
    return shell.run(instance, "node1", ["sh", "-c", script], recording)


def boots(world: World, number: int) -> None:
    world.answers["cat /proc/sys/kernel/random/boot_id"] = f"id-{number}\n1 (systemd) {' 0' * 18} {number} 0\n"


def cut_by(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the node lose its power while the shell is open, and boot again."""
    boots(world, 1)
    real = shell._run

    def cut(argv: list[str]) -> int:
        boots(world, 2)
        return real(argv)

    monkeypatch.setattr(shell, "_run", cut)


def test_a_shell_has_the_exit_status_of_what_ran_in_it(instance: Instance) -> None:
    assert [run(instance, "exit 0"), run(instance, "exit 7"), run(instance, "kill -KILL $$")] == [0, 7, 137]


def test_a_shell_that_fails_by_itself_says_nothing(
    instance: Instance, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    boots(world, 1)

    assert run(instance, "exit 7") == 7

    assert capfd.readouterr().err == ""


def test_a_shell_is_known_while_it_is_open(instance: Instance) -> None:
    assert by_hand.open_shells(instance) == []
    marked = {**os.environ, "HALAB_MARK": by_hand.shell_mark(instance, "node2")}

    with subprocess.Popen(SLEEPER, env=marked, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        during, worked = by_hand.open_shells(instance), by_hand.may_have_worked(instance)
        child.kill()

    assert (during, worked) == (["node2"], True)
    assert (by_hand.open_shells(instance), by_hand.may_have_worked(instance)) == ([], False)


def test_what_runs_in_a_shell_is_marked(instance: Instance, tmp_path: Path) -> None:
    run(instance, f"echo $HALAB_MARK > {tmp_path}/mark")

    assert (tmp_path / "mark").read_text().strip() == by_hand.shell_mark(instance, "node1")


def test_work_is_noted_until_the_nodes_are_saved_or_put_back_but_not_for_a_grading(instance: Instance) -> None:
    noted = []
    for name in (GRADING, "mine"):
        run(instance, "true")
        checkpoints.save(instance, name)
        noted.append(by_hand.may_have_worked(instance))
    run(instance, "true")
    for name in (GRADING, "start"):
        checkpoints.save(instance, GRADING)
        checkpoints.restore(instance, name)
        noted.append(by_hand.may_have_worked(instance))

    assert noted == [True, False, True, False]


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("lock", "node1 was switched off by `inv grade` (pid {pid}, user root)"),
        ("fault", "node1 was switched off by a fault, power-cut"),
        ("peer", "node1 was switched off through its BMC, as 10.2.0.11, node2 asked"),
        ("itself", "node1 lost its power, or was rebooted"),
    ],
)
def test_a_shell_that_its_node_has_ended_says_what_has_ended_the_node(
    instance: Instance,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    cause: str,
    sentence: str,
) -> None:
    cut_by(world, monkeypatch)
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as other:
        if cause == "lock":
            (instance.directory / OWNER).write_text(f"`inv grade` (pid {other.pid}, user root)")
        elif cause == "fault":
            instance.remember(instance.state.with_fault(InjectedFault(name="power-cut", node="node1")))
        elif cause == "peer":
            told = {"time": time.time(), "action": "off", "from": "10.2.0.11"}
            instance.bmc_log("node1").parent.mkdir(exist_ok=True)
            instance.bmc_log("node1").write_text(json.dumps(told) + "\n")

        assert run(instance, "exit 137") == 137

        other.kill()
    assert capfd.readouterr().err == f"\n{sentence.format(pid=other.pid)}: this shell ended with it.\n"


def test_the_sentence_is_in_the_recording_which_is_whole(
    instance: Instance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots(world, 1)

    def cut(argv: list[str], recording: Recording) -> int:
        recording.wrote("working")
        boots(world, 2)
        return 137

    monkeypatch.setattr(pty, "run", cut)
    with Recording(instance.directory, "node1", 80, 24) as recording:
        run(instance, "true", recording)

    lines = [json.loads(line) for line in recording.path.read_text().splitlines()]
    assert [line[2].strip() for line in lines[1:]] == [
        "working",
        "node1 lost its power, or was rebooted: this shell ended with it.",
    ]


def test_a_copy_of_a_recording_has_no_half_event() -> None:
    assert whole_lines(b'{"version": 2}\n[1, "o", "a"]\n[2, "o", "b') == b'{"version": 2}\n[1, "o", "a"]\n'
    assert whole_lines(b'{"vers') == b""


@pytest.fixture
def exam(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    Selection(lab="test", instance="alice").remember()
    monkeypatch.setattr("halab.exams.reports.write_all", lambda attempt: [])
    return begin_exam(write_exam(tmp_path / "labs"))


def test_grading_says_before_it_begins_what_it_does(exam: Instance, world: World, inv: Inv) -> None:
    world.saves_memory = False
    inv("grade")
    first = inv.out.splitlines()[0]
    world.saves_memory = True
    inv("grade")

    assert first.startswith(
        "Grading breaks things and puts all nodes back as they are now, as on their disks: they boot"
    )
    assert first.endswith("is gone. Shells on them end.")
    assert inv.out.startswith("Grading breaks things and puts all nodes back as they are now, memory too. Shells on")


@pytest.mark.parametrize(("answer", "graded"), [("y\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_grading_asks_on_a_terminal_while_a_shell_is_open(
    exam: Instance,
    inv: Inv,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    graded: int,
) -> None:
    monkeypatch.setattr(by_hand, "open_shells", lambda instance: ["node1", "node2"])
    monkeypatch.setattr(
        audience.sys, "stdin", type("Terminal", (), {"isatty": lambda: True, "readline": lambda: answer})
    )
    monkeypatch.setattr(audience, "_is_terminal", lambda: True)

    code = inv("grade")

    assert "Shells on them end. There is one on node1 and node2.\nGo on? [y/N] " in inv.out
    assert len(attempts.everything(exam.directory)) == graded
    if not graded:
        assert (code, inv.err) == (Exit.NOTHING_CHECKED, "halab: nothing was done, as you do not want to go on\n")


def test_grading_goes_on_where_nobody_can_be_asked(exam: Instance, inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "open_shells", lambda instance: ["node1"])

    inv("grade")

    assert "There is one on node1." in inv.out
    assert "Go on?" not in inv.out
    assert len(attempts.everything(exam.directory)) == 1
