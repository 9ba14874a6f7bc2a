"""Faults that are injected only in part, or not at all, and healing that fails: nothing keeps `up` from working."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from halab.faults import registry
from halab.instance.instance import Instance
from halab.instance.state import InjectedFault
from halab.kit.audience import NOBODY
from halab.kit.errors import LabError
from halab.kit.process import CommandResult
from halab.measure import run as measuring
from halab.walk import bringup, checkpoints
from tests.fakes import FakeAudience, FakeProvider, Programs, World

ALL = sorted(registry.FAULTS)
HEALED_BY_CLUSTER = ("standby", "move")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of halab catches it, and nothing is cleaned up after it."""


class Steps:
    """Counts every command on a node, on the workstation or at a bridge, and every order to the provider.

    At one of them, something happens.
    """

    def __init__(self) -> None:
        self.left = -1
        self.what: BaseException = Killed()
        self.always: BaseException | None = None

    def step(self) -> None:
        if self.always:
            raise self.always
        self.left -= 1
        if self.left == 0:
            raise self.what


@pytest.fixture
def steps(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    for name in ("nft", "tc"):
        programs.stand_in(name, lambda argv, given: steps.step())
    asked = FakeProvider.run

    def on_node(self: FakeProvider, node: str, argv: Sequence[str], **rest: object) -> CommandResult:
        if argv[0] != "systemctl":
            steps.step()
        return asked(self, node, argv)

    monkeypatch.setattr(FakeProvider, "run", on_node)
    return steps


def inject(instance: Instance, name: str) -> None:
    registry.inject(instance, name, "node2", {"groups": "node1/node2"} if name == "partition" else {})


def remembered(name: str, **more: str) -> InjectedFault:
    fault = registry.FAULTS[name]
    options = {**fault.options, **({"groups": "node1/node2"} if name == "partition" else {})}
    return InjectedFault(name=name, node="" if fault.everywhere else "node2", options=options, **more)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("name", ALL)
def test_what_breaks_a_fault_at_any_step_leaves_nothing_remembered(
    instance: Instance, world: World, steps: Steps, name: str, step: int
) -> None:
    steps.left, steps.what = step, LabError("node2 did not answer")

    try:
        inject(instance, name)
    except LabError as error:
        assert "node2 did not answer" in str(error) or "no answer from crm_mon" in str(error)  # noqa: PT017
        assert instance.state.faults == ()
    else:
        assert len(instance.state.faults) == 1
    steps.left = -1
    bringup.up(instance, NOBODY)
    assert (instance.state.faults, world.silent, set(world.power.values())) == ((), set(), {"on"})


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("name", ALL)
def test_a_kill_at_any_step_is_healed_by_up(
    instance: Instance, world: World, steps: Steps, name: str, step: int
) -> None:
    steps.left = step
    with suppress(Killed, LabError):
        inject(instance, name)
    steps.left = -1

    later = Instance.open(instance.name)
    bringup.up(later, NOBODY)

    assert (later.state.faults, world.silent, set(world.power.values())) == ((), set(), {"on"})


@pytest.mark.parametrize("name", ALL)
def test_healing_that_fails_keeps_neither_up_nor_reset_nor_down_from_working(
    instance: Instance, world: World, steps: Steps, name: str
) -> None:
    instance.remember(instance.state.with_fault(remembered(name)))
    audience = FakeAudience()
    steps.always = LabError("node2 did not answer")

    bringup.up(instance, audience)

    there = instance.state.faults
    assert not there or f"{there[0].words} could not be healed: node2 did not answer" in audience.said[-1]
    checkpoints.restore(instance, "start")
    assert set(world.power.values()) == {"on"}
    instance.down()


@pytest.mark.parametrize("name", ALL)
def test_healing_twice_is_healing_once(instance: Instance, world: World, steps: Steps, name: str) -> None:
    for _ in range(2):
        instance.remember(instance.state.with_fault(remembered(name)))
        registry.heal(instance)

    assert (instance.state.faults, set(world.power.values())) == ((), {"on"})


@pytest.mark.parametrize("name", [*HEALED_BY_CLUSTER, "stop-cluster"])
def test_planned_work_needs_a_cluster_and_without_one_is_forgotten(instance: Instance, world: World, name: str) -> None:
    with pytest.raises(LabError, match="no answer from crm_mon: crm_mon: Connection to cluster failed"):
        inject(instance, name)

    assert instance.state.faults == ()


def test_a_cluster_that_does_not_run_is_not_started_by_a_fault_that_cannot_stop_it(
    instance: Instance, world: World
) -> None:
    world.answers["test -e /etc/corosync/corosync.conf"] = ""
    world.typed.clear()

    with pytest.raises(LabError, match="no answer from crm_mon"):
        inject(instance, "stop-cluster")

    assert [line for line in world.typed if line.startswith("pcs")] == []


@pytest.mark.parametrize("name", HEALED_BY_CLUSTER)
def test_what_a_stopped_cluster_still_has_in_its_configuration_is_told_and_healed_later(
    instance: Instance, world: World, name: str
) -> None:
    instance.remember(instance.state.with_fault(remembered(name)))
    world.answers["test -e /var/lib/pacemaker/cib/cib.xml"] = ""
    audience = FakeAudience()

    bringup.up(instance, audience)

    assert audience.said == [f"{name} on node2 could not be healed: " + audience.said[0].partition("healed: ")[2]]
    assert "Connection to cluster failed" in audience.said[0]
    with pytest.raises(LabError, match=f"{name} on node2 could not be healed"):
        registry.heal(instance)
    assert [fault.name for fault in instance.state.faults] == [name]


def test_others_are_healed_when_one_cannot_be(instance: Instance, world: World) -> None:
    world.answers["test"] = ""
    instance.remember(instance.state.with_fault(remembered("standby")).with_fault(remembered("power-cut")))
    world.power["node2"] = "off"

    with pytest.raises(LabError, match="standby on node2 could not be healed"):
        registry.heal(instance)

    assert (world.power["node2"], [fault.name for fault in instance.state.faults]) == ("on", ["standby"])


@pytest.mark.parametrize("kill_at", ["pause", "unpaused"])
def test_a_node_that_was_frozen_or_thawed_by_half_is_silent_no_longer(
    instance: Instance, world: World, kill_at: str
) -> None:
    def killed(call: str) -> None:
        if call == kill_at:
            world.before_call = lambda call: None
            raise Killed

    def break_and_heal() -> None:
        inject(instance, "freeze")
        registry.heal(instance)

    world.before_call = killed
    with pytest.raises(Killed):
        break_and_heal()
    assert (world.power["node2"], world.silent) == ("on", {"node2"})

    registry.heal(Instance.open(instance.name))

    assert world.silent == set()


def test_a_cable_is_plugged_in_again_while_its_node_is_frozen(instance: Instance, world: World) -> None:
    world.power["node2"] = "frozen"
    instance.remember(instance.state.with_fault(remembered("link-down")))

    registry.heal(instance)

    assert world.calls[-1] == "cable node2-lan in"


def test_a_frozen_node_is_not_waited_for_by_the_healing_of_something_else(instance: Instance, world: World) -> None:
    world.power["node2"] = "frozen"
    instance.remember(instance.state.with_fault(remembered("power-cut")).with_fault(remembered("cpu-hog")))

    with pytest.raises(LabError, match="cpu-hog on node2 could not be healed: node2 is frozen; try: inv heal, once"):
        registry.heal(instance)

    assert [fault.name for fault in instance.state.faults] == ["cpu-hog"]


@pytest.mark.parametrize(("name", "lasts"), [("service-broken", True), ("disk-full", False), ("cpu-hog", False)])
def test_only_what_is_on_a_disk_outlives_its_nodes_power(
    instance: Instance, world: World, name: str, lasts: bool
) -> None:
    world.power["node2"] = "off"
    instance.remember(instance.state.with_fault(remembered(name)))

    _, unhealed = registry.try_to_heal(instance, instance.state.faults)

    told = ["service-broken on node2 could not be healed: node2 has no power; try: inv bmc node2 on, and inv heal"]
    assert unhealed == (told if lasts else [])


def test_a_measurement_that_was_killed_is_healed_by_the_next_one_which_names_other_faults_at_once(
    instance: Instance, world: World
) -> None:
    killed = InjectedFault(name="power-cut", node="node2", measured=True)
    instance.remember(instance.state.with_fault(remembered("cpu-hog")).with_fault(killed))
    world.power["node2"] = "off"
    audience = FakeAudience()

    with pytest.raises(LabError, match="the cluster is broken on purpose, by cpu-hog on node2; try: inv heal"):
        measuring.measure(instance, "power-cut", "node2", {}, audience=audience)

    assert audience.said == ["The measurement of power-cut on node2 was interrupted; healing it."]
    assert ([fault.name for fault in instance.state.faults], world.power["node2"]) == (["cpu-hog"], "on")


@pytest.mark.parametrize("heals", [True, False])
def test_a_measurement_that_is_interrupted_heals_or_says_how_to(
    instance: Instance, world: World, monkeypatch: pytest.MonkeyPatch, heals: bool
) -> None:
    def interrupt(*given: object) -> None:
        assert world.power["node2"] == "off"
        raise KeyboardInterrupt

    def unable(*given: object) -> None:
        raise LabError("it stays off")

    monkeypatch.setattr(measuring, "_watch", interrupt)
    _pretend_to_probe(monkeypatch)
    monkeypatch.setattr(measuring.crm, "status", lambda instance: Mock(fencing=True, nodes=(), online=(), resources={}))
    if not heals:
        monkeypatch.setattr(registry, "heal_one", unable)
    audience = FakeAudience()

    with pytest.raises(KeyboardInterrupt):
        measuring._run(instance, "power-cut", "node2", {}, "", audience, (1, 1))

    healed = "Healed power-cut on node2, as its measurement was interrupted."
    unhealed = "power-cut on node2 could not be healed: it stays off; try: inv heal"
    assert audience.said == [healed if heals else unhealed]
    assert (len(instance.state.faults), world.power["node2"]) == ((0, "on") if heals else (1, "off"))


@pytest.mark.parametrize("name", ["partition", "cpu-hog", "bmc-dead", "packet-loss"])
def test_a_fault_whose_injection_is_interrupted_is_healed(instance: Instance, steps: Steps, name: str) -> None:
    steps.left, steps.what = 1, KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        inject(instance, name)

    assert instance.state.faults == ()


def test_what_a_measurement_breaks_is_remembered_as_its_own(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []

    def inject(*asked: object, measured: bool = False) -> None:
        given.append(measured)
        raise LabError("enough")

    monkeypatch.setattr(registry, "inject", inject)
    _pretend_to_probe(monkeypatch)

    with pytest.raises(LabError, match="enough"):
        measuring._run(instance, "power-cut", "node2", {}, "", NOBODY, (1, 1))

    assert given == [True]


def _pretend_to_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    class Probe:
        def __init__(self, *given: object) -> None: ...
        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *error: object) -> None: ...

    nothing: Callable[..., None] = lambda *given: None  # noqa: E731
    monkeypatch.setattr(measuring, "Probing", Probe)
    monkeypatch.setattr(measuring, "_wait_answering", nothing)
    monkeypatch.setattr(
        measuring.crm, "status", lambda instance: SimpleNamespace(own_names={}, nodes=(), online=(), resources={})
    )
