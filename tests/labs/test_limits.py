"""Whatever root does on a node of one instance, the cluster of another instance goes on, and so does the host."""

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from halab.kit.process import CommandResult, run
from halab.kit.wait import wait
from halab.providers.host import mem_available
from halab.walk.lab import Lab
from tests.cli import Cli

pytestmark = pytest.mark.timeout(900)  # the first test makes the image, and walks through the lab that comes before

GIB = 2**30
# Each has an end: if no limit stops it, it ends by itself or with the node's power.
PROCESSES = "for i in $(seq 1500); do sleep 60 & done"  # dash; bash would wait, and try again
TMPFS = "mount -t tmpfs -o size=3g tmpfs /mnt && head -c 3G /dev/zero > /mnt/big"
HEAP = "head -c 3G /dev/zero | tail"
DISK = "fallocate -l 3900M /root/reserved && head -c 500M /dev/urandom > /root/big"
INOTIFY = """\
import ctypes
libc = ctypes.CDLL(None)
print(sum(libc.inotify_init1(0) >= 0 for _ in range(3000)))
"""
KEYS = """\
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = sum(libc.syscall(250, 1, None) > 0 for _ in range(300))  # keyctl(2), KEYCTL_JOIN_SESSION_KEYRING, on x86-64
print(made, ctypes.get_errno())
"""


@pytest.fixture
def bombed(instances: Callable[..., Cli], cli: Cli) -> Iterator[Cli]:
    """Bare nodes with power. Afterwards the cluster of another instance must be as it was, and the host have room."""
    other = instances("bombed")
    other("up")
    memory, disk = mem_available(), shutil.disk_usage("/").free
    yield other
    status = cli.json("status")
    assert status["cluster"]["quorate"]
    assert [node["member"] for node in status["nodes"]] == ["online", "online"]
    assert [node["limits_met"] for node in status["nodes"]] == [[], []]
    lab = Lab(cli.instance())
    assert lab.workstation.run("curl", "--fail", "--max-time", "5", f"http://{lab.vip}/").ok
    assert mem_available() > memory - 2 * GIB
    assert shutil.disk_usage("/").free > disk - 2 * GIB


def explode(cli: Cli, *argv: str) -> CommandResult:
    """Run a program in a shell of node1's, as a learner does."""
    return run(cli.instance().provider.console_argv("node1", argv, {}, terminal=False), timeout=120)


def met(cli: Cli) -> list[list[str]]:
    return [node["limits_met"] for node in cli.json("status")["nodes"]]


def test_a_node_that_forks_has_no_more_processes_than_it_may(bombed: Cli) -> None:
    explode(bombed, "dash", "-c", PROCESSES)

    assert met(bombed) == [["processes"], []]
    bombed.instance().provider.power_off("node1")


def test_a_program_that_takes_all_memory_is_killed_and_its_node_is_not(bombed: Cli) -> None:
    assert not explode(bombed, "bash", "-c", f"set -o pipefail; {HEAP}").ok

    assert met(bombed) == [["memory"], []]
    assert bombed.json("status")["nodes"][0]["power"] == "on"
    assert "node1 had no memory left of its 1536 MiB" in bombed("status")


def test_a_node_whose_memory_is_full_of_files_is_a_node_without_power(bombed: Cli) -> None:
    explode(bombed, "sh", "-c", TMPFS)

    wait(lambda: met(bombed), lambda limits: limits == [["memory"], []], within=20, successes=1)
    bombed("up")
    assert [node["power"] for node in bombed.json("status")["nodes"]] == ["on", "on"]
    assert met(bombed) == [[], []]


def test_a_node_s_own_tmpfs_are_full_before_its_memory_is(bombed: Cli) -> None:
    everywhere = "for d in /tmp /run /run/lock /dev/shm; do head -c 3G /dev/zero > $d/big; done"

    explode(bombed, "sh", "-c", everywhere)

    assert met(bombed) == [[], []]
    assert explode(bombed, "systemctl", "is-system-running").stdout == "running\n"


def test_a_node_that_writes_has_a_full_disk_which_the_host_gets_back(bombed: Cli) -> None:
    image = bombed.instance().directory / "layers" / "node1.img"

    assert not explode(bombed, "sh", "-c", DISK).ok

    assert met(bombed) == [["disk"], []]
    assert explode(bombed, "rm", "/root/reserved", "/root/big").ok
    assert met(bombed) == [[], []]
    wait(lambda: image.stat().st_blocks * 512, lambda size: size < GIB / 10, within=20, successes=1)


def test_a_node_has_its_part_of_the_inotify_instances_and_leaves_the_host_its_own(bombed: Cli) -> None:
    made = explode(bombed, "python3", "-c", INOTIFY).stdout

    assert int(made) <= 1024
    raised = explode(
        bombed, "sh", "-c", "mount -o remount,rw /proc/sys; echo 99 > /proc/sys/user/max_inotify_instances"
    )
    assert not raised.ok
    descriptor = ctypes.CDLL(None).inotify_init1(0)
    assert descriptor >= 0
    os.close(descriptor)


def test_a_node_makes_no_keyrings(bombed: Cli) -> None:
    assert explode(bombed, "python3", "-c", KEYS).stdout == "0 38\n"
