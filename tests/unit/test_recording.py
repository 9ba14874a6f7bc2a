"""Recordings: what is in them, and that a recorded shell behaves as one that is not recorded."""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

import pexpect
import pytest

from halab.cli import commands
from halab.cli.selection import Selection, instance_to_make
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY
from halab.kit.paths import ROOT
from halab.kit.process import is_alive
from halab.kit.recording import Recording
from halab.walk import bringup
from halab.walk.walk import Walk
from tests.fakes import FakeAudience, World
from tests.unit.test_exams import EXAM, begin_exam, write_exam

RECORDED = """\
import sys
from pathlib import Path
from halab.kit import pty
from halab.kit.recording import Recording
with Recording(Path(sys.argv[1]), "node1", *pty.size()) as recording:
    sys.exit(pty.run(sys.argv[2:], recording))
"""
TYPING = '''\
"""Type"""

from tests.fakes import done


def perform(lab):
    lab.nodes[0].type("unset HISTFILE")  # which is that of this machine
    lab.nodes[0].type('read -sp "Password: " word; echo; echo "$PWD"', answers={"Password: ": "geheim"})
    lab.workstation.type("echo there")


def verify(lab):
    lab.check("it is done", done("typing"))
'''
READ = 'read -p "Name: " name; read -sp "Password: " word; echo "<$word>" | wc -c'
TELL_SIZE = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done"
TELL_INTERRUPT = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done"
PIECES = ("bash", "-c", r"printf '\xc3'; sleep 0.3; printf '\xa4\xff\n'; printf '\xc3'")
SECRET = "correct horse"  # typed, and never shown


def test_what_there_is_no_room_for_is_not_recorded_by_half(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Recording(tmp_path, "node1", 80, 24) as recording:
        recording.wrote("whole")
        whole = recording.path.read_text()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, before[1]))
        try:
            with pytest.raises(OSError, match=str(recording.path)):
                recording.wrote("cut short")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

        assert recording.path.read_text() == whole
        recording.wrote("there is room again")

    assert [json.loads(line)[2] for line in recording.path.read_text().splitlines()[1:]] == [
        "whole",
        "there is room again",
    ]


def recorder(directory: Path, *program: str) -> list[str]:
    """Return the command that runs a program and records it, on the terminal that it is started on."""
    return [sys.executable, "-c", RECORDED, str(directory), *program]


def on_terminal(directory: Path, *program: str, ignore_sighup: bool = False) -> Any:
    return pexpect.spawn(
        sys.executable,
        recorder(directory, *program)[1:],
        cwd=ROOT,
        encoding="utf-8",
        codec_errors="replace",
        dimensions=(30, 90),
        timeout=30,
        ignore_sighup=ignore_sighup,
    )


def in_pipes(directory: Path, *program: str, typed: str = "") -> Any:
    return run(
        recorder(directory, *program),
        cwd=ROOT,
        input=typed,
        text=True,
        check=False,
        errors="replace",
        capture_output=True,
    )


def events(directory: Path) -> tuple[dict[str, Any], list[Any]]:
    """Return header and events of the only recording. Fail when a line is not JSON."""
    (path,) = (directory / "recordings").iterdir()
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    return header, lines


def shown(directory: Path) -> str:
    return "".join(text for _, kind, text in events(directory)[1] if kind == "o")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_recording_is_an_asciicast_of_version_2(tmp_path: Path) -> None:
    with Recording(tmp_path, "node1", 90, 30) as recording:
        recording.wrote("Käse\r\n")
        recording.resized(100, 40)
        recording.printed("one\ntwo\r\n")
        recording.wrote("")

    header, lines = events(tmp_path)
    assert header["version"] == 2
    assert (header["width"], header["height"]) == (90, 30)
    assert time.time() - 60 < header["timestamp"] <= time.time()
    assert set(header["env"]) == {"TERM"}
    assert [line[1:] for line in lines] == [["o", "Käse\r\n"], ["r", "100x40"], ["o", "one\r\ntwo\r\n"]]
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)
    assert 0 <= lines[0][0] < 60


def test_recordings_of_one_second_are_files_of_their_own_named_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1767225600.0)
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(1767225600))

    paths = [Recording(tmp_path, "node1", 80, 24).path.name for _ in range(2)]

    assert paths == [f"{when}-node1.cast", f"{when}-node1-2.cast"]


@pytest.mark.parametrize(("program", "status"), [("exit 7", 7), ("true", 0), ("kill -9 $$", 137)])
def test_the_exit_status_is_the_programs_on_a_terminal_and_in_pipes(tmp_path: Path, program: str, status: int) -> None:
    terminal = on_terminal(tmp_path, "sh", "-c", program)
    terminal.expect(pexpect.EOF)

    assert terminal.wait() == status
    assert in_pipes(tmp_path, "sh", "-c", program).returncode == status


def test_all_that_appears_is_recorded(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x; printf 'Ende: 日本'")
    terminal.expect(pexpect.EOF)

    assert terminal.before.endswith("xEnde: 日本")
    assert terminal.before == shown(tmp_path)
    assert shown(tmp_path).count("x") == 50000


def test_what_a_program_printed_just_before_it_ended_appears_too(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", "echo pid $$; sleep 0.5; printf '%3000s' end")
    terminal.expect(r"pid (\d+)")
    program = int(terminal.match.group(1))

    os.kill(terminal.pid, signal.SIGSTOP)  # so that it is read after the program has ended
    until(lambda: not is_alive(program))
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.expect(pexpect.EOF)

    assert terminal.before.endswith("end")
    assert shown(tmp_path).endswith("end")


def test_what_is_typed_without_echo_is_not_recorded(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", READ)
    terminal.expect("Name: ")
    terminal.sendline("alice")
    terminal.expect("Password: ")
    terminal.sendline(SECRET)
    terminal.expect(pexpect.EOF)

    recorded = shown(tmp_path)
    assert str(len(SECRET) + 3) in recorded  # it was typed
    assert "Name: alice" in recorded
    assert SECRET not in (next((tmp_path / "recordings").iterdir())).read_text()


def test_the_program_has_the_size_of_the_terminal_and_is_told_when_it_changes(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", TELL_SIZE)
    terminal.expect("30 90")
    until(lambda: "30 90" in shown(tmp_path))

    terminal.setwinsize(40, 120)
    terminal.expect("40 120")
    terminal.expect(pexpect.EOF)

    header, lines = events(tmp_path)
    assert (header["width"], header["height"]) == (90, 30)
    assert ["r", "120x40"] in [line[1:] for line in lines]


def test_keys_reach_the_program_as_they_are(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", TELL_INTERRUPT)
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect("interrupted")
    terminal.expect(pexpect.EOF)

    assert terminal.wait() == 3


def test_a_recording_that_was_killed_is_whole_up_to_there(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", "echo before; sleep 60")
    terminal.expect("before")
    until(lambda: (tmp_path / "recordings").exists() and "before" in shown(tmp_path))

    os.kill(terminal.pid, signal.SIGKILL)
    terminal.expect(pexpect.EOF)

    assert shown(tmp_path) == "before\r\n"


def test_a_program_goes_with_its_terminal_though_no_signal_tells_that(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "bash", "-c", "echo pid $$; exec sleep 60", ignore_sighup=True)
    terminal.expect(r"pid (\d+)\r")

    os.close(terminal.child_fd)
    terminal.child_fd = -1

    until(lambda: not is_alive(int(terminal.match[1])))
    assert os.waitpid(terminal.pid, 0)[0] == terminal.pid


def test_a_script_is_run_through_pipes_and_recorded(tmp_path: Path) -> None:
    done = in_pipes(tmp_path, "bash", typed="echo out; echo err >&2; exit 5\n")

    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")
    assert sorted(shown(tmp_path).splitlines(keepends=True)) == ["err\r\n", "out\r\n"]
    assert events(tmp_path)[0]["width"] == 80


def test_letters_that_come_in_pieces_are_recorded_whole(tmp_path: Path) -> None:
    done = in_pipes(tmp_path, *PIECES)

    assert done.returncode == 0
    assert shown(tmp_path) == "ä\ufffd\r\n\ufffd"


def test_letters_that_come_in_pieces_on_a_terminal_are_recorded_whole(tmp_path: Path) -> None:
    on_terminal(tmp_path, *PIECES).expect(pexpect.EOF)

    assert shown(tmp_path) == "ä\ufffd\r\n\ufffd"


def test_what_a_script_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    with (tmp_path / "out").open("w+") as out:
        run(
            recorder(tmp_path, "bash", "-c", "sleep 20 & echo $!"),
            cwd=ROOT,
            input="",
            text=True,
            stdout=out,
            stderr=out,
            check=True,
        )
        os.kill(int((tmp_path / "out").read_text()), signal.SIGKILL)

    assert time.monotonic() - started < 10


@pytest.fixture
def exam(world: World, tmp_path: Path) -> Callable[[str], Instance]:
    """A function that begins an exam whose exam.toml starts with the given text."""

    def begin(toml: str) -> Instance:
        Selection(lab="test", instance="alice").remember()
        return begin_exam(write_exam(tmp_path / "labs", toml + EXAM))

    return begin


@pytest.fixture
def execs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been run."""
    became: list[list[str]] = []

    def run(argv: list[str]) -> int:
        became.append(argv)
        return 0

    monkeypatch.setattr("halab.cli.shell._run", run)
    monkeypatch.setenv("HALAB_MARK", "")
    return became


@pytest.mark.parametrize("place", ["node1", "workstation"])
def test_a_shell_of_an_exam_is_recorded_and_says_so_first(
    exam: Callable[[str], Instance],
    execs: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    instance = exam("")
    begun: list[str] = []

    def shell(argv: list[str], recording: Recording) -> int:
        begun.append(capsys.readouterr().err)
        recording.printed("hello\n")
        return 9

    monkeypatch.setattr("halab.kit.pty.run", shell)

    with pytest.raises(SystemExit) as end:
        commands.ssh(place)

    (path,) = (instance.directory / "recordings").iterdir()
    assert end.value.code == 9
    assert begun == [f"What appears in this shell is recorded in {path}\n"]
    assert path.name.endswith(f"-{place}.cast")
    assert shown(instance.directory) == "hello\r\n"
    assert execs == []


def test_an_author_can_turn_recording_off(exam: Callable[[str], Instance], execs: list[list[str]]) -> None:
    instance = exam("recording = false\n")

    with pytest.raises(SystemExit):
        commands.ssh("node1")

    assert len(execs) == 1
    assert not (instance.directory / "recordings").exists()


def test_recordings_go_with_the_instance(exam: Callable[[str], Instance]) -> None:
    instance = exam("")
    Recording(instance.directory, "node1", 80, 24).close()

    commands.down()

    assert not instance.directory.exists()


@pytest.fixture
def lab(world: World) -> Instance:
    made = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))
    bringup.up(made, NOBODY)
    Selection(lab="tiny").remember()
    return made


def test_a_shell_of_a_lab_is_not_recorded(lab: Instance, execs: list[list[str]]) -> None:
    with pytest.raises(SystemExit):
        commands.ssh("node1")

    assert len(execs) == 1
    assert not (lab.directory / "recordings").exists()


def test_a_step_that_is_performed_is_recorded_as_it_is_shown(lab: Instance, tmp_path: Path) -> None:
    (tmp_path / "labs" / "tiny" / "05_typing.py").write_text(TYPING)
    instance = Instance("tiny", lab.state)
    walk = Walk(instance, FakeAudience())

    walk.perform(walk.step("typing"))
    walk.verify(walk.step("typing"))

    (path,) = (lab.directory / "recordings").iterdir()
    assert path.name.endswith("-typing.cast")
    assert events(lab.directory)[0]["width"] == 200
    log = (lab.directory / "logs" / "typing.log").read_text()
    assert "[root@node1 ~]# read -sp" in shown(lab.directory)
    assert "[learner@workstation ~]$ echo there\r\nthere\r\n" in shown(lab.directory)
    assert shown(lab.directory).replace("\r\n", "\n") in log
    assert "geheim" not in path.read_text()
