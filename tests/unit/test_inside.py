"""Finding the first process of a container, and the command that enters it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from halab.providers.inside import Container, enter, is_frozen
from halab.wait import wait


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text().splitlines()[-1]


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_pid_in_the_pid_file_is_the_first_process(tmp_path: Path, end: str) -> None:
    file = tmp_path / "pidfile"
    file.write_text(f"{os.getpid()}{end}")

    assert Container(own_cgroup(), file).first_process() == os.getpid()


def test_a_pid_that_is_another_process_s_by_now_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "pidfile"
    file.write_text(str(os.getpid()))

    assert Container("0123456789abcdef", file).first_process() is None


@pytest.mark.parametrize("content", ["4194305", ""])  # above the kernel's highest, see proc(5), pid_max; half written
def test_a_pid_of_no_process_is_not_believed(tmp_path: Path, content: str) -> None:
    file = tmp_path / "pidfile"
    file.write_text(content)

    assert Container(own_cgroup(), file).first_process() is None


def test_a_container_without_a_pid_file_does_not_run(tmp_path: Path) -> None:
    assert Container(own_cgroup(), tmp_path / "pidfile").first_process() is None


@pytest.fixture
def waiting_runtime(tmp_path: Path) -> Iterator[int]:
    """A process of the name that the runtime has while a container is ready, and not started."""
    program = shutil.copy("/bin/sleep", tmp_path / "crun")
    with subprocess.Popen([program, "60"]) as process:
        named = Path(f"/proc/{process.pid}/comm")
        wait(named.read_text, lambda name: name == "crun\n", within=5, successes=1, interval=0.01)
        yield process.pid
        process.kill()


def test_a_container_that_was_never_started_does_not_run(tmp_path: Path, waiting_runtime: int) -> None:
    file = tmp_path / "pidfile"
    file.write_text(str(waiting_runtime))

    assert Container(own_cgroup(), file).first_process() is None


def test_a_process_in_no_cgroup_of_its_own_is_not_frozen() -> None:
    assert not is_frozen(os.getpid())


def test_a_command_enters_all_namespaces_as_root_with_nothing_of_the_callers_environment() -> None:
    argv = enter(4711, ["crm_mon", "--one-shot"])

    assert argv[:2] == ["nsenter", "--target=4711"]
    assert {"--user", "--mount", "--net", "--pid", "--root", "--setuid=0"} <= set(argv)
    assert argv[-2:] == ["crm_mon", "--one-shot"]
    assert "--ignore-environment" in argv
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin" in argv
