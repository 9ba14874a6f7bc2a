"""Finding the first process of a container, and the command that enters it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.kit.process import CommandResult
from halab.kit.wait import wait
from halab.providers import limits
from halab.providers.podman import inside
from halab.providers.podman.inside import Container, KnownContainers, Running, as_a_shell, enter

CONFIG = Path("/nowhere/config.json")
UPPER = Path("/nowhere/diff")


def container(identity: str, pid_file: Path) -> Container:
    return Container(identity, pid_file, pid_file.with_name("conmon.pid"), pid_file.parent, Path("/nowhere/diff"))


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::")


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_pid_in_the_pid_file_is_the_first_process(tmp_path: Path, end: str) -> None:
    file = tmp_path / "pidfile"
    file.write_text(f"{os.getpid()}{end}")

    found = container(own_cgroup(), file).running()

    assert found
    assert found.first_process == os.getpid()


def test_a_pid_that_is_another_process_s_by_now_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "pidfile"
    file.write_text(str(os.getpid()))

    assert container("0123456789abcdef", file).running() is None


@pytest.mark.parametrize("content", ["4194305", ""])  # above the kernel's highest, see proc(5), pid_max; half written
def test_a_pid_of_no_process_is_not_believed(tmp_path: Path, content: str) -> None:
    file = tmp_path / "pidfile"
    file.write_text(content)

    assert container(own_cgroup(), file).running() is None


def test_a_container_without_a_pid_file_does_not_run(tmp_path: Path) -> None:
    assert container(own_cgroup(), tmp_path / "pidfile").running() is None


def test_a_container_whose_first_process_is_ending_does_not_run_any_more(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        wait(
            lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0],
            lambda state: state == "Z",  # it has no namespaces any more, but still a cgroup
            within=5,
            successes=1,
            interval=0.01,
        )
        file = tmp_path / "pidfile"
        file.write_text(str(process.pid))

        assert container(own_cgroup(), file).running() is None


@pytest.fixture
def waiting_runtime(tmp_path: Path) -> Iterator[int]:
    """A process with the name of the runtime, which waits while a container is ready but not started."""
    program = shutil.copy("/bin/sleep", tmp_path / "crun")
    with subprocess.Popen([program, "60"]) as process:
        named = Path(f"/proc/{process.pid}/comm")
        wait(named.read_text, lambda name: name == "crun\n", within=5, successes=1, interval=0.01)
        yield process.pid
        process.kill()


def test_a_container_that_was_never_started_does_not_run(tmp_path: Path, waiting_runtime: int) -> None:
    file = tmp_path / "pidfile"
    file.write_text(str(waiting_runtime))

    assert container(own_cgroup(), file).running() is None


def test_what_watches_over_a_container_is_found_by_its_pid_file(tmp_path: Path) -> None:
    program = shutil.copy("/bin/sleep", tmp_path / "conmon")
    with subprocess.Popen([program, "60"]) as process:
        named = Path(f"/proc/{process.pid}/comm")
        wait(named.read_text, lambda name: name == "conmon\n", within=5, successes=1, interval=0.01)
        (tmp_path / "conmon.pid").write_text(f"{process.pid}\n")

        assert container("4711", tmp_path / "pidfile").monitor() == process.pid
        process.kill()


@pytest.mark.parametrize("content", [None, "", "4194305", "1"])
def test_a_pid_of_something_else_is_not_taken_for_what_watches_over_a_container(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "conmon.pid").write_text(content)

    assert container("4711", tmp_path / "pidfile").monitor() is None


def test_podman_is_asked_again_only_when_a_container_is_gone(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    there = tmp_path / "there"
    there.mkdir()

    def podman(*arguments: str) -> list[str]:
        told = [arguments[-1], "4711", tmp_path / "pid", tmp_path / "conmon", there, UPPER]
        return ["sh", "-c", 'echo >> "$0"; printf "%s\\n" "$@"', str(asked), *map(str, told)]

    def known() -> KnownContainers:  # as another command begins with it
        return KnownContainers({"node1": "halab-node1"}, podman, tmp_path / "containers.json")

    first = known()
    found = [first.containers(), first.containers(), known().containers()]
    there.rmdir()
    first.containers()

    node1 = Container("4711", tmp_path / "pid", tmp_path / "conmon", there, UPPER)
    assert found == [{"node1": node1}] * 3
    assert len(asked.read_text().splitlines()) == 2


@pytest.mark.parametrize("kept", ["", "[]", '{"node1": 5}', '{"node1": ["4711"]}', '{"node1": ["a", 1, 2, 3, 4]}'])
def test_podman_is_asked_when_what_was_kept_is_spoilt(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "containers.json"
    file.write_text(kept)
    told = ["halab-node1", "4711", "pid", "conmon", str(tmp_path), "upper"]

    found = KnownContainers({"node1": "halab-node1"}, lambda *_: ["printf", "%s\\n", *told], file).containers()

    assert found["node1"].identity == "4711"
    assert "4711" in file.read_text()


@pytest.mark.parametrize(("freeze", "frozen"), [("1\n", True), ("0\n", False)])
def test_whether_a_container_is_frozen_is_read_where_the_host_has_its_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: str, frozen: bool
) -> None:
    monkeypatch.setattr(inside, "_cgroup", lambda pid: "/libpod_parent/libpod-4711/init.scope")
    (tmp_path / "libpod_parent/libpod-4711/init.scope").mkdir(parents=True)
    (tmp_path / "libpod_parent/libpod-4711/cgroup.freeze").write_text(freeze)
    (tmp_path / "libpod_parent/libpod-4711/init.scope/cgroup.freeze").write_text("the node's own")

    assert Running("4711", os.getpid(), CONFIG).is_frozen(tmp_path) is frozen


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cgroup of container 4711, below `tmp_path`."""
    monkeypatch.setattr(inside, "_cgroup", lambda pid: "/libpod_parent/libpod-4711/init.scope")
    own = tmp_path / "libpod_parent/libpod-4711"
    own.mkdir(parents=True)
    return own


def test_a_container_is_frozen_when_all_of_it_has_stopped_and_thawed_by_one_word(tmp_path: Path, own: Path) -> None:
    (own / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    running = Running("4711", os.getpid(), CONFIG)

    running.freeze(tmp_path)
    frozen = (own / "cgroup.freeze").read_text()
    running.thaw(tmp_path)

    assert frozen == "1"
    assert (own / "cgroup.freeze").read_text() == "0"


def test_a_container_that_does_not_stop_is_told_of(tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "FREEZING", 0.05)
    (own / "cgroup.events").write_text("populated 1\nfrozen 0\n")

    with pytest.raises(LabError, match="container 4711 does not freeze"):
        Running("4711", os.getpid(), CONFIG).freeze(tmp_path)


def test_a_container_that_was_ended_cannot_be_frozen_and_needs_no_thawing(tmp_path: Path) -> None:
    running = Running("4711", os.getpid(), CONFIG)

    with pytest.raises(LabError, match="container 4711 does not freeze"):
        running.freeze(tmp_path / "nowhere")
    running.thaw(tmp_path / "nowhere")


def test_a_process_in_no_cgroup_of_its_own_is_not_frozen(tmp_path: Path) -> None:
    assert not Running("4711", os.getpid(), CONFIG).is_frozen(tmp_path)


def test_a_command_is_run_by_the_runtime_with_nothing_of_the_callers_environment() -> None:
    argv = enter("4711", ["crm_mon", "--one-shot"])

    runtime = argv.index("crun")
    assert argv[:runtime] == ["prlimit", *(f"--{name}={bound}" for name, bound in limits.bounds().items())]
    assert argv[runtime + 1 : runtime + 3] == ["--cgroup-manager=cgroupfs", "exec"]
    assert argv[-3:] == ["4711", "crm_mon", "--one-shot"]
    assert "--env=PATH=/usr/sbin:/usr/bin:/sbin:/bin" in argv


def test_a_program_that_is_not_there_has_the_exit_status_that_a_shell_gives_it() -> None:
    said = "executable file `pcs` not found in $PATH: No such file or directory\n"
    missing, other = CommandResult((), 255, "", said), CommandResult((), 255, "", "no\n")

    assert as_a_shell(missing, "pcs").rc == 127
    assert as_a_shell(missing, "crm_mon").rc == 255
    assert as_a_shell(other, "pcs").rc == 255
