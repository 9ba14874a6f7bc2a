"""Commands killed at any moment can be run again, and `down` leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.instance.state import OWNER
from halab.kit.parallel import for_each
from halab.kit.process import find_daemons, find_program, is_alive
from halab.kit.wait import wait
from halab.providers.images import Recipe
from halab.providers.podman.containers import PODMAN
from halab.spec.distros import load
from tests.cli import Cli, addresses_of_host

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def cli(instances: Callable[..., Cli]) -> Cli:
    return instances("killed")


@pytest.fixture
def walked(cli: Cli) -> Cli:
    """That instance where the step `vip` has passed: as the test before left it, or else walked or put back to it."""
    cli("up", timeout=1800)
    status = cli.json("status")
    if [step["name"] for step in status["steps"] if step["outcome"] == "passed"][-1:] == ["vip"] and status["vip"][
        "owners"
    ]:
        return cli
    there = "vip" in [point["name"] for point in cli.json("checkpoints")]
    cli(*(("reset", "--to", "vip") if there else ("walk", "--to", "vip")))
    return cli


def kill_after(cli: Cli, seconds: float, *arguments: str) -> bool:
    """Start a command, and SIGKILL it with all its helpers after some seconds. Return whether it was still running."""
    process = subprocess.Popen(
        cli.argv(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def leftovers(cli: Cli) -> list[str]:
    """Return everything that this instance could have left on the host."""
    state = Path(os.environ["XDG_STATE_HOME"], "halab", "instances", cli.name)
    everything = ["podman", "ps", "--all", "--external", "--format={{.Names}}"]
    names = subprocess.run(everything, capture_output=True, text=True, check=True)
    mounts = Path("/proc/self/mounts").read_text()
    loops = ["losetup", "--list", "--noheadings", "--output=BACK-FILE"]
    files = subprocess.run(loops, capture_output=True, text=True, check=True).stdout
    return [
        *(f"container {name}" for name in names.stdout.split() if f"halab-{cli.name}" in name),
        *(f"process {pid}" for pid in find_daemons(str(state))),
        *(f"conmon {pid}" for node in ("node1", "node2") for pid in find_program("conmon", cli.container(node))),
        *([f"directory {state}"] if state.exists() else []),
        *(["a mount"] if cli.name in mounts else []),
        *(f"loop device {file}" for file in files.split() if str(state) in file),
        *(f"cgroup {cgroup}" for cgroup in Path("/sys/fs/cgroup").glob(f"*/halab/halab-{cli.name}*")),
    ]


def half_removed(container: str, scratch: Path) -> None:
    """Make storage with a container's name that podman does not know. A podman with another database makes it."""
    books = scratch / "containers.conf"
    books.write_text(f'[engine]\nstatic_dir = "{scratch / "static"}"\ntmp_dir = "{scratch / "run"}"\n')
    image = Recipe(load("debian12")).reference
    subprocess.run(
        ["podman", "--cgroup-manager=cgroupfs", "create", "--network=none", f"--name={container}", image],
        env={**os.environ, "CONTAINERS_CONF": str(books)},
        check=True,
        capture_output=True,
    )


def test_another_state_directory_may_have_an_instance_of_the_same_name(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("up")
    provider = cli.instance().provider
    provider.run("node1", ["touch", "/run/my-work"])  # it is lost when the node's power is

    with monkeypatch.context() as another:
        another.setenv("XDG_STATE_HOME", str(tmp_path))
        cli("up")
        theirs = cli.instance().provider.run("node1", ["test", "-e", "/run/my-work"])
        left_alone = cli("bmc", "node2", "off"), cli("down")

    assert not theirs.ok, left_alone
    assert provider.run("node1", ["test", "-e", "/run/my-work"]).ok
    assert provider.run("node1", ["ping", "-c", "1", "-W", "5", "192.168.1.11"]).ok
    assert all(find_program("conmon", cli.container(node)) for node in ("node1", "node2"))
    assert cli("bmc", "node2", "status").strip().endswith("is on")


def test_up_goes_on_with_containers_whose_names_do_not_tell_the_state_directory(cli: Cli) -> None:
    """An older halab named its containers so."""
    cli("up")
    cli.instance().provider.run("node1", ["touch", "/run/my-work"])
    podman = cli.instance().provider.workstation_argv(["podman", "--cgroup-manager=cgroupfs", "rename"])
    for node in ("node1", "node2"):
        subprocess.run([*podman, cli.container(node), f"halab-{cli.name}-{node}"], check=True, capture_output=True)
    (cli.instance().directory / "containers.json").unlink()  # which it did not keep

    refused = cli("save", "mine", expect=3)
    cli("up")

    assert "try: inv up" in refused
    assert cli.instance().provider.run("node1", ["test", "-e", "/run/my-work"]).ok
    assert cli("bmc", "node1", "status").strip().endswith("is on")


@pytest.mark.parametrize("seconds", [0.5, 0.8, pytest.param(1.2, marks=pytest.mark.core), 1.8, 3.0])
def test_up_killed_at_any_moment_can_be_run_again(cli: Cli, seconds: float) -> None:
    cli("down")
    kill_after(cli, seconds, "up")

    cli("up", timeout=1800)  # where this test is the first, the image is not made yet

    status = cli.json("status")
    assert [node["power"] for node in status["nodes"]] == ["on", "on"]
    assert [node["bmc"] for node in status["nodes"]] == ["192.168.2.110", "192.168.2.111"]


@pytest.mark.parametrize("seconds", [0.5, 0.9, 1.5])
def test_down_after_an_up_that_was_killed_leaves_nothing(cli: Cli, host_addresses: str, seconds: float) -> None:
    cli("down")
    kill_after(cli, seconds, "up")

    cli("down")

    assert leftovers(cli) == []
    assert addresses_of_host() == host_addresses


@pytest.mark.parametrize("seconds", [0.5, 0.8])
def test_down_killed_at_any_moment_can_be_run_again(cli: Cli, seconds: float) -> None:
    cli("up")
    kill_after(cli, seconds, "down")

    cli("down")

    assert leftovers(cli) == []


def test_down_ends_what_watched_over_a_container_that_never_came_to_be(cli: Cli, tmp_path: Path) -> None:
    """A podman that was killed at its start may leave this. Here a shell makes it, under the same name."""
    cli("up")
    conmon = shutil.copy("/bin/sh", tmp_path / "conmon")
    waiting = ["-c", "while :; do sleep 0.1; done", "conmon", "-n", cli.container("node1")]
    process = subprocess.Popen([conmon, *waiting])
    try:
        wait(lambda: leftovers(cli), lambda found: f"conmon {process.pid}" in found, within=5, successes=1)

        cli("down")

        assert process.wait(timeout=5) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    assert leftovers(cli) == []


def test_up_makes_a_node_whose_removal_was_killed_half_way(cli: Cli, tmp_path: Path) -> None:
    cli("down")
    half_removed(cli.container("node1"), tmp_path)

    cli("up")

    assert [node["power"] for node in cli.json("status")["nodes"]] == ["on", "on"]


def test_up_starts_a_node_whose_power_on_was_killed_half_way(cli: Cli) -> None:
    cli("up")
    cli("bmc", "node1", "off")
    node1 = cli.container("node1")
    ready = cli.instance().provider.workstation_argv(["podman", "--cgroup-manager=cgroupfs", "init", node1])
    subprocess.run(ready, check=True, capture_output=True)
    assert [node["power"] for node in cli.json("status")["nodes"]] == ["off", "on"]

    cli("up")

    assert [node["power"] for node in cli.json("status")["nodes"]] == ["on", "on"]


def test_up_ends_and_starts_a_node_whose_power_off_was_killed_half_way(cli: Cli) -> None:
    """The node has no cables any more. Podman takes it for one that is stopping, while all of it still runs."""
    cli("up")
    provider = cli.instance().provider
    podman = provider.workstation_argv(["podman", "--cgroup-manager=cgroupfs"])

    def inspect(what: str) -> str:
        told = [*podman, "inspect", f"--format={{{{.State.{what}}}}}", cli.container("node1")]
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()

    first = int(inspect("Pid"))
    for network in ("lan", "mgmt"):
        subprocess.run(provider.bridge_argv(["ip", "link", "del", provider.port("node1", network)]), check=True)
    os.kill(first, signal.SIGSTOP)  # otherwise it would shut down by itself
    with subprocess.Popen([*podman, "stop", "--time=60", cli.container("node1")]) as process:
        wait(lambda: inspect("Status"), lambda status: status == "stopping", within=30, successes=1)
        process.kill()

    cli("up")

    assert not is_alive(first)
    assert [node["power"] for node in cli.json("status")["nodes"]] == ["on", "on"]
    assert provider.run("node1", ["ping", "-c", "1", "-W", "5", "192.168.1.11"]).ok


def test_down_removes_a_node_whose_removal_was_killed_half_way(cli: Cli, tmp_path: Path) -> None:
    cli("up")
    node1 = cli.container("node1")
    subprocess.run(["podman", "rm", "--force", "--time=0", node1], check=True, capture_output=True)
    half_removed(node1, tmp_path)
    assert f"container {node1}" in leftovers(cli)

    cli("down")

    assert leftovers(cli) == []


def test_nodes_that_get_power_together_find_their_own_files(cli: Cli) -> None:
    """Each podman that ran for one node once hid, or took away, the disk of the other one."""
    cli("up")
    provider, nodes = cli.instance().provider, ("node1", "node2")
    assert [provider.run(node, ["touch", "/root/mine"]).rc for node in nodes] == [0, 0]

    for _ in range(40):
        for_each(nodes, provider.power_off)
        for_each(nodes, provider.power_on)

        assert [provider.run(node, ["test", "-e", "/root/mine"]).rc for node in nodes] == [0, 0]


@pytest.mark.core
def test_walk_killed_in_the_middle_of_a_step_goes_on_from_the_checkpoint_before(cli: Cli) -> None:
    cli("up", "walk", "--to", "auth")
    assert kill_after(cli, 9, "walk", "--to", "vip")

    output = cli("walk", "--to", "vip")

    assert "was interrupted; going back to" in output
    assert [step["outcome"] for step in cli.json("status")["steps"][:4]] == ["passed"] * 4


@pytest.mark.parametrize("seconds", [0.6, pytest.param(1.0, marks=pytest.mark.core), 1.6, 3.0])
def test_reset_killed_at_any_moment_can_be_run_again(walked: Cli, seconds: float) -> None:
    kill_after(walked, seconds, "reset", "--to", "auth")

    walked("up", "reset", "--to", "vip")

    status = walked.json("status")
    assert status["restoring"] is None
    assert status["vip"]["owners"]


def test_a_node_sees_what_was_put_back_when_podman_was_killed_as_it_mounted_its_root(walked: Cli) -> None:
    walked("reset", "--to", "auth")
    provider = walked.instance().provider
    mount = [*PODMAN, "mount", walked.container("node1")]
    subprocess.run(provider.workstation_argv(mount), check=True, capture_output=True)  # one more mount than is undone
    assert not provider.run("node1", ["test", "-e", "/etc/corosync/corosync.conf"]).ok  # what the kernel remembers

    walked("reset", "--to", "vip")

    assert walked.json("status")["vip"]["owners"]


def test_an_instance_whose_namespaces_were_killed_comes_back(walked: Cli) -> None:
    for pid in find_daemons(f"{walked.instance().directory}/holder"):
        os.kill(pid, signal.SIGKILL)

    walked("up")
    walked("check", "--step", "vip")

    assert walked.json("status")["vip"]["owners"]
    assert walked("bmc", "node1", "status").strip().endswith("is on")


def wait_until_it_works(cli: Cli, process: subprocess.Popen[Any]) -> None:
    """Wait until a command holds its instance's lock."""
    owner = cli.instance().directory / OWNER
    wait(lambda: f"pid {process.pid}," in owner.read_text(), bool, within=60, successes=1)


def test_a_second_command_is_refused_with_the_owner_while_one_runs(walked: Cli) -> None:
    process = subprocess.Popen(
        walked.argv("reset", "--to", "vip"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until_it_works(walked, process)

    refused = walked("save", "mine", expect=4)

    process.wait()
    assert f"pid {process.pid}" in refused


def test_interrupting_a_walk_says_how_to_go_on(walked: Cli) -> None:
    process = subprocess.Popen(
        walked.argv("walk", "--to", "nginx"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until_it_works(walked, process)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "to go on, type the same again" in output
    walked("walk", "--to", "nginx")


def test_an_instance_is_removed_from_a_disk_that_is_full(cli: Cli, tmp_path: Path) -> None:
    """The disk is the test's own, in the test's own mount namespace. It becomes full as it is made smaller."""
    cli("down")
    place = tmp_path / "state"
    place.mkdir()
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "infinity"]) as keeper:
        enter = ["nsenter", f"--target={keeper.pid}", "--mount", "env", f"XDG_STATE_HOME={place}"]
        mount = [*enter, "mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", str(place)]
        theirs = Path(f"/proc/{keeper.pid}/ns/mnt")
        wait(lambda: not theirs.samefile("/proc/self/ns/mnt"), bool, within=5, successes=1)
        subprocess.run(mount, check=True)
        full = Cli("full", "--name", "ha-web", "--provider", "podman", "--distro", "debian12", enter=enter)
        try:
            full("up", "status")
            used = subprocess.run([*enter, "df", "--output=used", place], capture_output=True, text=True, check=True)
            less = f"remount,size={int(used.stdout.split()[-1])}k"
            subprocess.run([*enter, "mount", "-o", less, str(place)], check=True)

            told = [full("save", "mine", expect=3), full("reset", "--to", "start", expect=3)]
            power = [node["power"] for node in full.json("status")["nodes"]]
            full("down")
            left = subprocess.run([*enter, "ls", place / "halab" / "instances"], capture_output=True, check=True).stdout
        finally:
            subprocess.run([*enter, "mount", "-o", "remount,size=8g", str(place)], check=True)
            full("down")
            keeper.kill()

    assert all("make room there, or remove an instance" in said for said in told), told
    assert power == ["on", "on"]
    assert left == b""


@pytest.mark.core
def test_down_leaves_nothing_behind(cli: Cli, host_addresses: str) -> None:
    cli("down")

    assert leftovers(cli) == []
    assert addresses_of_host() == host_addresses
