"""Every fault on a real cluster: how it looks from outside, and that `heal` leaves nothing of it."""

import asyncio
import os
import select
import time
from collections.abc import Callable
from typing import Any

import pytest

from halab.cli.status import vip_owners
from halab.conditions import Node, online, served_by_owner, started
from halab.conditions.checks import Outcome, evaluate
from halab.faults import registry
from halab.faults.processes import FULL
from halab.instance.state import InjectedFault
from halab.kit.wait import wait
from halab.walk.lab import Lab
from halab.web.following.follower import Follower
from tests.cli import Cli

pytestmark = pytest.mark.timeout(900)  # the first test makes the image, and walks through the lab that comes before


def pings(place: Node | object, address: object) -> bool:
    return bool(place.run("ping", "-c", "2", "-i", "0.2", "-W", "1", str(address)).ok)  # type: ignore[attr-defined]


def reaches(place: Node | object, address: object) -> bool:
    """Return that a place reaches an address, if not at once then after ARP has asked again, once a second."""
    return wait(lambda: pings(place, address), bool, within=10, successes=1)


def whole(lab: Lab) -> bool:
    """Return that, after a while, all nodes are online and the service answers."""
    results = [evaluate("", condition, lab, within=90) for condition in (online(), served_by_owner("virtual_ip"))]
    assert {result.outcome for result in results} == {Outcome.PASSED}, [result.seen for result in results]
    return True


def no_fencing(lab: Lab) -> None:
    lab.ask("pcs", "property", "set", "stonith-enabled=false")


def events(lab: Lab, node: Node) -> int:
    return len(lab.power_events(node))


@pytest.mark.core
def test_power_cut_is_answered_by_fencing_and_the_other_node_serves(cli: Cli, lab: Lab) -> None:
    victim = lab.where("virtual_ip")
    before = events(lab, victim)

    cli("fault", "power-cut")

    wait(lambda: vip_owners(lab), lambda owners: owners == (lab.others(victim)[0].name,), within=40)
    wait(lambda: events(lab, victim), lambda count: count > before, within=40, successes=1)
    cli("heal")
    assert whole(lab)


@pytest.mark.parametrize("fault", ["standby", "move", "stop-cluster"])
def test_planned_work_sends_the_service_to_the_other_node_and_fences_nobody(cli: Cli, lab: Lab, fault: str) -> None:
    home = lab.where("virtual_ip")
    fenced = events(lab, home)

    cli("fault", fault)

    wait(lambda: vip_owners(lab), lambda owners: owners == (lab.others(home)[0].name,), within=30)
    cli("heal")
    assert whole(lab)
    assert events(lab, home) == fenced
    assert "cli-ban" not in lab.ask("cibadmin", "--query")


def test_a_rebooted_node_starts_anew_and_joins_again(cli: Cli, lab: Lab) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    boot = node.run("cat", "/proc/1/stat").stdout.split()[21]

    cli("fault", "reboot", "--node", node.name)
    cli("heal")

    assert node.run("cat", "/proc/1/stat").stdout.split()[21] != boot
    assert whole(lab)


def test_a_frozen_node_is_silent_and_once_thawed_believes_that_no_time_has_passed(
    cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_fencing(lab)
    node = lab.others(lab.where("virtual_ip"))[0]
    boot = node.run("cat", "/proc/1/stat").stdout.split()[21]

    cli("fault", "freeze", "--node", node.name)
    silent = lab.workstation.run("arping", "-c", "2", "-w", "2", "-I", "lan", str(node.lan)).rc
    with monkeypatch.context() as hurry:
        hurry.setenv("HALAB_TIMEOUT_FACTOR", "0.05")
        cli("check", "--step", "planned", expect=1)  # another command does not thaw it
    still = node.power()
    cli("heal")

    assert silent != 0
    assert still == "frozen"
    assert node.run("cat", "/proc/1/stat").stdout.split()[21] == boot


def test_a_node_that_was_frozen_by_half_is_heard_again_once_it_is_healed(cli: Cli, lab: Lab) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    no_fencing(lab)
    half_done = InjectedFault(name="freeze", node=node.name)
    instance = cli.instance()

    instance.remember(instance.state.with_fault(half_done))
    for network in ("lan", "mgmt"):
        port = instance.provider.port(node.name, network)
        assert lab.workstation.run("bridge", "link", "set", "dev", port, "state", "disabled").ok
    silent = not pings(lab.workstation, node.lan)
    cli("heal")

    assert silent
    assert reaches(lab.workstation, node.lan)


def test_a_partition_keeps_nodes_apart_and_the_workstation_reaches_both(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    one, two = lab.nodes

    cli("fault", "partition")

    assert not pings(one, two.lan)
    assert reaches(one, two.mgmt)
    assert reaches(lab.workstation, one.lan)
    assert reaches(lab.workstation, two.lan)
    wait(lambda: vip_owners(lab), lambda owners: owners == ("node1", "node2"), within=60)  # split-brain
    cli("heal")
    assert reaches(one, two.lan)


@pytest.mark.core
def test_a_pulled_cable_is_seen_by_the_node_and_plugged_in_again(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    node = lab.others(lab.where("virtual_ip"))[0]
    device = node.run("sh", "-c", f"ip -oneline address show to {node.lan} | cut -d ' ' -f 2").stdout.strip()

    cli("fault", "link-down", "--node", node.name)
    carrier = node.run("cat", f"/sys/class/net/{device}/carrier").stdout.strip()
    reached = pings(lab.workstation, node.lan)
    cli("heal")

    assert carrier == "0"
    assert not reached
    assert node.run("cat", f"/sys/class/net/{device}/carrier").stdout.strip() == "1"
    assert reaches(lab.workstation, node.lan)


def test_packets_are_lost_in_both_directions_and_at_the_rate_that_was_asked_for(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    node = lab.others(lab.where("virtual_ip"))[0]
    many = ("ping", "-q", "-c", "200", "-i", "0.01", "-W", "1", str(node.lan))
    assert reaches(lab.workstation, node.lan)  # otherwise frames that ask for its hardware address would be lost, too

    cli("fault", "packet-loss", "--node", node.name, "--percent", "20")
    said = lab.workstation.run(*many).stdout
    cli("heal")

    lost = float(said.partition("% packet loss")[0].split()[-1])
    assert 25 < lost < 47  # 36 per cent of pings lose one of their two frames
    assert " 0% packet loss" in lab.workstation.run(*many).stdout


@pytest.mark.parametrize(
    ("fault", "process"),
    [("kill-corosync", "corosync"), ("kill-pacemaker", "pacemakerd"), ("kill-controld", "pacemaker-contr")],
)
def test_a_node_whose_daemon_died_is_fenced_or_recovers_and_joins_again(
    cli: Cli, lab: Lab, fault: str, process: str
) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    before = node.run("pgrep", "--exact", process).stdout

    cli("fault", fault, "--node", node.name)

    def pid() -> str:
        return node.run("pgrep", "--exact", process).stdout if node.power() == "on" else ""

    wait(pid, lambda now: now != before, within=30, successes=1)
    cli("heal")
    assert whole(lab)


@pytest.mark.core
def test_a_crashed_service_is_started_again_by_the_cluster(cli: Cli, lab: Lab) -> None:
    home = lab.where("webserver")
    before = home.run("pgrep", "--oldest", "nginx").stdout

    cli("fault", "service-crash")

    wait(lambda: home.run("pgrep", "--oldest", "nginx").stdout, lambda now: now not in ("", before), within=30)
    cli("heal")
    assert whole(lab)


def test_a_hanging_service_accepts_connections_and_never_answers(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    lab.ask("pcs", "property", "set", "maintenance-mode=true")

    cli("fault", "service-hang")
    told = lab.workstation.run("curl", "--silent", "--max-time", "3", "--verbose", f"http://{lab.vip}/")
    cli("heal")

    assert told.rc == 28  # curl(1): the time is up
    assert "Connected to" in told.stderr
    assert lab.workstation.run("curl", "--silent", "--max-time", "3", f"http://{lab.vip}/").ok


def test_a_broken_service_cannot_start_on_its_node_and_goes_to_another(cli: Cli, lab: Lab) -> None:
    home = lab.where("webserver")

    cli("fault", "service-broken")

    moved = evaluate("", started("webserver", lab.others(home)[0]), lab, within=90)
    cli("heal")
    assert moved.outcome is Outcome.PASSED, moved.seen
    assert "no directive" not in home.run("cat", "/etc/nginx/nginx.conf").stdout
    assert whole(lab)


def test_a_closed_firewall_has_no_openings_until_it_is_healed(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    node = lab.others(lab.where("virtual_ip"))[0]

    cli("fault", "firewall-closed", "--node", node.name)
    closed = node.run("firewall-cmd", "--list-services").stdout.split()
    cli("heal")

    assert not {"high-availability", "http"} & set(closed)
    assert {"high-availability", "http"} <= set(node.run("firewall-cmd", "--list-services").stdout.split())


def test_a_full_disk_takes_nothing_more_until_it_is_healed(cli: Cli, lab: Lab) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    write = ("sh", "-c", "cp /etc/hostname /var/tmp/more && rm /var/tmp/more")
    assert node.run(*write).ok
    instance = cli.instance()
    instance.remember(instance.state.with_fault(InjectedFault(name="disk-full", node=node.name)))
    half_done = f"mkdir -p {FULL} && mount -t tmpfs tmpfs {FULL}"  # killed before it covered /var
    assert node.run("sh", "-c", half_done).ok
    cli("heal")
    assert node.run("grep", "--count", FULL, "/proc/self/mounts").stdout.strip() == "0"

    cli("fault", "disk-full", "--node", node.name)
    full = node.run(*write)
    cli("heal")

    assert "No space left on device" in full.stderr
    assert node.run(*write).ok
    assert node.run("sh", "-c", "grep -c ' /var ' /proc/self/mounts").stdout.strip() == "0"
    assert whole(lab)


def test_a_hogged_processor_is_free_again_once_healed(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    node = lab.others(lab.where("virtual_ip"))[0]

    cli("fault", "cpu-hog", "--node", node.name)
    loops = node.run("sh", "-c", "systemctl status halab-hog | grep -c 'while :'").stdout.strip()
    cli("heal")

    assert int(loops) >= 2
    assert node.run("systemctl", "is-active", "halab-hog").stdout.strip() == "inactive"


@pytest.mark.parametrize("fault", [pytest.param("bmc-dead", marks=pytest.mark.core), "bmc-wrong-password"])
def test_without_its_bmc_a_node_cannot_be_fenced_and_the_cluster_waits(cli: Cli, lab: Lab, fault: str) -> None:
    victim = lab.where("virtual_ip")
    survivor = lab.others(victim)[0]

    cli("fault", fault)
    cli("fault", "power-cut", "--node", victim.name)

    wait(lambda: lab.status().nodes[victim.name].unclean, bool, within=40)
    time.sleep(10)  # the outage goes on: nobody may take the address
    assert vip_owners(lab) == ()
    cli("heal")
    wait(lambda: vip_owners(lab), lambda owners: len(owners) == 1, within=90)
    assert survivor.power() == "on"
    assert whole(lab)


def test_a_reset_heals_what_was_broken(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    cli("fault", "partition")
    cli("fault", "bmc-dead", "--node", "node1")

    cli("reset", "--to", "start")

    assert cli.json("status")["faults"] == []
    assert reaches(lab.nodes[0], lab.nodes[1].lan)
    assert cli("bmc", "node1", "status").strip().endswith("is on")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("fault", "power-cutt"), 'there is no fault "power-cutt", did you mean "power-cut"'),
        (("fault", "freeze", "--node", "node9"), 'there is no node "node9"'),
        (("fault", "freeze", "--percent", "5"), "freeze does not take --percent"),
        (("fault", "partition", "--groups", "node1/node3"), "--groups must name some of node1, node2 once"),
        (("fault", "packet-loss", "--percent", "200"), "--percent must be a whole number from 1 to 100"),
        (("fault", "delay", "--ms", "soon"), "--ms must be a whole number"),
    ],
)
def test_what_cannot_be_injected_is_refused_and_leaves_nothing(
    cli: Cli, arguments: tuple[str, ...], sentence: str
) -> None:
    told = cli(*arguments, expect=3)

    assert sentence in told
    assert cli.json("status")["faults"] == []


def test_frames_are_delayed_where_the_kernel_can_do_that_and_else_the_reason_is_told(cli: Cli, lab: Lab) -> None:
    node = lab.nodes[0]
    can = lab.workstation.run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms").ok
    lab.workstation.run("tc", "qdisc", "del", "dev", "lo", "root")

    told = cli("fault", "delay", "--node", node.name, "--ms", "150", expect=0 if can else 3)
    answer = lab.workstation.run("ping", "-c", "1", str(node.lan)).stdout
    cli("heal", expect=0 if can else 2)

    milliseconds = float(answer.partition("time=")[2].split()[0])
    assert (milliseconds > 150) if can else (milliseconds < 150 and "has no netem" in told)


def test_injecting_twice_and_healing_nothing_are_told(cli: Cli, lab: Lab) -> None:
    no_fencing(lab)
    cli("fault", "partition")

    twice = cli("fault", "partition", expect=3)
    cli("heal")
    nothing = cli("heal", expect=2)

    assert "partition is injected already; try: inv heal" in twice
    assert "nothing is broken by a fault" in nothing


def test_every_fault_has_a_test_here(request: pytest.FixtureRequest) -> None:
    source = request.path.read_text()

    assert [name for name in registry.FAULTS if f'"{name}"' not in source] == []


def followed(lab: Lab) -> list[str]:
    """Return the nodes on which a journal is followed."""
    return [node.name for node in lab.nodes if node.run("pgrep", "--full", "journalctl --follow").ok]


def wait_for_end(plug: int) -> float:
    """Return when a node has lost its power. `plug` is what Provider.open_power returns."""
    waiting = select.poll()
    waiting.register(plug, select.POLLIN)
    waiting.poll()
    os.close(plug)
    return time.monotonic()


def test_the_map_follows_a_power_cut_and_a_reset_and_is_in_the_way_of_neither(cli: Cli, lab: Lab) -> None:
    instance, victim, maps = cli.instance(), lab.where("virtual_ip").name, list[dict[str, Any]]()
    survivor = next(node.name for node in lab.nodes if node.name != victim)

    def node(name: str) -> dict[str, Any]:
        return next(node for node in maps[-1]["nodes"] if node["name"] == name)

    def whole_again() -> bool:
        return all((node["power"], node["member"]) == ("on", "online") for node in maps[-1]["nodes"])

    async def shown(what: Callable[[], bool], within: float) -> float:
        async with asyncio.timeout(within * lab.pace.factor):
            while not (maps and what()):
                await asyncio.sleep(0.01)
        return time.monotonic()

    async def follow() -> float:
        follower = Follower(cli.name, maps.append)
        follower.start()
        try:
            await shown(lambda: whole_again() and node(victim)["arp"], 20)
            for order, becomes in [("standby", "standby"), ("unstandby", "online")] * 2:
                await asyncio.to_thread(lab.ask, "pcs", "node", order, survivor)
                await shown(lambda becomes=becomes: node(survivor)["member"] == becomes, 3)  # its daemons have said so
            plug = instance.provider.open_power(victim)
            assert plug is not None
            end = asyncio.create_task(asyncio.to_thread(wait_for_end, plug))
            cutting = asyncio.create_task(asyncio.to_thread(cli, "fault", "power-cut", "--node", victim))
            dark = await shown(lambda: node(victim)["power"] == "off", 30)
            took = dark - await end
            await cutting
            await shown(lambda: node(survivor)["arp"] and maps[-1]["vip"]["owners"] == [survivor], 60)
            await shown(lambda: "virtual_ip" in [one["id"] for one in node(survivor)["resources"]], 5)
            await asyncio.to_thread(cli, "reset", "--to", "start")
            await shown(lambda: whole_again() and maps[-1]["faults"] == [], 20)
            assert await asyncio.to_thread(followed, lab) == ["node1", "node2"]
            return took
        finally:
            follower.stop()

    took = asyncio.run(follow())

    assert took < 1
    assert whole(lab)
    wait(lambda: followed(lab), lambda nodes: nodes == [], within=10, successes=1)
