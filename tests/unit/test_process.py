"""Running programs, and finding processes again by their mark."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.process import (
    end_daemons,
    find_daemons,
    find_program,
    is_alive,
    is_ours,
    mark_of,
    must,
    run,
    start_daemon,
)

Daemon = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark that only this test uses. Whatever has it is killed at the end."""
    mark = f"/tests/{uuid.uuid4().hex}"  # only a name
    yield mark
    for pid in find_daemons(mark):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def daemon(mark: str) -> Iterator[Daemon]:
    """A function that starts a process under a mark below the test's own, by default one that sleeps."""
    started: list[subprocess.Popen[bytes]] = []

    def start(below: str, *argv: str, log: Path | None = None, env: dict[str, str] | None = None) -> object:
        started.append(start_daemon(argv or ("sleep", "60"), f"{mark}{below}", log=log, env=env or {}))
        assert soon(lambda: has_begun(started[-1].pid))
        return started[-1]

    yield start  # type: ignore[misc]
    for process in started:
        process.kill()
        process.wait()


def has_begun(pid: int) -> bool:
    """Return whether a program has its environment, which it gets a moment after Popen returns, or has ended."""
    return mark_of(pid) is not None or not is_alive(pid)


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds


def test_a_result_has_exit_status_and_both_outputs() -> None:
    result = run(["sh", "-c", "cat; echo bad >&2; exit 3"], input="good\n")

    assert (result.rc, result.stdout, result.stderr, result.ok) == (3, "good\n", "bad\n", False)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo one; echo two", "two"),
        ("echo out; echo err >&2", "err"),
        (":", "it printed nothing, and its exit status is 0"),
    ],
)
def test_the_cause_is_quoted_errors_first(script: str, line: str) -> None:
    assert run(["sh", "-c", script]).cause() == line


def test_a_program_without_input_reads_nothing_of_the_terminal() -> None:
    assert run(["cat"], timeout=5).stdout == ""


def test_output_that_is_no_utf_8_is_read_all_the_same() -> None:
    assert run(["printf", r"a\377b"]).stdout == "a\ufffdb"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_program_is_missing_whatever_else_path_has_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-such-program").mkdir()  # as forbidden as a program in a directory that may not be read
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(LabError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_program_that_hangs_is_ended_and_named() -> None:
    with pytest.raises(LabError, match=r"`sleep 60` did not finish within 0\.1 s"):
        run(["sleep", "60"], timeout=0.1)


# Seconds that nobody else sleeps for: tests of other checkouts may run on this host, too
OURS = tuple(f"61.{os.getpid()}{number}" for number in range(1, 5))


def running_sleeps(*seconds: str) -> list[int]:
    return [pid for each in seconds for pid in find_program("sleep", each)]


@pytest.mark.parametrize(
    "script",
    [
        "sleep {0} & sleep {1}",
        "setsid sleep {0} & sleep {1}",
        "sh -c 'setsid sh -c \"sleep {0} & sleep {1}\" & wait' & wait",
        "(sleep {0} &) & exit 0",  # its output is still open
    ],
)
def test_a_program_that_hangs_takes_along_what_it_has_started(script: str) -> None:
    with pytest.raises(LabError, match="did not finish within"):
        run(["sh", "-c", script.format(*OURS)], timeout=0.3)

    assert running_sleeps(*OURS) == []


def test_what_others_run_meanwhile_is_not_taken_along(daemon: Daemon) -> None:
    other = daemon("/other")

    with pytest.raises(LabError):
        run(["sleep", "60"], timeout=0.1)

    assert other.poll() is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "script", ["exec cat /dev/zero", "exec cat /dev/zero >&2", "cat /dev/zero & cat /dev/zero >&2"]
)
def test_a_program_that_prints_for_ever_is_ended_as_soon_as_it_has_printed_too_much(script: str) -> None:
    with pytest.raises(LabError, match="printed more than 2 MiB"):
        run(["sh", "-c", script], most=2 * 2**20)


def test_much_input_and_much_output_do_not_wait_for_each_other() -> None:
    text = "a line\n" * 500_000

    assert run(["cat"], input=text).stdout == text
    assert run(["true"], input=text).ok


def test_bytes_can_be_kept_as_they_are() -> None:
    assert run(["printf", r"a\r\nb\r\377"], errors="surrogateescape").stdout == "a\r\nb\r\udcff"
    assert run(["printf", r"a\r\nb\r"]).stdout == "a\nb\n"


OPEN_THE_TERMINAL = """
from halab.kit.process import run
print("caller:", run(["true"]).ok and open("/dev/tty").isatty())
print("program:", run(["sh", "-c", "exec 3</dev/tty"]).stderr)
"""


def test_a_program_cannot_reach_the_terminal_that_its_caller_has() -> None:
    seen = pexpect.run(shlex.join([sys.executable, "-c", OPEN_THE_TERMINAL]), cwd=str(ROOT), encoding="utf-8")

    assert "caller: True" in seen
    assert re.search("program: .*No such device or address", seen), seen


RUN_FOR_LONG = """
import sys
from halab.kit.parallel import for_each
from halab.kit.process import run
for_each((sys.argv[1:3], sys.argv[3:5]), lambda two: run(["sh", "-c", "setsid sleep {0} & sleep {1}".format(*two)]))
"""


def test_an_interrupt_ends_what_runs_though_no_terminal_tells_it() -> None:
    with subprocess.Popen([sys.executable, "-c", RUN_FOR_LONG, *OURS], cwd=ROOT, stderr=subprocess.DEVNULL) as caller:
        try:
            assert soon(lambda: len(running_sleeps(*OURS)) == 4)

            caller.send_signal(signal.SIGINT)

            assert caller.wait(timeout=30) != 0
            assert running_sleeps(*OURS) == []
        finally:
            caller.kill()


def test_must_raises_with_exit_status_and_cause() -> None:
    with pytest.raises(LabError, match="failed with exit status 7: no way"):
        must(["sh", "-c", "echo no way >&2; exit 7"])


def test_a_daemon_is_found_by_its_mark_and_by_one_above_it(mark: str, daemon: Daemon) -> None:
    one = daemon("/bmc/node1")

    assert set(find_daemons(f"{mark}/bmc/node1")) == {one.pid}
    assert find_daemons(f"{mark}/bmc") == {one.pid: f"{mark}/bmc/node1"}


def test_a_mark_that_only_begins_alike_is_another_one(mark: str, daemon: Daemon) -> None:
    daemon("/bmc/node10")

    assert not find_daemons(f"{mark}/bmc/node1")
    assert not find_daemons(f"{mark}/bm")


def test_ending_one_mark_leaves_the_others(mark: str, daemon: Daemon) -> None:
    one, ten = daemon("/bmc/node1"), daemon("/bmc/node10")

    end_daemons(f"{mark}/bmc/node1")

    assert one.wait(timeout=5) == -signal.SIGTERM
    assert set(find_daemons(mark)) == {ten.pid}


def test_a_daemon_that_ignores_sigterm_is_killed_after_the_grace(mark: str, daemon: Daemon, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = daemon("/stubborn", "sh", "-c", f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done")
    assert soon(ready.exists)

    end_daemons(f"{mark}/stubborn", grace=0.1)

    assert stubborn.wait(timeout=5) == -signal.SIGKILL
    assert not find_daemons(mark)


def test_a_program_is_found_by_its_name_and_a_whole_argument(daemon: Daemon) -> None:
    sleeping = daemon("/sleeping", "sleep", "59.321")

    assert find_program("sleep", "59.321") == [sleeping.pid]
    assert find_program("sleep", "59.32") == []
    assert find_program("cat", "59.321") == []


BECOME = {
    "another user": lambda: os.setresuid(65534, 65534, 65534),
    "another user's, by a program that is root's": lambda: os.setresuid(65534, 0, 0),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("who", BECOME)
def test_a_process_of_somebody_else_is_not_believed_whatever_it_is_called(mark: str, who: str) -> None:
    environment = {**os.environ, "HALAB_MARK": mark}
    with subprocess.Popen(["/bin/sleep", "59.432"], env=environment, preexec_fn=BECOME[who]) as process:
        try:
            assert soon(lambda: b"59.432" in Path(f"/proc/{process.pid}/cmdline").read_bytes())

            assert not is_ours(process.pid)
            assert find_daemons(mark) == {}
            assert mark_of(process.pid) is None
            assert find_program("sleep", "59.432") == []
        finally:
            process.kill()


def test_root_of_a_user_namespace_is_not_believed(mark: str) -> None:
    environment = {**os.environ, "HALAB_MARK": mark}
    with subprocess.Popen(["unshare", "--user", "--map-root-user", "sleep", "59.433"], env=environment) as process:
        try:
            assert soon(lambda: b"\x0059.433" in Path(f"/proc/{process.pid}/cmdline").read_bytes()[:14])

            assert find_daemons(mark) == {}
            assert find_program("sleep", "59.433") == []
        finally:
            process.kill()


@pytest.mark.timeout(10)
def test_a_zombie_neither_hangs_the_end_nor_counts_as_alive(mark: str, daemon: Daemon) -> None:
    zombie = daemon("/zombie", "true")
    assert soon(lambda: Path(f"/proc/{zombie.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")

    end_daemons(mark)

    assert not find_daemons(mark)


def test_ending_what_does_not_run_is_no_error(mark: str) -> None:
    end_daemons(mark)

    assert not find_daemons(mark)


def test_a_daemon_writes_its_output_to_its_log_after_what_is_there(mark: str, daemon: Daemon, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")

    daemon("/talker", "sh", "-c", 'echo "$WORD"; echo bad >&2', log=log, env={"WORD": "hello"}).wait(timeout=5)

    assert log.read_text() == "before\nhello\nbad\n"


def test_a_daemon_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(daemon: Daemon) -> None:
    process = daemon("/daemon")

    assert os.getsid(process.pid) == process.pid
