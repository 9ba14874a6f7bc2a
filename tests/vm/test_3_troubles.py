"""A libvirt that fails: what is told, and that nothing is left."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from halab.wait import wait
from tests.cli import Cli
from tests.vm.machines import leftovers, virsh

pytestmark = pytest.mark.timeout(900)
ONE_SENTENCE = re.compile(r"^halab: .+$", re.MULTILINE)
IMAGES = Path("/var/lib/libvirt/images")


@pytest.fixture
def small_pool() -> Iterator[None]:
    """A storage pool with room for hardly anything, if any is there yet; halab starts, or makes, it again."""
    stop = ["virsh", "pool-destroy", "default"]
    subprocess.run(stop, capture_output=True, check=False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", IMAGES], check=True)
    yield
    subprocess.run(stop, capture_output=True, check=False)
    subprocess.run(["umount", IMAGES], check=True)


def restart_libvirtd() -> None:
    """As a package upgrade does it, only harder."""
    pid_file = Path("/run/libvirt/libvirtd.pid")
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    start = ["libvirtd", "--daemon", "--pid-file", pid_file]  # refused while a thread of the old one holds the file
    wait(lambda: subprocess.run(start, check=False).returncode, lambda code: code == 0, within=20, successes=1)


def test_a_full_storage_pool_is_told_and_down_leaves_nothing(instances: Callable[..., Cli], small_pool: None) -> None:
    cli = instances("full", "--nodes", "1")

    told = cli("up", expect=3, timeout=300)
    cli("down")

    assert len(ONE_SENTENCE.findall(told)) == 1
    assert "of disk at /var/lib/libvirt/images is needed" in told
    assert leftovers("full") == []


def test_an_up_during_which_libvirtd_was_restarted_says_so_and_can_be_run_again(instances: Callable[..., Cli]) -> None:
    cli = instances("restarted", "--nodes", "1")
    process = subprocess.Popen(cli.argv("up"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait(lambda: "halab-restarted-node1" in virsh("list", "--name"), bool, within=60, successes=1)

    restart_libvirtd()
    told, _ = process.communicate(timeout=600)

    assert process.returncode == 3
    assert len(ONE_SENTENCE.findall(told)) == 1
    assert "`vagrant up` failed: " in told
    cli("up", timeout=600)
    assert [node["power"] for node in cli.json("status")["nodes"]] == ["on"]
    cli("down")
    assert leftovers("restarted") == []
