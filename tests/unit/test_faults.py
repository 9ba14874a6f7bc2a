"""What is remembered of faults, and the rules of a partition. Real clusters: tests/labs/test_faults.py."""

import pytest

from halab.faults import Fault, Scene, registry
from halab.instance.instance import Instance
from halab.instance.power_on_due import PowerOnDue
from halab.instance.state import InjectedFault
from halab.kit.audience import NOBODY
from halab.kit.errors import LabError, NothingChecked
from halab.kit.paths import name_on_host
from halab.kit.process import CommandResult
from halab.walk import bringup, checkpoints
from tests.fakes import FakeAudience, FakeProvider, Programs, World, instance_up


@pytest.fixture
def instance(world: World) -> Instance:
    return instance_up(nodes=3)


@pytest.fixture
def nft(programs: Programs) -> list[str]:
    """What nft is told. It does not run."""
    told: list[str] = []
    programs.stand_in("nft", lambda argv, given: told.append(given or argv[-1]))
    return told


def test_a_fault_is_remembered_before_anything_is_broken(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(scene: Scene) -> None:
        raise Killed

    healed: list[str] = []
    fault = Fault("deadly", "kills whoever injects it", die, lambda scene: healed.append(scene.node.name))
    monkeypatch.setitem(registry.FAULTS, "deadly", fault)

    with pytest.raises(Killed):
        registry.inject(instance, "deadly", "node2")

    later = Instance.open(instance.name)
    assert [(there.name, there.node) for there in later.state.faults] == [("deadly", "node2")]
    registry.heal(later)
    assert healed == ["node2"]
    assert Instance.open(instance.name).state.faults == ()


def test_a_power_cut_wins_over_a_power_on_that_is_due_and_its_healing_takes_its_place(instance: Instance) -> None:
    due = PowerOnDue(instance.bmc_log("node2"))
    due.accept(60)

    registry.inject(instance, "power-cut", "node2")
    cut = due.left()
    due.accept(60)
    registry.heal(instance)

    assert (cut, due.left()) == (None, None)
    assert instance.provider.power_states()["node2"] == "on"


def test_a_node_that_is_fenced_while_it_is_healed_is_healed_once_it_has_booted(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, said = type(instance.provider), []
    run = provider.run

    def fenced_at_first(self: object, node: str, argv: list[str], **rest: object) -> CommandResult:
        said.append(argv[0])
        if said == ["sh"]:
            raise LabError(f"{node} is not reachable: it lost its power while `sh` ran")
        return run(self, node, argv, **rest)

    instance.remember(instance.state.with_fault(InjectedFault(name="disk-full", node="node2", options={})))
    monkeypatch.setattr(provider, "run", fenced_at_first)

    registry.heal(instance)

    assert said == ["sh", "systemctl", "sh"]
    assert instance.state.faults == ()


def test_what_could_not_be_injected_is_healed_at_once_and_forgotten(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(scene: Scene) -> None:
        raise LabError("it cannot be broken")

    healed: list[str] = []
    fault = Fault("stubborn", "does not work", fail, lambda scene: healed.append("healed"), everywhere=True)
    monkeypatch.setitem(registry.FAULTS, "stubborn", fault)

    with pytest.raises(LabError, match="it cannot be broken"):
        registry.inject(instance, "stubborn")

    assert healed == ["healed"]
    assert instance.state.faults == ()


def test_the_same_fault_on_the_same_node_is_refused_and_on_another_is_not(instance: Instance, world: World) -> None:
    registry.inject(instance, "power-cut", "node1")

    with pytest.raises(LabError, match="power-cut is injected on node1 already; try: inv heal"):
        registry.inject(instance, "power-cut", "node1")
    registry.inject(instance, "power-cut", "node2")

    assert world.power == {"node1": "off", "node2": "off", "node3": "on"}


def test_healing_undoes_the_last_fault_first_and_only_what_was_asked_for(instance: Instance, world: World) -> None:
    registry.inject(instance, "power-cut", "node1")
    registry.inject(instance, "freeze", "node2")
    registry.inject(instance, "power-cut", "node3")

    only_frozen = registry.heal(instance, "freeze")
    rest = registry.heal(instance)

    assert [fault.node for fault in only_frozen] == ["node2"]
    assert [fault.node for fault in rest] == ["node3", "node1"]
    assert set(world.power.values()) == {"on"}


def test_healing_nothing_is_told(instance: Instance) -> None:
    with pytest.raises(NothingChecked, match="nothing is broken by freeze"):
        registry.heal(instance, "freeze")


def test_a_node_that_is_frozen_on_purpose_stays_frozen_whatever_is_asked(instance: Instance, world: World) -> None:
    registry.inject(instance, "freeze", "node2")
    world.power["node3"] = "frozen"  # by a save that was killed

    bringup.settle(instance, NOBODY)

    assert world.power == {"node1": "on", "node2": "frozen", "node3": "on"}


def test_going_back_heals_what_a_checkpoint_does_not_hold(instance: Instance, nft: list[str]) -> None:
    registry.inject(instance, "partition")

    checkpoints.restore(instance, checkpoints.START)

    assert instance.state.faults == ()
    table = f"halab-{name_on_host(instance.directory)}"
    assert any(f"delete chain bridge {table} partition-all-forward" in line for line in nft)


def test_going_back_leaves_the_power_to_the_checkpoint(instance: Instance, world: World) -> None:
    registry.inject(instance, "power-cut", "node1")
    registry.inject(instance, "freeze", "node2")

    registry.heal_outside(instance)

    assert instance.state.faults == ()
    assert world.power == {"node1": "off", "node2": "frozen", "node3": "on"}


def test_up_heals_and_says_what(instance: Instance) -> None:
    registry.inject(instance, "power-cut", "node1")
    audience = FakeAudience()

    bringup.up(instance, audience)

    assert audience.said == ["Healed: power-cut."]
    assert instance.state.faults == ()


def test_a_partition_parts_every_group_from_every_other_in_both_directions(instance: Instance, nft: list[str]) -> None:
    registry.inject(instance, "partition", options={"groups": "node1,node2/node3"})

    rules = [line.partition("forward ")[2] for line in nft[0].splitlines() if line.startswith("add rule")]
    assert sorted(rules) == [
        'iifname "node1-lan" oifname "node3-lan" drop',
        'iifname "node2-lan" oifname "node3-lan" drop',
        'iifname "node3-lan" oifname "node1-lan" drop',
        'iifname "node3-lan" oifname "node2-lan" drop',
    ]


def test_without_groups_every_node_is_by_itself(instance: Instance, nft: list[str]) -> None:
    registry.inject(instance, "partition")

    assert nft[0].count("add rule") == 6


def test_a_node_in_no_group_reaches_everyone(instance: Instance, nft: list[str]) -> None:
    registry.inject(instance, "partition", options={"groups": "node1/node2"})

    assert nft[0].count("add rule") == 2
    assert "node3" not in nft[0]


@pytest.mark.parametrize(
    "groups", ["node1,node2,node3", "node1,node1/node2,node3", "node1/node1", "node1/node2/node4", ""]
)
def test_groups_must_name_nodes_that_are_there_and_each_once(instance: Instance, nft: list[str], groups: str) -> None:
    with pytest.raises(LabError, match="--groups must name some of node1, node2, node3 once"):
        registry.inject(instance, "partition", options={"groups": groups})

    assert instance.state.faults == ()


def test_a_pulled_cable_is_that_of_the_network_asked_for(instance: Instance, world: World) -> None:
    registry.inject(instance, "link-down", "node1", {"network": "mgmt"})
    registry.heal(instance)

    assert world.calls[-2:] == ["cable node1-mgmt out", "cable node1-mgmt in"]


def test_cables_of_several_networks_are_pulled_at_once(instance: Instance, world: World) -> None:
    registry.inject(instance, "link-down", "node1", {"network": "lan,mgmt"})
    registry.heal(instance)

    assert world.calls[-4:] == [
        "cable node1-lan out",
        "cable node1-mgmt out",
        "cable node1-lan in",
        "cable node1-mgmt in",
    ]


def test_a_partition_cuts_each_network_that_is_named(instance: Instance, nft: list[str]) -> None:
    registry.inject(instance, "partition", options={"groups": "node1/node2", "network": "lan,mgmt"})

    assert nft[0].count("add rule") == 4
    assert 'iifname "node1-mgmt" oifname "node2-mgmt" drop' in nft[0]
    assert 'iifname "node1-lan" oifname "node2-mgmt"' not in nft[0]


@pytest.mark.parametrize("networks", ["san", "lan,san", "lan,lan", "lan,", ""])
def test_networks_must_be_those_that_there_are_and_each_once(instance: Instance, networks: str) -> None:
    with pytest.raises(LabError, match="--network must be lan or mgmt, or lan,mgmt, not"):
        registry.inject(instance, "link-down", "node1", {"network": networks})


def test_a_changed_bmc_password_is_asked_for_until_it_is_healed(instance: Instance) -> None:
    registry.inject(instance, "bmc-wrong-password", "node1")
    changed = [instance.bmc_password(node) for node in ("node1", "node2")]
    registry.heal(instance)

    assert changed == ["changed-fence-me", "fence-me"]
    assert instance.bmc_password("node1") == "fence-me"


def test_a_bmc_is_not_ended_because_the_password_of_another_one_changes(instance: Instance, world: World) -> None:
    before = {mark: pid for pid, mark in world.daemons.items() if "/bmc/" in mark}
    assert len(before) == 3

    instance.set_bmc_password("node1", "another")

    after = {mark: pid for pid, mark in world.daemons.items() if "/bmc/" in mark}
    assert {mark.rpartition("/")[2] for mark in before if before[mark] != after[mark]} == {"node1"}


def test_dead_bmcs_are_started_by_whatever_changes_the_instance(instance: Instance, world: World) -> None:
    world.end_daemons(f"{instance.directory}/bmc/node2")

    bringup.settle(instance, NOBODY)

    assert instance.dead_bmcs() == []


def test_no_two_faults_have_one_name() -> None:
    assert len(registry.FAULTS) == len(registry.ALL)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The processes that each node runs."""
    there: dict[str, set[str]] = {"node1": set(), "node2": set(), "node3": set()}
    real = FakeProvider.run

    def run(self: FakeProvider, node: str, argv: list[str], **rest: object) -> CommandResult:
        if argv[0] == "pgrep":
            return CommandResult(tuple(argv), 0 if argv[-1] in there[node] else 1, "", "")
        return real(self, node, argv)

    monkeypatch.setattr(FakeProvider, "run", run)
    return there


@pytest.mark.parametrize("fault", ["service-crash", "service-hang", "service-broken"])
def test_a_fault_of_a_process_says_where_it_runs(
    instance: Instance, world: World, processes: dict[str, set[str]], fault: str
) -> None:
    processes["node2"].add("nginx")
    processes["node3"].add("nginx")
    world.power["node3"] = "off"
    world.typed.clear()

    with pytest.raises(LabError, match=r"^nginx does not run on node1; it runs on node2$"):
        registry.inject(instance, fault, "node1")
    assert not [line for line in world.typed if line.startswith("sh")]  # so nothing is healed either
    assert instance.state.faults == ()


def test_a_fault_of_a_process_that_runs_nowhere_says_so(
    instance: Instance, world: World, processes: dict[str, set[str]]
) -> None:
    world.answers["sh"] = ""

    with pytest.raises(LabError, match=r"^pacemaker-controld does not run on node1, nor on any other node$"):
        registry.inject(instance, "kill-controld", "node1")

    processes["node1"].add("pacemaker-contr")
    registry.inject(instance, "kill-controld", "node1")
    assert "sh -c pkill -KILL --exact pacemaker-contr" in world.typed
