"""A visitor of a node, where the node is this host: nothing is entered."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.paths import ROOT
from halab.kit.process import PrintedTooMuch, is_alive
from halab.kit.wait import wait
from halab.providers.podman import visit
from halab.providers.podman.visitors import Visitor

SERVE = """
import os, socket, sys
from halab.providers.podman import visit

class Here(visit.Node):
    def __init__(self, told):
        self._cgroup, self._group = os.open(told, os.O_RDONLY), "own"
        self._settings = {"PATH": os.environ["PATH"], "SETTING": "1"}

    def _enter(self):
        if os.path.exists("/proc/self/no-power"):
            raise OSError("never")

visit.read = lambda path: b""
visit.Node = lambda told: Here(sys.argv[1])
os._exit(visit.main(sys.argv[1]))
"""
DEAD = "import os; os.dup(0); raise SystemExit"


def here(argv: Sequence[str], code: str = SERVE) -> list[str]:
    return ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code, argv[-1]]


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    made = Visitor(tmp_path, here, Pace())
    yield made
    made.leave()


def said(visitor: Visitor, *argv: str, input: str | None = None, timeout: float = 20) -> tuple[int, str, str]:
    result = visitor.ask(argv, input=input, timeout=timeout)
    return result.rc, result.stdout, result.stderr


def test_a_program_is_run_with_its_input_and_settings_of_its_own(visitor: Visitor) -> None:
    assert said(visitor, "cat", input="hello") == (0, "hello", "")
    assert said(visitor, "sh", "-c", 'echo "$SETTING $0 $1"; echo wrong >&2; exit 3', "a b", "") == (
        *(3, "1 a b \n", "wrong\n"),
    )
    assert said(visitor, "cat") == (0, "", "")


def test_a_program_that_is_killed_has_the_status_that_a_shell_gives_it(visitor: Visitor) -> None:
    assert said(visitor, "sh", "-c", "kill -KILL $$")[0] == 137


def test_a_program_that_is_not_there_is_told_by_its_status(visitor: Visitor) -> None:
    assert said(visitor, "no-such-program") == (127, "", "no-such-program: there is no such program\n")


def test_what_cannot_be_asked_is_an_error_of_the_lab_and_no_answer(visitor: Visitor) -> None:
    with pytest.raises(LabError, match="nothing could be asked on the node: mount: Operation not permitted"):
        visitor.ask(
            ["sh", "-c", f"echo mount: Operation not permitted >&2; exit {visit.FAILED}"], input=None, timeout=5
        )


def test_a_program_has_no_file_but_its_own_three(visitor: Visitor) -> None:
    listed = said(visitor, "ls", "/proc/self/fd")[1].split()

    assert listed == ["0", "1", "2", "3"]  # the last one is the directory


def test_a_program_leads_a_session_and_is_ended_with_all_that_it_has_started(visitor: Visitor, tmp_path: Path) -> None:
    script = f"setsid sleep 61.0619 & echo $! $$ $(ps -o sid= $$) > {tmp_path}/pids; sleep 61.0620"

    with pytest.raises(LabError, match="did not finish"):
        said(visitor, "sh", "-c", script, timeout=0.5)

    sleeping, leader, session = map(int, (tmp_path / "pids").read_text().split())
    assert leader == session
    assert not is_alive(sleeping)
    assert not is_alive(leader)
    assert said(visitor, "true")[0] == 0


def test_a_program_that_prints_for_ever_is_ended(visitor: Visitor) -> None:
    with pytest.raises(PrintedTooMuch):
        said(visitor, "cat", "/dev/zero")

    assert said(visitor, "true")[0] == 0


def test_several_programs_are_run_at_once(visitor: Visitor, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    answers: list[tuple[int, str, str]] = []
    waiting = threading.Thread(target=lambda: answers.append(said(visitor, "cat", str(fifo))))
    waiting.start()

    said(visitor, "sh", "-c", f"echo hello > {fifo}")
    waiting.join(5)

    assert answers == [(0, "hello\n", "")]


def test_programs_leave_no_cgroup_and_no_zombie_behind(visitor: Visitor, tmp_path: Path) -> None:
    for _ in range(3):
        said(visitor, "true")

    assert [entry.name for entry in tmp_path.iterdir()] == ["own"]
    mine = said(visitor, "sh", "-c", "ps -o stat= --ppid $(ps -o ppid= $$)")[1].split()
    assert [state for state in mine if state.startswith("Z")] == []
    visitor.leave()
    wait(lambda: list(tmp_path.iterdir()), lambda left: left == [], within=5, successes=1, interval=0.01)


def test_what_runs_is_ended_when_nobody_can_ask_any_more(visitor: Visitor, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 61.0621"]
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            said(visitor, *command)
        except (ConnectionError, LabError) as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait(pid.exists, bool, within=5, successes=1, interval=0.01)

    visitor.leave()
    asking.join(5)

    wait(lambda: is_alive(int(pid.read_text())), lambda alive: not alive, within=5, successes=1, interval=0.01)


def test_a_program_that_is_followed_prints_until_it_is_ended(visitor: Visitor) -> None:
    followed = visitor.follow(["sh", "-c", "echo $$; echo wrong >&2; exec sleep 61.0622"])
    pid = int(followed.output.readline())

    alive = is_alive(pid)
    followed.end()
    followed.end()

    assert alive
    assert followed.output.read() == b""
    wait(lambda: is_alive(pid), lambda alive: not alive, within=5, successes=1, interval=0.01)
    followed.output.close()


def test_nothing_is_kept_of_a_followed_program_that_has_ended_even_if_nobody_reads_it(visitor: Visitor) -> None:
    followed = visitor.follow(["sh", "-c", "echo $$; exec true"])
    pid = followed.output.readline().decode().strip()

    wait(lambda: Path("/proc", pid).exists(), lambda there: not there, within=5, successes=1, interval=0.01)

    followed.output.close()


def test_a_followed_program_ends_with_the_visitor(visitor: Visitor) -> None:
    followed = visitor.follow(["sleep", "61.0623"])

    visitor.leave()

    assert followed.output.read() == b""
    followed.output.close()


def test_a_program_that_is_not_there_cannot_be_followed_for_long(visitor: Visitor) -> None:
    with visitor.follow(["no-such-program"]).output as output:
        assert output.read() == b""


def test_a_visitor_that_was_killed_is_told_of(visitor: Visitor) -> None:
    parent = said(visitor, "sh", "-c", "ps -o ppid= $$")[1]
    os.kill(int(parent), 9)
    time.sleep(0.1)

    with pytest.raises(ConnectionError):
        said(visitor, "true")


def test_a_visitor_is_not_taken_for_what_it_is_asked_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALAB_MARK", "a shell that is open")

    visitor = Visitor(tmp_path, here, Pace())

    parent = said(visitor, "sh", "-c", "ps -o ppid= $$")[1].strip()
    assert "HALAB_MARK" not in Path(f"/proc/{parent}/environ").read_text()


@pytest.mark.parametrize("code", [DEAD, "raise SystemExit(1)"])
def test_a_node_that_cannot_be_entered_is_told_of(tmp_path: Path, code: str) -> None:
    with pytest.raises(LabError, match="nothing could be asked on the node: it cannot be entered"):
        Visitor(tmp_path, lambda argv: here(argv, code), Pace())


def test_why_a_node_cannot_be_entered_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"nothing could be asked on the node: .+ No such file or directory"):
        Visitor(tmp_path / "nowhere", here, Pace())
