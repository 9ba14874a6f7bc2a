"""Machines of one node each: what happens to them when halab or libvirt fails, and that two instances do not meet.

Each test goes on from where the last one left off.
"""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from halab.conditions import Node
from halab.kit.errors import LabError
from halab.kit.process import run
from halab.kit.wait import wait
from halab.walk.lab import Lab
from tests.cli import Cli, addresses_of_host
from tests.vm.machines import boot_of, domain, leftovers, virsh

pytestmark = [
    pytest.mark.timeout(2700),
    # a kept connection outlives the one who opened it; only in a test is that one still there to be warned
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]
ONE_SENTENCE = re.compile(r"^halab: .+$", re.MULTILINE)
LONG = 900  # seconds that a machine may take to boot or to shut down, as clusters are tested beside it
IMAGES = Path("/var/lib/libvirt/images")


@pytest.fixture
def small_pool() -> Iterator[None]:
    """A storage pool with hardly any room.

    If there is one already, it is stopped; halab starts it, or makes it, again.
    """
    stop = ["virsh", "pool-destroy", "default"]
    subprocess.run(stop, capture_output=True, check=False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", IMAGES], check=True)
    yield
    subprocess.run(stop, capture_output=True, check=False)
    subprocess.run(["umount", IMAGES], check=True)


def restart_libvirtd() -> None:
    """Restart libvirtd as a package upgrade does, but harder."""
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


def test_an_up_that_was_killed_leaves_nothing_that_down_does_not_remove(instances: Callable[..., Cli]) -> None:
    cli = instances("killed", "--nodes", "1")
    process = subprocess.Popen(cli.argv("up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: domain("killed", "node1") in virsh("list", "--name"), bool, within=LONG, successes=1)
    process.kill()
    process.wait()

    cli("down")

    assert leftovers("killed") == []


def test_an_up_during_which_libvirtd_was_restarted_says_so_and_can_be_run_again(instances: Callable[..., Cli]) -> None:
    cli = instances("restarted", "--nodes", "1")
    process = subprocess.Popen(cli.argv("up"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait(lambda: domain("restarted", "node1") in virsh("list", "--name"), bool, within=LONG, successes=1)

    restart_libvirtd()
    told, _ = process.communicate(timeout=LONG)

    assert process.returncode == 3
    assert len(ONE_SENTENCE.findall(told)) == 1
    assert "`vagrant up` failed: " in told
    cli("up", timeout=LONG)
    assert [node["power"] for node in cli.json("status")["nodes"]] == ["on"]


def test_a_second_instance_has_the_same_addresses_and_does_not_meet_the_first(instances: Callable[..., Cli]) -> None:
    first, second = instances("restarted", "--nodes", "1"), instances("twin", "--nodes", "1", "--disk-only")
    second("up", timeout=LONG)
    assert (reaches_its_node(first), reaches_its_node(second)) == (True, True)

    first("bmc", "node1", "off")
    alone = reaches_its_node(first), reaches_its_node(second)
    first("down")

    assert alone == (False, True)
    assert leftovers("restarted") == []
    assert reaches_its_node(second)


def test_files_commands_and_ssh_reach_a_machine_from_the_host(instances: Callable[..., Cli], tmp_path: Path) -> None:
    cli = instances("twin", "--nodes", "1", "--disk-only")
    (tmp_path / "sent").write_text("from the host")
    config, addresses = tmp_path / "ssh.config", addresses_of_host()

    cli("copy", str(tmp_path / "sent"), "node1:/root/")
    cli("copy", "node1:/root/sent", str(tmp_path / "back"))
    command = run(cli.argv("ssh", "node1", "--", "sh", "-c", 'cat; echo "$@"; exit 7', "sh", "a  b", "*"), input="in ")
    config.write_text(run(cli.argv("ssh-config")).stdout)
    ssh = run(["ssh", "-F", str(config), "node1", "cat /root/sent; exit 7"])
    with subprocess.Popen(cli.argv("forward", "node1:22"), stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        port = int(next(found[1] for line in forward.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line))))
        with socket.create_connection(("127.0.0.1", port)) as connection:
            banner = connection.recv(100)
        forward.send_signal(signal.SIGINT)
        ended = forward.wait(timeout=30)

    assert (tmp_path / "back").read_text() == "from the host"
    assert (command.stdout, command.rc) == ("in a  b *\n", 7)
    assert (ssh.stdout, ssh.rc) == ("from the host", 7)
    assert (banner[:4], ended) == (b"SSH-", 0)
    assert addresses_of_host() == addresses


def test_a_machine_that_reboots_boots_again_and_one_that_switches_itself_off_stays_off(
    instances: Callable[..., Cli],
) -> None:
    cli = instances("twin", "--nodes", "1", "--disk-only")
    with closing(Lab(cli.instance())) as lab:
        [node] = lab.nodes
        boot = boot_of(node)

        end_system(node, "reboot")
        wait(lambda: boot_now(node), lambda now: now not in ("", boot), within=LONG, successes=1)
        node.wait_booted()
        end_system(node, "poweroff")
        wait(node.power, lambda state: state == "off", within=LONG, successes=1)
        told = cli("status")
        cli("bmc", "node1", "on")
        node.wait_booted()

    assert "node1 is off because its own system has switched it off" in told


def test_a_checkpoint_of_disks_alone_is_gone_back_to_by_booting(instances: Callable[..., Cli]) -> None:
    cli = instances("twin", "--nodes", "1", "--disk-only")
    lab = Lab(cli.instance())
    [node] = lab.nodes
    node.run("sh", "-c", "touch /root/later; rm /etc/issue; sync")
    boot = boot_of(node)

    cli("reset", "--to", "start")

    assert boot_of(node) != boot
    assert node.run("sh", "-c", "test -e /etc/issue && test ! -e /root/later").ok
    lab.close()
    cli("down")
    assert leftovers("twin") == []


def end_system(node: Node, how: str) -> None:
    with suppress(LabError):  # sshd may end before it has told that the command was taken
        node.run("systemctl", how)


def boot_now(node: Node) -> str:
    try:
        return boot_of(node)
    except LabError:  # it is not there
        return ""


def reaches_its_node(cli: Cli) -> bool:
    lab = Lab(cli.instance())
    return lab.workstation.run("ping", "-c", "1", "-W", "5", str(lab.nodes[0].lan)).ok
