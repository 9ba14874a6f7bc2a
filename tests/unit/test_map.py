"""The map of an instance, made of what was seen of it: clusters as crm_mon printed them on real nodes."""

from pathlib import Path
from typing import Any

import pytest

from halab.instance.cluster import parse_status
from halab.instance.state import InjectedFault
from halab.spec.models import LabSpec
from halab.web.following.constraints import Constraint, constraints
from halab.web.following.map import ClusterSeen, Seen, Votes, made, parse_votes, why_off

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
QUORUMTOOL = """\
Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      2
Quorum:           2
Flags:            Quorate WaitForAll
"""
CIB = """\
<configuration>
  <resources>
    <primitive id="virtual_ip"/>
    <group id="services"><primitive id="disk"/><primitive id="files"/><primitive id="server"/></group>
    <clone id="dlm-clone"><primitive id="dlm"/></clone>
    <clone id="shared"><group id="storage"><primitive id="lock"/><primitive id="volume"/></group></clone>
  </resources>
  <constraints>{}</constraints>
</configuration>
"""
ON = {"node1": "on", "node2": "on"}


@pytest.fixture
def spec() -> LabSpec:
    return LabSpec.model_validate(
        {
            "title": "t",
            "cluster": "c",
            "vip": "10.1.0.100",
            "networks": {
                "lan": {"subnet": "10.1.0.0/24", "workstation": "10.1.0.1"},
                "mgmt": {"subnet": "10.2.0.0/24", "workstation": "10.2.0.1"},
            },
            "nodes": [
                {"name": f"node{n}", "lan": f"10.1.0.1{n}", "mgmt": f"10.2.0.1{n}", "bmc": f"10.2.0.11{n}"}
                for n in (1, 2)
            ],
            "credentials": {"hacluster": "secret", "bmc_user": "admin", "bmc_password": "fence-me"},
        }
    )


def seen(fixture: str, **more: Any) -> Seen:
    text = (FIXTURES / f"{fixture}.xml").read_text()
    return Seen(power=ON, cluster=ClusterSeen(parse_status(text)), **more)


def members(found: dict[str, Any]) -> list[str]:
    return [node["member"] for node in found["nodes"]]


def states(found: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return, by resource, its roles and states on all nodes."""
    told: dict[str, list[tuple[str, str]]] = {}
    for node in found["nodes"]:
        for resource in node["resources"]:
            told.setdefault(resource["id"], []).append((resource["role"], resource["state"]))
    return told


@pytest.mark.parametrize(
    ("fixture", "wanted"),
    [
        ("started", ["online", "online"]),
        ("standby", ["online", "standby"]),
        ("pending", ["online", "pending"]),
        ("unclean", ["online", "unclean"]),
        ("offline", ["online", "offline"]),
        ("node-maintenance", ["online", "maintenance"]),
        ("starting", ["unknown", "unknown"]),
        ("no-coordinator", ["unclean", "unclean"]),
    ],
)
def test_a_node_has_the_state_that_matters_most(spec: LabSpec, fixture: str, wanted: list[str]) -> None:
    assert members(made(spec, seen(fixture))) == wanted


@pytest.mark.parametrize(
    ("fixture", "resource", "wanted"),
    [
        ("started", "virtual_ip", [("Started", "started")]),
        ("failed-blocked", "broken", [("Started", "blocked")]),
        ("failed-to-start", "broken", []),
        ("clone", "dummy", [("Started", "started"), ("Started", "started")]),
        ("clone-one-stopped", "dummy", [("Started", "started")]),
        ("promotable", "state", [("Promoted", "started"), ("Unpromoted", "started")]),
    ],
)
def test_each_instance_of_a_resource_is_on_its_node(
    spec: LabSpec, fixture: str, resource: str, wanted: list[tuple[str, str]]
) -> None:
    assert sorted(states(made(spec, seen(fixture))).get(resource, [])) == sorted(wanted)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ('failed="true"', "failed"),
        ('failed="true" blocked="true"', "blocked"),
        ('pending="Starting"', "starting"),
        ('pending="Stopping"', "stopping"),
        ('pending="Monitoring"', "started"),
    ],
)
def test_a_resource_has_its_worst_state_only_where_it_has_it(spec: LabSpec, changed: str, wanted: str) -> None:
    text = (FIXTURES / "clone.xml").read_text()
    for word in ("failed", "blocked"):
        text = text.replace(f'{word}="false"', "") if word in changed else text
    text = text.replace('<resource id="dummy"', f'<resource id="dummy" {changed}', 1)

    found = made(spec, Seen(power=ON, cluster=ClusterSeen(parse_status(text))))

    assert sorted(state for _, state in states(found)["dummy"]) == sorted(["started", wanted])


def test_a_cluster_is_told_with_its_coordinator_quorum_and_fencing(spec: LabSpec) -> None:
    found = made(spec, seen("started"))

    assert [node["dc"] for node in found["nodes"]].count(True) == 1
    assert found["quorum"] == {"quorate": True, "votes": 2, "expected": 2}
    assert isinstance(found["fencing"], bool)
    assert made(spec, seen("no-coordinator"))["quorum"]["quorate"] is False


def test_resources_that_run_nowhere_are_listed(spec: LabSpec) -> None:
    assert made(spec, seen("unclean"))["stopped"] == ["fence_node1", "fence_node2"]


def test_votes_are_those_of_corosync(spec: LabSpec) -> None:
    cluster = ClusterSeen(parse_status((FIXTURES / "started.xml").read_text()), parse_votes(QUORUMTOOL))

    assert made(spec, Seen(cluster=cluster))["quorum"] == {"quorate": True, "votes": 2, "expected": 3}
    assert parse_votes(QUORUMTOOL) == Votes(2, 3)
    assert parse_votes("Cannot initialize QUORUM service") is None


def test_without_a_cluster_it_is_told_why_and_nothing_is_made_up(spec: LabSpec) -> None:
    found = made(spec, Seen(power=ON, reason="node1: \x1b[31mno answer"))

    assert (found["quorum"], found["fencing"], found["stopped"], found["constraints"]) == (None, None, [], [])
    assert members(found) == ["unknown", "unknown"]
    assert found["reason"] == "node1: ␛[31mno answer"


def test_a_map_has_bounds_whatever_a_cluster_has(spec: LabSpec) -> None:
    text = (FIXTURES / "started.xml").read_text()
    made_up = "".join(f'<resource id="r{n}{"x" * 400}" role="{role}"/>' for n in range(400) for role in ("Stopped",))
    lines = tuple(Constraint("order", f"{n}", "x" * 400, "Mandatory") for n in range(400))
    status = parse_status(text.replace("</resources>", f"{made_up}</resources>"))

    found = made(spec, Seen(power=ON, cluster=ClusterSeen(status, constraints=lines), why_off={"node1": "x" * 400}))

    assert (len(found["stopped"]), len(found["constraints"])) == (300, 300)
    assert {len(line["second"]) for line in found["constraints"]} == {301}
    assert max(map(len, found["stopped"])) == 301


def test_what_is_outside_of_nodes_is_told_of_each(spec: LabSpec) -> None:
    faults = (InjectedFault(name="link-down", node="node1"), InjectedFault(name="bmc-dead", node="node2"))

    found = made(
        spec,
        Seen(
            power={"node1": "on", "node2": "off"},
            why_off={"node1": "stale", "node2": "its power was cut by a fault"},
            pulled=frozenset({("node1", "lan")}),
            faults=faults,
            owners=("node1",),
        ),
    )

    one, two = found["nodes"]
    assert (one["power"], one["why_off"], one["cut"], one["arp"], one["bmc"]) == ("on", "", ["lan"], True, "answers")
    assert (two["power"], two["why_off"], two["cut"], two["arp"]) == ("off", "its power was cut by a fault", [], False)
    assert two["bmc"] == "dead"
    assert found["vip"] == {"address": "10.1.0.100", "owners": ["node1"]}
    assert [fault["words"] for fault in found["faults"]] == ["link-down on node1", "bmc-dead on node2"]


def test_who_ordered_a_power_cut_is_told_until_the_power_is_on_again() -> None:
    off = {"action": "off", "from": "10.2.0.12"}
    names = {"10.2.0.12": "node2"}

    def told(*orders: dict[str, object]) -> str:
        return why_off("node1", (), orders, lambda address: names[address])

    assert told({"action": "soft", "from": "10.2.0.12"}, off) == "its BMC was told `off` by node2"
    assert told(off, {"action": "on", "from": "10.2.0.12"}) == ""
    assert why_off("node1", [InjectedFault(name="power-cut", node="node1")], [off], str) == (
        "its power was cut by a fault"
    )


@pytest.mark.parametrize(
    ("constraint", "wanted"),
    [
        (
            '<rsc_colocation id="c" rsc="virtual_ip" with-rsc="services" score="500"/>',
            [Constraint("colocation", "virtual_ip", "disk", "500")],
        ),
        ('<rsc_order id="o" first="dlm-clone" then="shared"/>', [Constraint("order", "dlm", "lock", "Mandatory")]),
        (
            '<rsc_location id="l" rsc="virtual_ip" node="node2" score="-INFINITY"/>',
            [Constraint("location", "virtual_ip", "node2", "-INFINITY")],
        ),
        (
            '<rsc_location id="l" rsc="virtual_ip"><rule score="-INFINITY" boolean-op="or">'
            '<expression attribute="pingd" operation="lt" value="1"/>'
            '<expression attribute="pingd" operation="not_defined"/></rule></rsc_location>',
            [Constraint("location", "virtual_ip", "pingd lt 1 or pingd not_defined", "-INFINITY")],
        ),
        (
            '<rsc_order id="o"><resource_set><resource_ref id="virtual_ip"/><resource_ref id="dlm"/></resource_set>'
            '<resource_set sequential="false"><resource_ref id="server"/><resource_ref id="lock"/></resource_set>'
            "</rsc_order>",
            [
                Constraint("order", "virtual_ip", "dlm", "Mandatory"),
                Constraint("order", "dlm", "server", "Mandatory"),
                Constraint("order", "dlm", "lock", "Mandatory"),
            ],
        ),
        (
            '<rsc_colocation id="c" score="INFINITY"><resource_set><resource_ref id="dlm"/><resource_ref id="lock"/>'
            "</resource_set></rsc_colocation>",
            [Constraint("colocation", "lock", "dlm", "INFINITY")],
        ),
        ('<rsc_ticket id="t" rsc="dlm" ticket="site"/>', []),
    ],
)
def test_constraints_are_lines_between_what_the_map_has(constraint: str, wanted: list[Constraint]) -> None:
    lines = constraints(CIB.format(constraint))

    assert [line for line in lines if line.kind != "group"] == wanted
    assert [line for line in lines if line.kind == "group"] == [
        Constraint("group", "disk", "files", "INFINITY"),
        Constraint("group", "files", "server", "INFINITY"),
        Constraint("group", "lock", "volume", "INFINITY"),
    ]
