"""Limits of containers: which podman sets, which halab sets, and what people are told of them."""

import errno
import json
import os
from pathlib import Path

import pytest

from halab.kit.process import run
from halab.providers.podman import quotas
from halab.providers.podman.cgroups import Cgroups
from halab.spec.models import Machine

MACHINE = Machine(memory=1024, processes=300)


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A host whose cgroups are version 1, in a directory with a space in its name."""
    place = tmp_path / "a place"
    for controller in ("memory", "pids"):
        (place / controller).mkdir(parents=True)
        (place / controller / "cgroup.procs").touch()
    return place


@pytest.fixture
def cgroups(v1: Path, tmp_path: Path) -> Cgroups:
    where = str(v1).replace(" ", r"\040")
    (tmp_path / "mounts").write_text(
        "cgroup /below/another/mount/memory cgroup rw,memory 0 0\n"
        + "".join(f"cgroup {where}/{name} cgroup rw,relatime,{name} 0 0\n" for name in ("memory", "pids"))
        + "halab /sys/fs/cgroup cgroup2 rw 0 0\n"
    )
    return Cgroups(tmp_path / "mounts", tmp_path / "nothing")


@pytest.fixture
def unified(tmp_path: Path) -> Cgroups:
    """A host whose cgroups are version 2."""
    (tmp_path / "mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return Cgroups(tmp_path / "mounts", tmp_path)


def test_podman_limits_memory_and_processes_where_it_can(unified: Cgroups) -> None:
    options = unified.podman_options(MACHINE)

    assert {"--memory=1024m", "--memory-swap=1024m", "--pids-limit=300"} <= set(options)
    assert unified.impossible() == []
    assert unified.joining("halab-x-node1") == []


def test_every_tmpfs_of_a_node_together_leaves_room_for_its_processes(unified: Cgroups) -> None:
    machine = Machine()

    options = unified.podman_options(machine)

    sizes = [int(option.rpartition("size=")[2].removesuffix("m")) for option in options if "--tmpfs" in option]
    assert len(sizes) == 3
    assert sum(sizes) + 256 <= machine.memory - 400  # /dev/shm has 256 MiB; a running cluster takes 280


def test_without_podman_a_container_s_first_process_is_put_into_limited_cgroups(cgroups: Cgroups, v1: Path) -> None:
    (v1 / "memory" / "halab" / "c").mkdir(parents=True)
    (v1 / "memory" / "halab" / "c" / "memory.limit_in_bytes").touch()  # as the kernel makes it; no memsw here

    cgroups.confine("c", os.getpid(), MACHINE)

    assert "--pids-limit=0" in cgroups.podman_options(MACHINE)
    assert (v1 / "memory" / "halab" / "c" / "memory.limit_in_bytes").read_text() == str(2**30)
    assert not (v1 / "memory" / "halab" / "c" / "memory.memsw.limit_in_bytes").exists()
    assert [(v1 / name / "halab" / "c" / "cgroup.procs").read_text() for name in ("memory", "pids")] == [
        str(os.getpid())
    ] * 2


def test_what_enters_a_container_joins_its_cgroups_and_keeps_its_arguments(cgroups: Cgroups, v1: Path) -> None:
    cgroups.confine("c", os.getpid(), MACHINE)

    done = run([*cgroups.joining("c"), "printf", "%s|", "two words", "--", "$x"])

    assert done.stdout == "two words|--|$x|"
    joined = {(v1 / name / "halab" / "c" / "cgroup.procs").read_text().strip() for name in ("memory", "pids")}
    assert len(joined) == 1
    assert joined != {str(os.getpid())}


def test_a_console_s_shell_joins_the_cgroups_and_what_else_the_runtime_does_stays_outside(
    cgroups: Cgroups, v1: Path, tmp_path: Path
) -> None:
    (option,) = cgroups.write_runtime(tmp_path / "node1" / "crun", "printf", "c", v1)
    cgroups.confine("c", 1, MACHINE)
    runtime = option.removeprefix("--runtime=")

    def first() -> set[str]:
        return {(v1 / name / "halab" / "c" / "cgroup.procs").read_text().strip() for name in ("memory", "pids")}

    created = run([runtime, "%s|", "create", "--bundle", "exec me", "0123"])
    outside = first()
    entered = run([runtime, "%s|", "exec", "two words", "0123"])

    assert (created.stdout, entered.stdout) == ("create|--bundle|exec me|0123|", "exec|two words|0123|")
    assert outside == {"1"}
    assert first() != {"1"}


def test_where_podman_imposes_the_limits_the_runtime_is_its_own(unified: Cgroups, tmp_path: Path) -> None:
    assert unified.write_runtime(tmp_path / "crun", "crun", "c", tmp_path) == []


def test_nothing_is_run_outside_of_cgroups_that_cannot_be_joined(cgroups: Cgroups, v1: Path) -> None:
    cgroups.confine("c", os.getpid(), MACHINE)
    (v1 / "pids" / "halab" / "c" / "cgroup.procs").unlink()
    (v1 / "pids" / "halab" / "c" / "cgroup.procs").mkdir()

    assert not run([*cgroups.joining("c"), "true"]).ok


def test_cgroups_are_removed_and_a_second_time_is_no_error(cgroups: Cgroups, v1: Path) -> None:
    (v1 / "memory" / "halab" / "c").mkdir(parents=True)

    cgroups.release("c")
    cgroups.release("c")

    assert not (v1 / "memory" / "halab" / "c").exists()


def test_what_needs_a_moment_to_leave_a_cgroup_is_waited_for(
    cgroups: Cgroups, v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (v1 / "pids" / "halab" / "c").mkdir(parents=True)
    remove, tries = Path.rmdir, []

    def busy_at_first(self: Path) -> None:
        tries.append(self)
        if len(tries) < 3:
            raise OSError(errno.EBUSY, "Device or resource busy")
        remove(self)

    monkeypatch.setattr(Path, "rmdir", busy_at_first)
    cgroups.release("c")

    assert len(tries) == 3
    assert not (v1 / "pids" / "halab" / "c").exists()


def test_the_limits_that_were_met_are_told(cgroups: Cgroups, v1: Path) -> None:
    cgroups.confine("c", os.getpid(), MACHINE)
    assert cgroups.met("c", None) == []

    (v1 / "memory" / "halab" / "c" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (v1 / "pids" / "halab" / "c" / "pids.events").write_text("max 7\n")

    assert cgroups.met("c", None) == ["memory", "processes"]


def test_what_the_kernel_cannot_limit_is_told(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("")

    told = Cgroups(tmp_path / "mounts", tmp_path).impossible()

    assert len(told) == 2
    assert "memory" in told[0]
    assert "`pids`" in told[1]


def test_keyrings_are_refused_as_if_the_kernel_had_none_and_nothing_else_is() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read", "keyctl"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["add_key"], "action": "SCMP_ACT_ALLOW"},
        ],
    }

    told = json.loads(quotas.without_keyrings(json.dumps(profile)))

    assert told["defaultAction"] == "SCMP_ACT_ERRNO"
    assert told["syscalls"][0] == {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    (refused,) = told["syscalls"][1:]
    assert set(refused["names"]) == {"add_key", "keyctl", "request_key"}
    assert refused["errnoRet"] == 38
