"""The lab shared-storage on virtual machines, from nothing to nothing. It begins with the cluster of ha-web.

Each test goes on from where the last one left off.
"""

import asyncio
import os
import re
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from halab.conditions import Node
from halab.kit.process import find_daemons
from halab.kit.wait import wait
from halab.measure.probe import INTERVAL
from halab.spec import labs
from halab.walk import checkpoints
from halab.walk.lab import Lab
from halab.web.following.follower import Follower
from tests.cli import Cli, addresses_of_host
from tests.vm.machines import boot_of, domain, leftovers, virsh

pytestmark = [
    pytest.mark.timeout(3300),
    # a kept connection outlives the one who opened it; only in a test is that one still there to be warned
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]
LAB_ADDRESS = re.compile(r"\b192\.168\.[12]\.\d+/")
BMCS = ["192.168.2.110", "192.168.2.111", "192.168.2.112"]
WHOLE_WALK = 3000  # seconds, beside three clusters


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    return instances("vm", "--name", "shared-storage")


@pytest.fixture
def lab(cli: Cli) -> Iterator[Lab]:
    lab = Lab(cli.instance())
    yield lab
    lab.close()


def login(lab: Lab, node: int) -> list[str]:
    account = lab.credentials
    return ["-H", str(lab.nodes[node].bmc), "-U", account.bmc_user, "-P", account.bmc_password]


def test_up_makes_machines_and_performs_and_verifies_every_step_of_ha_web(cli: Cli) -> None:
    said = cli("up", timeout=WHOLE_WALK)

    status = cli.json("status")

    assert all(f"\n  {step.name}: " in said for step in labs.load("ha-web").steps)
    assert "<on_reboot>restart</on_reboot>" in virsh("dumpxml", domain(cli.name, "node1"))
    assert [node["power"] for node in status["nodes"]] == ["on", "on", "on"]
    assert [node["bmc"] for node in status["nodes"]] == BMCS
    assert [node["member"] for node in status["nodes"]] == ["online", "online", ""]
    assert status["cluster"]["quorate"]
    assert status["cluster"]["fencing"]
    assert len(status["vip"]["owners"]) == 1
    assert not LAB_ADDRESS.search(addresses_of_host())


def test_the_bmcs_answer_on_the_workstation_and_on_a_node_but_not_to_a_wrong_password(lab: Lab) -> None:
    account = lab.credentials
    fence = [f"--ip={lab.nodes[1].bmc}", f"--username={account.bmc_user}", f"--password={account.bmc_password}"]

    from_workstation = lab.workstation.run("ipmitool", "-I", "lanplus", *login(lab, 1), "power", "status")
    from_node = lab.nodes[0].run("fence_ipmilan", *fence, "--lanplus", "--action=status")
    listening = lab.workstation.run("ss", "--no-header", "--listening", "--tcp")
    refused = lab.workstation.run("ipmitool", "-I", "lanplus", "-R", "1", *login(lab, 1)[:-1], "wrong", "power", "off")

    assert from_workstation.stdout.strip() == "Chassis Power is on"
    assert listening.stdout == ""  # vbmcd would take commands from learners there
    assert from_node.stdout.strip() == "Status: ON"
    assert refused.rc != 0
    assert lab.nodes[1].power() == "on"


def test_a_learner_on_the_workstation_reaches_machines_and_nothing_of_the_host(cli: Cli, lab: Lab) -> None:
    ipmitool = f"ipmitool -I lanplus {shlex.join(login(lab, 1))} power status"

    said = {
        typed: cli("ssh", "workstation", "--", typed)
        for typed in (
            "whoami",
            f"ping -c 1 -W 5 {lab.nodes[0].lan}",
            ipmitool,
            f"curl --silent --fail --max-time 5 http://{lab.vip}/",
        )
    }

    assert said["whoami"].splitlines()[0] == "learner"
    assert said[ipmitool].startswith("Chassis Power is on\n")
    assert not [text for text in said.values() if "Exception" in text]  # libvirt's module complained as Python ended
    for path in ("/etc/shadow", str(cli.instance().directory), "/var/run/libvirt"):
        cli("ssh", "workstation", "--", "ls", path, expect=2)


def test_the_map_follows_machines(cli: Cli, lab: Lab) -> None:
    name, maps = lab.nodes[1].name, list[dict[str, Any]]()

    def member() -> str | None:
        return next((node["member"] for node in maps[-1]["nodes"] if node["name"] == name), None) if maps else None

    async def shown(becomes: str) -> None:
        async with asyncio.timeout(20 * lab.pace.factor):
            while member() != becomes:
                await asyncio.sleep(0.05)

    async def follow() -> None:
        follower = Follower(cli.name, maps.append)
        follower.start()
        try:
            await shown("online")
            for order, becomes in (("standby", "standby"), ("unstandby", "online")):
                await asyncio.to_thread(lab.ask, "pcs", "node", order, name)
                await shown(becomes)
        finally:
            follower.stop()

    asyncio.run(follow())

    assert [node["power"] for node in maps[-1]["nodes"]] == ["on", "on", "on"]
    assert sum(node["arp"] for node in maps[-1]["nodes"]) == 1


def test_vbmcd_that_was_killed_is_told_and_brought_back_by_up(cli: Cli) -> None:
    for pid in find_daemons(f"{cli.instance().directory}/bmc"):
        os.kill(pid, signal.SIGKILL)

    dead = [node["bmc"] for node in cli.json("status")["nodes"]]
    told = cli("doctor", expect=3)
    cli("up")
    alive = [node["bmc"] for node in cli.json("status")["nodes"]]

    assert dead == ["dead", "dead", "dead"]
    assert "the BMC of node1 does not run" in told
    assert alive == BMCS
    within = 20 * cli.instance().pace.factor
    wait(lambda: cli("bmc", "node1", "status"), lambda said: said.strip().endswith("is on"), within=within, successes=1)


def test_a_checkpoint_of_the_running_cluster_brings_it_back_as_it_was(cli: Cli, lab: Lab) -> None:
    boots = [boot_of(node) for node in lab.nodes]
    members, fenced = memberships(lab), fencings(lab)

    cli("save", "running")
    lab.nodes[0].run("sh", "-c", "rm -rf /var/www/html/*; touch /root/later; sync")
    time.sleep(30)  # so that a clock that is not set is seen to be late
    cli("reset", "--to", "running")

    assert [boot_of(node) for node in lab.nodes] == boots  # they went on, and did not boot again
    assert memberships(lab) == members
    assert fencings(lab) == fenced
    assert not lab.nodes[0].run("test", "-e", "/root/later").ok
    for node in lab.nodes:
        assert abs(int(node.run("date", "+%s").stdout) - time.time()) < 10


def test_a_machine_without_power_is_part_of_a_checkpoint_as_such(
    cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.nodes[0].run("pcs", "property", "set", "stonith-enabled=false")
    cli("bmc", "node2", "off")
    wait(lab.nodes[1].power, lambda state: state == "off", within=5 * lab.pace.factor)
    with cli.instance().lock():
        checkpoints.save(cli.instance(), "node2-off")
        checkpoints.restore(cli.instance(), "running")
        powered = cli.instance().provider.power_states()

        checkpoints.restore(cli.instance(), "node2-off")

    assert powered == {"node1": "on", "node2": "on", "node3": "on"}
    assert cli.instance().provider.power_states() == {**powered, "node2": "off"}


def test_a_power_cut_of_the_active_node_is_measured_and_the_survivor_fences_it(cli: Cli, lab: Lab) -> None:
    cli("reset", "--to", "running")
    active = lab.where("virtual_ip")
    [survivor] = [node for node in members(lab) if node.name != active.name]

    told = cli.json("measure", "power-cut", timeout=900)

    [run] = told["runs"]
    first, *_ = run["outages"]
    phases = first["phases"]
    length = first["span"]["end"] - first["span"]["start"]
    print(f"outage: {length:.1f} s, {phases}")
    assert (run["fault"]["node"], first["ended"], told["unsafe"]) == (active.name, True, False)
    assert phases["detect"] + phases["fence"] + phases["recover"] == pytest.approx(length, abs=INTERVAL)
    assert min(phases.values()) > 0
    assert cli.instance().power_events(active.name)[-1]["from"] == str(survivor.mgmt)
    assert active.power() == "on"


def test_every_step_is_performed_and_verified(cli: Cli) -> None:
    cli("walk", timeout=WHOLE_WALK)

    assert {step["name"]: step["outcome"] for step in cli.json("status")["steps"]} == {
        "nfs": "passed",
        "gluster": "passed",
    }


def test_a_machine_that_was_removed_by_other_means_is_told_and_no_obstacle_to_down(cli: Cli) -> None:
    node2 = domain("vm", "node2")
    virsh("destroy", node2)
    virsh("undefine", node2, "--snapshots-metadata")

    power = [node["power"] for node in cli.json("status")["nodes"]]
    told = cli("up", expect=3)
    cli("down")

    assert power == ["on", "absent", "on"]
    assert f"{node2} was removed by other means" in told
    assert leftovers("vm") == []


def members(lab: Lab) -> list[Node]:
    return lab.nodes[: labs.load("shared-storage").cluster_nodes]


def memberships(lab: Lab) -> list[str]:
    """Return, for each member, whom it knows as members and how often each of them joined (corosync_overview(8))."""
    told = [node.run("corosync-cmapctl", "runtime.members.").stdout for node in members(lab)]
    assert all("join_count" in text for text in told)
    return told


def fencings(lab: Lab) -> int:
    return lab.nodes[0].run("stonith_admin", "--history", "*", "--output-as=xml").stdout.count("<fence_event")
