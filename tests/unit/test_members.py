"""Clusters whose members have other names than the lab's nodes. Each is recognised by its address or node id."""

from pathlib import Path

import pytest

from halab.cli.status import as_data, look
from halab.conditions import authorized, can_be_fenced, may_run, online, started
from halab.conditions.checks import Outcome, evaluate
from halab.faults import registry
from halab.instance import crm
from halab.instance.instance import Instance
from halab.instance.members import lab_names, parse_addresses, parse_known_hosts
from halab.kit.errors import LabError
from halab.measure import events
from halab.walk import lab
from tests.fakes import World

FIXTURES = Path(__file__).parent.parent / "fixtures"
CMAP = """\
nodelist.local_node_pos (u32) = 0
nodelist.node.0.name (str) = node1.example.com
nodelist.node.0.nodeid (u32) = 1
nodelist.node.0.ring0_addr (str) = node1.example.com
nodelist.node.1.name (str) = node2.example.com
nodelist.node.1.nodeid (u32) = 2
nodelist.node.1.ring0_addr (str) = node2.example.com
runtime.members.1.ip (str) = r(0) ip(10.1.0.10)
"""
KNOWN_HOSTS = """\
{"format_version": 1, "data_version": 2, "known_hosts": {
 "node1.example.com": {"dest_list": [{"addr": "node1.example.com", "port": 2224}], "token": "1"},
 "b": {"dest_list": [{"addr": "10.1.0.11", "port": 2224}], "token": "2"}}}
"""


def with_other_names(text: str) -> str:
    return text.replace('"node1"', '"node1.example.com"').replace('"node2"', '"node2.example.com"')


@pytest.fixture
def world(world: World) -> World:
    """A world whose cluster has the members node1.example.com and node2.example.com.

    At the moment node2 is not a member.
    """
    world.crm_mon = with_other_names((FIXTURES / "crm_mon" / "started.xml").read_text())
    world.answers = {
        "corosync-cmapctl": CMAP,
        "getent ahostsv4 node1.example.com": "10.1.0.10       STREAM node1.example.com\n10.1.0.10       DGRAM\n",
        "getent ahostsv4 node2.example.com": "10.1.0.11       STREAM node2.example.com\n",
    }
    return world


def test_a_status_has_the_labs_names_wherever_a_node_is_named(instance: Instance) -> None:
    seen = crm.status(instance)

    assert (seen.dc, tuple(seen.nodes), seen.where("virtual_ip")) == ("node2", ("node1", "node2"), ("node1",))
    assert [node.name for node in seen.nodes.values()] == ["node1", "node2"]
    assert seen.own_name("node2") == "node2.example.com"
    assert crm.active(instance) == "node1"


def test_everything_that_looks_at_the_cluster_finds_its_nodes(instance: Instance) -> None:
    seen = lab.Lab(instance)

    results = [evaluate("", condition, seen, within=0) for condition in (online(), started("virtual_ip"))]

    assert [result.outcome for result in results] == [Outcome.PASSED] * 2
    assert seen.where("virtual_ip").name == "node1"
    assert [node["member"] for node in as_data(look(instance))["nodes"]] == ["online", "online"]


def test_a_cluster_with_the_labs_names_is_asked_nothing_more(instance: Instance, world: World) -> None:
    world.crm_mon = (FIXTURES / "crm_mon" / "started.xml").read_text()
    world.typed.clear()

    assert crm.status(instance).own_names == {}
    assert [line.split()[0] for line in world.typed] == ["crm_mon"]


def test_a_fault_finds_the_active_node_and_calls_it_what_the_cluster_does(instance: Instance, world: World) -> None:
    world.answers["pcs"] = world.answers["crm_resource"] = world.answers["test"] = ""

    for fault in ("power-cut", "standby", "move"):
        assert registry.inject(instance, fault).node == "node1"
        registry.heal(instance)

    pcs = [line for line in world.typed if line.startswith(("pcs", "crm_resource"))]
    assert pcs == [
        "pcs node standby node1.example.com",
        "pcs node unstandby node1.example.com",
        "pcs resource ban virtual_ip node1.example.com",
        "crm_resource --clear --resource=virtual_ip --node=node1.example.com",
    ]


def test_an_active_node_that_is_none_of_the_labs_is_told(instance: Instance, world: World) -> None:
    world.answers.clear()

    with pytest.raises(LabError, match=r'there is no node "node1\.example\.com", known are active, node1'):
        registry.inject(instance, "power-cut")

    assert instance.state.faults == ()


def test_a_device_is_asked_for_by_the_clusters_name(instance: Instance, world: World) -> None:
    evaluate("", can_be_fenced(lab.Lab(instance).nodes[1]), lab.Lab(instance), within=0)

    assert "stonith_admin --list node2.example.com --output-as=xml" in world.typed


def test_a_policy_engine_is_asked_with_the_clusters_names(instance: Instance, world: World) -> None:
    nodes = "<nodes><node id='1' uname='node1.example.com'/></nodes>"
    world.answers["cibadmin"] = f"<cib><configuration><constraints/>{nodes}</configuration></cib>"
    world.answers["crm_simulate"] = with_other_names(
        '<x><revised_cluster_status><resources><resource id="virtual_ip" role="Started"><node name="node1"/></resource>'
        "</resources></revised_cluster_status></x>"
    )

    told = evaluate("", may_run("virtual_ip", lab.Lab(instance).nodes[0]), lab.Lab(instance), within=0)

    assert told.outcome is Outcome.PASSED


def test_pcs_may_know_its_hosts_by_other_names(instance: Instance, world: World) -> None:
    world.crm_mon = None
    world.answers["cat /var/lib/pcsd/known-hosts"] = KNOWN_HOSTS
    world.answers["pcs pcsd status node1.example.com b"] = "node1.example.com: Online\n"

    assert evaluate("", authorized(), lab.Lab(instance), within=0).outcome is Outcome.PASSED
    world.answers["cat /var/lib/pcsd/known-hosts"] = KNOWN_HOSTS.replace("10.1.0.11", "10.1.0.10")
    assert evaluate("", authorized(), lab.Lab(instance), within=0).outcome is Outcome.FAILED


def test_what_journals_tell_is_about_the_labs_nodes(instance: Instance, world: World) -> None:
    message = "Operation 'reboot' targeting node2.example.com by node1.example.com for x@y: OK"
    world.answers["date"] = "1000.0\n"
    world.answers["journalctl"] = f'{{"MESSAGE": "{message}", "__REALTIME_TIMESTAMP": "99999999999999999"}}\n'

    told = events.collect(instance, 0, crm.status(instance).own_names)

    assert {(event.kind, event.node) for event in told} == {("fenced", "node2")}


def test_addresses_are_those_of_now_and_those_that_are_configured() -> None:
    assert parse_addresses(CMAP) == {"1": ["10.1.0.10", "node1.example.com"], "2": ["node2.example.com"]}


def test_a_name_that_only_its_address_tells_of_is_found_by_its_node_id(instance: Instance) -> None:
    cmap = "nodelist.node.0.nodeid (u32) = 7\nnodelist.node.0.ring0_addr (str) = 10.1.0.11\n"

    assert lab_names(instance.spec.nodes, {"bob": "7", "eve": "8"}, lambda *argv: cmap) == {"bob": "node2"}


def test_a_name_of_before_does_not_take_the_place_of_a_node(instance: Instance) -> None:
    cmap = "nodelist.node.0.nodeid (u32) = 1\nnodelist.node.0.ring0_addr (str) = 10.1.0.10\n"

    assert lab_names(instance.spec.nodes, {"old": "1", "node1": "1", "node2": "2"}, lambda *argv: cmap) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"known_hosts": {"a": {}}}', '{"known_hosts": 1}', "\0"])
def test_what_is_no_file_of_known_hosts_has_none(text: str) -> None:
    assert parse_known_hosts(text) == {}
