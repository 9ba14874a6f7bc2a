"""Finding the first process of a container, and the command that enters it."""

import os
from pathlib import Path

import pytest

from halab.providers.inside import Container, enter, is_frozen


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "identity", "found"),
    [
        (str(os.getpid()), own_cgroup(), os.getpid()),
        (f"{os.getpid()}\n", own_cgroup(), os.getpid()),
        (str(os.getpid()), "0123456789abcdef", None),  # the pid is another process's by now
        ("4194305", own_cgroup(), None),  # above the kernel's highest, see proc(5), pid_max
        ("", own_cgroup(), None),
    ],
)
def test_a_pid_file_is_believed_only_when_that_process_is_the_container_s(
    tmp_path: Path, content: str, identity: str, found: int | None
) -> None:
    file = tmp_path / "pidfile"
    file.write_text(content)

    assert Container(identity, file).first_process() == found


def test_a_container_without_a_pid_file_does_not_run(tmp_path: Path) -> None:
    assert Container(own_cgroup(), tmp_path / "pidfile").first_process() is None


def test_a_process_in_no_cgroup_of_its_own_is_not_frozen() -> None:
    assert not is_frozen(os.getpid())


def test_a_command_enters_all_namespaces_as_root_with_nothing_of_the_callers_environment() -> None:
    argv = enter(4711, ["crm_mon", "--one-shot"])

    assert argv[:2] == ["nsenter", "--target=4711"]
    assert {"--user", "--mount", "--net", "--pid", "--root", "--setuid=0"} <= set(argv)
    assert argv[-2:] == ["crm_mon", "--one-shot"]
    assert "--ignore-environment" in argv
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin" in argv
