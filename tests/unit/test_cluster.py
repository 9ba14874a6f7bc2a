"""What crm_mon and stonith_admin of Pacemaker 2.1.5 printed on real clusters, and how it is parsed.

One of them, pacemaker-3, is of Pacemaker 3.0.0.
"""

from pathlib import Path

import pytest

from halab.instance.cluster import ClusterStatus, parse_devices, parse_status
from halab.kit.errors import CheckFailed, LabError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
IPADDR2 = "ocf:heartbeat:IPaddr2"
BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><pacemaker-result>&b;</pacemaker-result>'
FOREIGN = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><pacemaker-result>&a;</pacemaker-result>'


def captured(name: str) -> str:
    return (FIXTURES / f"{name}.xml").read_text()


def status(name: str) -> ClusterStatus:
    return parse_status(captured(name))


def test_every_captured_status_is_read() -> None:
    names = [path.stem for path in FIXTURES.glob("*.xml") if not path.stem.startswith("history")]

    read = [status(name) for name in names]

    assert len(read) >= 17


def test_a_cluster_that_has_just_started_knows_no_nodes() -> None:
    seen = status("starting")

    assert (seen.quorate, seen.dc, seen.nodes, seen.resources) == (False, None, {}, {})


def test_a_cluster_without_a_coordinator_is_not_quorate_and_nobody_is_online() -> None:
    seen = status("no-coordinator")

    assert (seen.quorate, seen.dc, seen.online) == (False, None, ())
    assert seen.nodes["node1"].unclean


def test_a_cluster_without_resources() -> None:
    seen = status("no-resources")

    assert (seen.quorate, seen.dc) == (True, "node2")
    assert seen.online == ("node1", "node2")
    assert seen.resources == {}
    assert seen.fencing
    assert seen.options["no-quorum-policy"] == "stop"


@pytest.mark.parametrize(("since", "fencing"), [("true", True), ("false", False)])
def test_the_new_name_of_the_option_counts_where_pacemaker_knows_it(since: str, fencing: bool) -> None:
    told = captured("no-resources").replace("stonith-enabled=", f'fencing-enabled="{since}" stonith-enabled=')

    assert parse_status(told).fencing is fencing


def test_a_started_resource() -> None:
    seen = status("started")

    vip = seen.resources["virtual_ip"]
    assert (vip.agent, vip.role, vip.nodes) == (IPADDR2, "Started", ("node1",))
    assert (vip.started, vip.managed, vip.failed, vip.blocked) == (True, True, False, False)
    assert seen.where("virtual_ip") == ("node1",)
    assert seen.of_agent(IPADDR2) == (vip,)
    assert not seen.fencing


def test_a_stopped_resource_is_nowhere() -> None:
    seen = status("stopped")

    assert seen.resources["virtual_ip"].role == "Stopped"
    assert not seen.resources["virtual_ip"].started
    assert seen.where("virtual_ip") == ()


def test_a_resource_that_does_not_exist_is_nowhere() -> None:
    seen = status("started")

    assert seen.where("webserver") == ()
    assert seen.of_agent("ocf:heartbeat:nginx") == ()


def test_a_resource_that_could_not_start_is_stopped() -> None:
    seen = status("failed-to-start").resources["webserver"]

    assert (seen.agent, seen.role, seen.started) == ("ocf:heartbeat:nginx", "Stopped", False)


def test_a_resource_that_could_not_stop_is_failed_and_blocked_and_not_started() -> None:
    seen = status("failed-blocked").resources["broken"]

    assert (seen.role, seen.failed, seen.blocked, seen.managed) == ("Started", True, True, False)
    assert seen.nodes == ("node2",)
    assert not seen.started


def test_a_node_in_standby_is_online() -> None:
    seen = status("standby")

    assert seen.online == ("node1", "node2")
    assert [name for name, node in seen.nodes.items() if node.standby] == ["node2"]


def test_a_node_in_maintenance() -> None:
    seen = status("node-maintenance")

    assert [name for name, node in seen.nodes.items() if node.maintenance] == ["node2"]


def test_in_maintenance_mode_resources_are_not_managed() -> None:
    seen = status("maintenance")

    assert seen.options["maintenance-mode"] == "true"
    assert not seen.resources["virtual_ip"].managed
    assert seen.resources["virtual_ip"].started


def test_a_node_without_power_is_offline_and_not_unclean_when_fencing_is_off() -> None:
    seen = status("offline")

    assert seen.online == ("node1",)
    assert (seen.nodes["node2"].online, seen.nodes["node2"].unclean) == (False, False)
    assert not seen.fencing


def test_a_lost_node_that_could_not_be_fenced_is_unclean() -> None:
    seen = status("unclean")

    assert seen.online == ("node1",)
    assert seen.nodes["node2"].unclean
    assert seen.fencing


def test_a_node_that_is_unclean_though_it_answers_is_not_online() -> None:
    text = captured("started").replace('unclean="false"', 'unclean="true"', 1)

    seen = parse_status(text)

    assert seen.nodes["node1"].online
    assert seen.online == ("node2",)


def test_a_partition_without_quorum_has_a_coordinator_all_the_same() -> None:
    text = captured("started").replace('with_quorum="true"', 'with_quorum="false"')

    seen = parse_status(text)

    assert (seen.quorate, seen.dc) == (False, "node2")


def test_a_node_that_is_still_joining_is_not_online() -> None:
    seen = status("pending")

    assert seen.online == ("node1",)
    assert (seen.nodes["node2"].online, seen.nodes["node2"].pending) == (True, True)


def test_members_of_a_group_count_by_themselves() -> None:
    seen = status("group")

    assert list(seen.resources) == ["second", "virtual_ip"]
    assert seen.where("second") == seen.where("virtual_ip") == ("node2",)


def test_a_clone_is_on_all_its_nodes() -> None:
    seen = status("clone")

    assert seen.where("dummy") == ("node1", "node2")
    assert seen.resources["dummy"].started


def test_a_clone_with_a_stopped_instance_is_where_the_others_are() -> None:
    seen = status("clone-one-stopped")

    assert seen.where("dummy") == ("node1",)
    assert seen.resources["dummy"].started


@pytest.mark.parametrize("flag", ["failed", "blocked"])
def test_a_clone_is_as_bad_as_the_worst_of_its_instances(flag: str) -> None:
    head, mark, tail = captured("clone").rpartition(
        f'{flag}="false" failure_ignored' if flag == "failed" else f'{flag}="false"'
    )
    text = head + mark.replace("false", "true") + tail

    clone = parse_status(text).resources["dummy"]

    assert getattr(clone, flag)


def test_a_promotable_clone_is_on_all_its_nodes() -> None:
    seen = status("promotable").resources["state"]

    assert (seen.role, seen.nodes) == ("Promoted, Unpromoted", ("node1", "node2"))
    assert seen.roles == {"node1": "Promoted", "node2": "Unpromoted"}


def test_fencing_devices_are_resources() -> None:
    seen = status("fencing-devices")

    devices = seen.of_agent("stonith:fence_ipmilan")
    assert {device.id: device.nodes for device in devices} == {"fence_node1": ("node2",), "fence_node2": ("node1",)}


def test_pacemaker_3_tells_the_same_as_pacemaker_2() -> None:
    seen = status("pacemaker-3")

    assert (seen.quorate, seen.dc, seen.online, seen.fencing) == (True, "node2", ("node1", "node2"), True)
    assert {name: resource.nodes for name, resource in seen.resources.items() if resource.started} == {
        "virtual_ip": ("node2",),
        "webserver": ("node2",),
        "fence_node1": ("node2",),
        "fence_node2": ("node1",),
    }


def test_agents_are_named_alike_whatever_the_version_of_pacemaker() -> None:
    text = captured("started").replace(IPADDR2, "ocf::heartbeat:IPaddr2")

    found = parse_status(text).of_agent(IPADDR2)

    assert len(found) == 1


@pytest.mark.parametrize("text", ["", "crm_mon: not connected", "<pacemaker-result><summary>", BOMB, FOREIGN])
def test_what_is_no_plain_xml_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="expected XML"):
        parse_status(text)


def test_xml_without_a_summary_is_refused() -> None:
    with pytest.raises(CheckFailed, match="crm_mon tells of no cluster; it said: nothing"):
        parse_status("<pacemaker-result><status code='102'/></pacemaker-result>")


def test_the_devices_that_can_fence_a_node_are_read() -> None:
    text = """<pacemaker-result api-version="2.25" request="stonith_admin --list node1 --output-as=xml">
      <list name="Fence Devices" count="1"><item name="device">fence_node1</item></list>
      <status code="0" message="OK"/></pacemaker-result>"""

    assert parse_devices(text) == ("fence_node1",)


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ('<status code="102" message="Not connected"/>', "Not connected"),
        (
            '<pacemakerd sys_from="pacemakerd" state="starting_daemons"/><status code="0" message="OK"/>',
            "Pacemaker is starting_daemons",
        ),
    ],
)
def test_a_cluster_that_is_not_there_yet_is_told_as_crm_mon_tells_it(inside: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=f"it said: {said}$"):
        parse_status(f"<pacemaker-result>{inside}</pacemaker-result>")


def test_instances_of_a_clone_with_names_of_their_own_are_one_resource_and_a_node_is_named_once() -> None:
    head, _, rest = captured("clone").partition('<resource id="dummy"')
    text = f'{head}<resource id="dummy:0"{rest}'.replace('<resource id="dummy"', '<resource id="dummy:1"')
    text = text.replace('<node name="node2" id="2" cached="true"/>', '<node name="node1" id="1" cached="true"/>')

    seen = parse_status(text)

    assert seen.where("dummy") == ("node1",)
    assert seen.resources["dummy"].roles == {"node1": "Started"}


def test_roles_have_the_labs_names_of_nodes() -> None:
    seen = status("promotable").renamed({"node1": "first"})

    assert seen.resources["state"].roles == {"first": "Promoted", "node2": "Unpromoted"}
