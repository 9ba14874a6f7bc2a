"""Shells of `inv ssh`: known while they are open, and ended with a sentence that says what took the node's power."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halab.cli import audience, copying, shell
from halab.cli.selection import Selection
from halab.exams import attempts
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.power_on_due import PowerOnDue
from halab.instance.state import OWNER, InjectedFault
from halab.kit import pty
from halab.kit.errors import Exit
from halab.kit.recording import Recording, whole_lines
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF
from halab.walk import checkpoints
from halab.walk.checkpoints import GRADING
from tests.fakes import FakeProvider, World
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
        (REBOOTS, "node1 reboots"),
        (SWITCHED_OFF, "node1 was switched off by its own system"),
        (CRASHED, "node1's system has crashed"),
        ("nobody", "node1 lost its power, or was rebooted"),
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
        elif cause in (REBOOTS, SWITCHED_OFF, CRASHED):
            world.ended["node1"] = cause
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


def test_handing_in_names_the_instance_first(exam: Instance, inv: Inv) -> None:
    inv("finish")

    assert inv.out.splitlines()[0] == "Handing in instance alice, of exam test."


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


@pytest.fixture
def up(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Inv:
    """`inv`, also with what programs print that it runs."""
    Selection(lab="tiny").remember()
    return Inv(capfd, monkeypatch)


def ssh(inv: Inv, *words: str) -> int:
    return inv("ssh", *words)


@pytest.mark.parametrize("place", ["node1", "workstation"])
@pytest.mark.parametrize(
    ("command", "status", "printed"),
    [
        (["true"], 0, ""),
        (["false"], 1, ""),
        (["exit 7"], 7, ""),
        (["kill -INT $$"], 130, ""),
        (["echo a | tr a b"], 0, "b\n"),
        (["printf", "%s,", "a b", "$HOME", "*", "", "--json", "--"], 0, "a b,$HOME,*,,--json,--,"),
        (["-x"], 127, ""),
        (["no-such-command", "x"], 127, ""),
        (["type", "-t", "cd"], 0, "builtin\n"),
    ],
)
def test_a_command_after_dashes_is_run_with_exactly_its_words_or_by_a_shell_if_it_is_one(
    up: Inv, place: str, command: list[str], status: int, printed: str
) -> None:
    code = up("lab", "--instance", "tiny", "ssh", place, "--", *command)

    assert (code, up.out) == (status, printed)


def test_a_command_reads_what_it_is_given(instance: Instance) -> None:
    Selection(lab="tiny").remember()
    argv = shell.argv(instance, "node1", ["cat"], terminal=False)

    done = subprocess.run(argv, input=b"\x00a\r\n\xff", capture_output=True, check=True)

    assert done.stdout == b"\x00a\r\n\xff"


@pytest.mark.parametrize("words", [["node1"], ["node1", "--", "true"]])
@pytest.mark.parametrize(
    ("power", "sentence"),
    [
        ("off", "halab: node1 is off; try: inv bmc node1 on\n"),
        ("booting", "halab: node1 is about to boot; try again in some seconds\n"),
        ("frozen", "halab: node1 is frozen: a shell on it would hang; try: inv heal\n"),
        ("absent", "halab: node1 is absent; try: inv up\n"),
    ],
)
def test_a_node_that_runs_nothing_is_told_in_a_sentence(
    up: Inv, world: World, monkeypatch: pytest.MonkeyPatch, words: list[str], power: str, sentence: str
) -> None:
    monkeypatch.setattr(shell, "finish_first", lambda instance, audience: None)
    world.power["node1"] = power
    if power == "booting":
        world.power["node1"] = "off"
        PowerOnDue(Instance.open("tiny").bmc_log("node1")).accept(5)

    assert ssh(up, *words) == Exit.LAB_BROKEN

    assert up.err == sentence


def test_a_command_in_an_exam_is_recorded_and_its_output_is_as_it_was(
    exam: Instance, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inv = Inv(capfd, monkeypatch)

    code = ssh(inv, "node1", "--", "printf", "a\\nb")

    (recording,) = (exam.directory / "recordings").glob("*.cast")
    assert (code, inv.out) == (0, "a\nb")
    assert "".join(json.loads(line)[2] for line in recording.read_text().splitlines()[1:]) == "a\r\nb"


def test_what_runs_without_a_terminal_is_found_and_interrupted_on_its_node() -> None:
    mark = {"HALAB_COMMAND": "4711", "PATH": os.environ["PATH"]}
    others = {**mark, "HALAB_COMMAND": "47110"}

    with subprocess.Popen(["sleep", "60"], env=mark) as marked, subprocess.Popen(["sleep", "60"], env=others) as other:
        subprocess.run(["sh", "-c", shell.INTERRUPT, "sh", "HALAB_COMMAND=4711"], check=False)
        status, others_status = marked.wait(timeout=10), other.poll()
        other.kill()

    assert (status, others_status) == (-signal.SIGINT, None)


@pytest.mark.parametrize("terminal", [True, False])
def test_ctrl_c_ends_what_runs_without_a_terminal_on_the_node_too(
    up: Inv, world: World, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    def interrupt(argv: list[str]) -> int:
        assert (f"HALAB_COMMAND={os.getpid()}" in argv) != terminal
        raise KeyboardInterrupt

    monkeypatch.setattr(shell, "_run", interrupt)
    monkeypatch.setattr(os, "isatty", lambda number: terminal)

    code = ssh(up, "node1", "--", "sleep", "9 9")

    assert (code, up.err) == (
        Exit.INTERRUPTED,
        "halab: interrupted; to go on, type the same again: inv ssh node1 -- sleep '9 9'\n",
    )
    assert any(line.endswith(f"HALAB_COMMAND={os.getpid()}") for line in world.typed)


def test_a_learner_on_the_workstation_is_in_the_sandbox_with_the_terminal_alone(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProvider, "workstation_argv", None)
    monkeypatch.setattr(FakeProvider, "learner_argv", lambda self, argv, env: [repr(env), *argv])
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLORTERM", raising=False)

    opened = shell.argv(instance, "workstation", [], terminal=True)
    ran = shell.argv(instance, "workstation", ["id", "-u"], terminal=False)
    copied = copying._argv(instance, "workstation", ["tar"])

    assert opened[0] == ran[0] == "{'TERM': 'xterm-256color'}"
    assert opened[-3:] == ["env", "PS1=[learner@workstation \\W]$ ", "bash"]
    assert ran[-2:] == ["id", "-u"]
    assert copied == ["{'LC_ALL': 'C'}", "tar"]


@pytest.mark.parametrize(("place", "apart"), [("workstation", True), ("node1", False)])
def test_a_shell_on_the_workstation_has_a_terminal_of_its_own(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, place: str, apart: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("HALAB_MARK", "")
    monkeypatch.setattr(pty, "on_terminal", lambda: True)
    monkeypatch.setattr(pty, "run_apart", lambda argv: opened.append("apart") or 0)
    monkeypatch.setattr(shell, "_run", lambda argv: opened.append("here") or 0)

    for terminal in (True, False):
        shell.run(instance, place, ["bash"], None, terminal)

    assert opened == ["apart" if apart else "here", "here"]
