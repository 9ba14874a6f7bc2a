"""Whether a cluster is whole, so that an outage can be measured: what Pacemaker plans, and what ran before."""

from pathlib import Path

import pytest

from halab.instance.cluster import ClusterStatus, parse_status
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.measure import run
from halab.measure.whole import lost
from tests.fakes import World, instance_up

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
TEXTS = {file.stem: file.read_text() for file in FIXTURES.glob("*.xml")}


PENDING = """\
Pending actions:
	Action 86: slow_monitor_10000	on node1
	Action 85: slow_start_0	on node1
	Action 18: slow_monitor_0	on node2
"""


@pytest.fixture
def instance(world: World, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setattr(run, "WHOLE", 0.01)
    return instance_up()


def status(name: str, old: str = "", new: str = "") -> ClusterStatus:
    assert old in TEXTS[name]
    return parse_status(TEXTS[name].replace(old, new))


@pytest.mark.parametrize("name", ["promotable", "clone-one-stopped", "stopped", "maintenance", "standby", "started"])
def test_a_cluster_that_plans_nothing_is_whole_whatever_is_not_started_on_purpose(
    instance: Instance, world: World, name: str
) -> None:
    world.crm_mon = TEXTS[name]

    assert run._whole(instance, "before the fault") == parse_status(TEXTS[name])


def test_a_cluster_in_which_something_is_under_way_is_not_whole(instance: Instance, world: World) -> None:
    world.crm_mon = TEXTS["started"]
    world.answers["sh"] = PENDING

    with pytest.raises(LabError, match="about slow_monitor_10000 on node1, slow_start_0 on node1, slow_monitor_0 on"):
        run._whole(instance, "before the fault")


def test_a_cluster_that_does_not_run_is_not_whole(instance: Instance, world: World) -> None:
    world.crm_mon = None

    with pytest.raises(LabError, match="not whole before the fault: node1: no answer from crm_mon: crm_mon: Conn"):
        run._whole(instance, "before the fault")


def test_a_resource_that_runs_nowhere_because_it_failed_is_told(instance: Instance, world: World) -> None:
    world.crm_mon = TEXTS["failed-to-start"]

    with pytest.raises(LabError, match=r"the cluster is not whole before the fault: webserver has failed$"):
        run._whole(instance, "before the fault")

    disabled = 'role="Stopped" target_role="Stopped"'
    world.crm_mon = TEXTS["failed-to-start"].replace('role="Stopped"', disabled)
    assert run._whole(instance, "before the fault").failures == {"webserver"}


def test_a_node_that_is_not_online_is_told(instance: Instance, world: World) -> None:
    world.crm_mon = TEXTS["offline"]

    with pytest.raises(LabError, match=r"not whole before the fault: node\d is not online$"):
        run._whole(instance, "before the fault")


def test_after_a_fault_each_resource_has_to_run_as_before() -> None:
    before = status("promotable")

    assert lost(before, before, whole=True) == []
    assert lost(before, status("started"), whole=True) == ["dummy runs nowhere", "state runs nowhere"]
    assert lost(before, status("promotable", 'role="Promoted"', 'role="Unpromoted"'), whole=True) == [
        "state is promoted nowhere"
    ]
    assert lost(status("started"), before, whole=True) == []


def test_a_clone_has_to_run_on_as_many_nodes_once_all_are_back() -> None:
    before, now = status("clone"), status("clone-one-stopped")

    assert lost(before, now, whole=True) == ["dummy runs on node1 only"]
    assert lost(before, now, whole=False) == []


def test_what_was_stopped_before_need_not_run_afterwards() -> None:
    assert lost(status("stopped"), status("stopped"), whole=True) == []
    assert lost(status("stopped"), status("started"), whole=True) == []


def test_what_has_failed_since_is_told_and_what_had_failed_before_is_not() -> None:
    sound, failed = status("started"), status("started", 'failed="false"', 'failed="true"')

    assert lost(sound, failed, whole=False) == ["virtual_ip has failed"]
    assert lost(failed, failed, whole=True) == []


def test_fence_devices_count_only_once_all_nodes_are_back() -> None:
    before, now = status("fencing-devices"), status("started")

    assert lost(before, now, whole=True) == ["fence_node1 runs nowhere", "fence_node2 runs nowhere"]
    assert lost(before, now, whole=False) == []
