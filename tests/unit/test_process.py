"""Running programs, and finding processes again by their mark."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from halab.errors import LabError
from halab.process import end_daemons, find_daemons, find_program, is_alive, mark_of, must, run, start_daemon

Daemon = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark that only this test uses; whatever it marks is killed at the end."""
    mark = f"/tests/{uuid.uuid4().hex}"  # only a name
    yield mark
    for pid in find_daemons(mark):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def daemon(mark: str) -> Iterator[Daemon]:
    """Starts a process under a mark below the test's own, by default one that sleeps."""
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
    """Whether a program has its environment, which the kernel gives it a moment after Popen returns; or has ended."""
    return mark_of(pid) is not None or not is_alive(pid)


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds


def test_a_result_has_exit_status_and_both_outputs() -> None:
    result = run(["sh", "-c", "cat; echo bad >&2; exit 3"], input="good\n")

    assert (result.rc, result.stdout, result.stderr, result.ok) == (3, "good\n", "bad\n", False)


@pytest.mark.parametrize(
    ("script", "line"),
    [("echo one; echo two", "two"), ("echo out; echo err >&2", "err"), (":", "(it printed nothing)")],
)
def test_the_last_line_is_quoted_errors_first(script: str, line: str) -> None:
    assert run(["sh", "-c", script]).last_line() == line


def test_a_program_without_input_reads_nothing_of_the_terminal() -> None:
    assert run(["cat"], timeout=5).stdout == ""


def test_output_that_is_no_utf_8_is_read_all_the_same() -> None:
    assert run(["printf", r"a\377b"]).stdout == "a\ufffdb"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_program_that_hangs_is_ended_and_named() -> None:
    with pytest.raises(LabError, match=r"`sleep 60` did not finish within 0\.1 s"):
        run(["sleep", "60"], timeout=0.1)


def test_must_raises_with_exit_status_and_last_line() -> None:
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
