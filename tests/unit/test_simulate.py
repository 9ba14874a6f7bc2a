"""Answers of the policy engine, captured from a real two-node cluster (Pacemaker 2.1.5) for each kind of constraint.

They are in fixtures/simulate/<constraints>/<experiment>.xml. pcs made the constraints, and virtual_ip ran on node1 (on
node2 for wrong-way-round). `cib.xml` is the cluster without any constraint.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree.ElementTree import SubElement, tostring

import pytest
from defusedxml.ElementTree import fromstring

from halab.conditions import follows, independent, may_run, ordered
from halab.conditions.checks import CheckResult, Condition, Outcome, evaluate
from halab.instance import simulate
from halab.kit.errors import CheckFailed, LabError
from halab.walk.lab import Lab

FIXTURES = Path(__file__).parent.parent / "fixtures" / "simulate"
CIB = (FIXTURES / "none" / "cib.xml").read_text()
IP, WEB = "virtual_ip", "webserver"
NODE: Any = SimpleNamespace(name="node1")

# Whether webserver follows virtual_ip, virtual_ip is independent of webserver, and webserver starts after virtual_ip.
VERDICTS = {
    "none": (False, True, False),
    "by-luck": (False, True, False),  # both prefer the same node, so they share it
    "colocation": (True, True, False),
    "order": (False, True, True),
    "colocation-and-order": (True, True, True),
    "group": (True, True, True),
    "sets": (True, True, True),
    "weak": (False, True, True),  # a colocation whose score is 100
    "wrong-colocation": (False, False, False),  # virtual_ip with webserver, and no order
    "wrong-way-round": (True, False, True),  # virtual_ip with webserver, and the right order
    "wrong-order": (True, False, False),  # webserver then virtual_ip, and the right colocation
}


class CapturedCluster:
    """Answers as the captured cluster did. The bans in the CIB that it is given tell which experiment is meant."""

    def __init__(self, constraints: str) -> None:
        self._answers = FIXTURES / constraints
        self._here = "node2" if constraints == "wrong-way-round" else "node1"

    def where(self, resource: str) -> Any:
        return type("Node", (), {"name": self._here})

    def own_name(self, node: Any) -> str:
        return str(node.name)

    def ask(self, *argv: str, input: str | None = None) -> str:
        if argv == ("cibadmin", "--query"):
            return CIB
        assert input is not None
        bans = {(ban.get("rsc"), ban.get("node")) for ban in fromstring(input).iter("rsc_location")}
        there = "node2" if self._here == "node1" else "node1"
        experiments: Mapping[frozenset[tuple[str | None, str | None]], str] = {
            frozenset({(IP, self._here)}): "address-moves",
            frozenset({(IP, there), (WEB, self._here)}): "torn-apart",
            frozenset({(IP, "node1"), (IP, "node2")}): "no-address",
            frozenset({(WEB, "node1"), (WEB, "node2")}): "no-server",
            frozenset(): "cold-start",
        }
        return captured(self._answers.name, experiments[frozenset(bans)])


class BrokenTool:
    """A cluster whose nodes answer, while crm_simulate works on none of them."""

    def where(self, resource: str) -> Any:
        return type("Node", (), {"name": "node1"})

    def own_name(self, node: Any) -> str:
        return str(node.name)

    def ask(self, *argv: str, input: str | None = None) -> str:
        if argv[0] == "cibadmin":
            return CIB
        raise CheckFailed("node1: no answer from crm_simulate: it is not installed")


def captured(constraints: str, experiment: str) -> str:
    return (FIXTURES / constraints / f"{experiment}.xml").read_text()


def judge(condition: Condition, cluster: object) -> CheckResult:
    return evaluate("a check", condition, cast(Lab, cluster), within=0)


@pytest.mark.parametrize("condition", [independent(IP, "nothing"), may_run("nothing", NODE)])
def test_a_resource_that_is_missing_fails_the_check(condition: Condition) -> None:
    told = judge(condition, BrokenTool())

    assert (told.outcome, told.seen) == (Outcome.FAILED, "there is no resource nothing")


@pytest.mark.parametrize(("constraints", "expected"), VERDICTS.items())
def test_constraints_are_judged_by_what_they_lead_to(constraints: str, expected: tuple[bool, bool, bool]) -> None:
    cluster = CapturedCluster(constraints)

    outcomes = [
        judge(condition, cluster).outcome for condition in (follows(WEB, IP), independent(IP, WEB), ordered(IP, WEB))
    ]

    assert outcomes == [Outcome.PASSED if good else Outcome.FAILED for good in expected]


def test_every_captured_kind_of_constraint_is_judged() -> None:
    assert {folder.name for folder in FIXTURES.iterdir()} == set(VERDICTS)


def test_a_failure_says_what_would_happen() -> None:
    seen = judge(follows(WEB, IP), CapturedCluster("by-luck")).seen

    assert seen == "if virtual_ip were on node2, webserver would be on node1"


@pytest.mark.parametrize("condition", [follows(WEB, IP), independent(IP, WEB), ordered(IP, WEB)])
def test_a_simulation_that_breaks_marks_nobody_wrong(condition: Condition) -> None:
    result = judge(condition, BrokenTool())

    assert result.outcome is Outcome.UNKNOWN


def test_a_ban_is_added_for_each_node_and_nothing_else_changes() -> None:
    banned = fromstring(simulate.ban(CIB, WEB, ["node1", "node2"]))

    bans = banned.findall("configuration/constraints/rsc_location")
    assert [(ban.get("rsc"), ban.get("node"), ban.get("score")) for ban in bans] == [
        (WEB, "node1", "-INFINITY"),
        (WEB, "node2", "-INFINITY"),
    ]
    assert len(list(banned.iter())) == len(list(fromstring(CIB).iter())) + 2


def test_bans_of_two_resources_have_different_ids() -> None:
    banned = fromstring(simulate.ban(simulate.ban(CIB, IP, ["node2"]), WEB, ["node2"]))

    ids = [ban.get("id") for ban in banned.iter("rsc_location")]
    assert len(set(ids)) == 2


def test_what_is_no_cib_is_refused() -> None:
    with pytest.raises(LabError, match="no <constraints>"):
        simulate.ban("<cib><configuration/></cib>", IP, ["node1"])


@pytest.mark.parametrize(
    ("place", "inside", "name", "value"),
    [
        ("configuration/crm_config", "cluster_property_set", "maintenance-mode", "true"),
        ("configuration/crm_config", "cluster_property_set", "is-managed-default", "false"),
        ("configuration/nodes/node", "instance_attributes", "maintenance", "on"),
        ("status/node_state", "transient_attributes/instance_attributes", "maintenance", "true"),
        ("configuration/resources/primitive", "meta_attributes", "is-managed", "false"),
        ("configuration/resources/primitive", "meta_attributes", "maintenance", "true"),
        ("configuration/rsc_defaults", "meta_attributes", "is-managed", "false"),
    ],
)
def test_in_a_managed_copy_nothing_is_in_maintenance(place: str, inside: str, name: str, value: str) -> None:
    root = fromstring(CIB)
    parent = root.find(place)
    if parent is None:
        parent = SubElement(root.find("configuration"), place.rpartition("/")[2])
    for part in inside.split("/"):
        parent = SubElement(parent, part)
    SubElement(parent, "nvpair", id="kept", name="target-role", value="Started")
    SubElement(parent, "nvpair", id="gone", name=name, value=value)

    managed = fromstring(simulate.managed(tostring(root, encoding="unicode")))

    names = [pair.get("id") for pair in managed.iter("nvpair")]
    assert ("kept" in names, "gone" in names) == (True, False)


def test_an_agents_own_parameter_called_maintenance_stays() -> None:
    root = fromstring(CIB)
    parameters = SubElement(root.find("configuration/resources/primitive"), "instance_attributes")
    SubElement(parameters, "nvpair", id="own", name="maintenance", value="true")

    managed = fromstring(simulate.managed(tostring(root, encoding="unicode")))

    assert "own" in [pair.get("id") for pair in managed.iter("nvpair")]


def test_conditions_on_constraints_do_not_depend_on_maintenance() -> None:
    root = fromstring(CIB)
    SubElement(
        root.find("configuration/crm_config/cluster_property_set"),
        "nvpair",
        id="m",
        name="maintenance-mode",
        value="true",
    )
    asked: list[str] = []

    class InMaintenance(CapturedCluster):
        def ask(self, *argv: str, input: str | None = None) -> str:
            if input is None:
                return tostring(root, encoding="unicode")
            asked.append(input)
            return super().ask(*argv, input=input)

    for condition in (follows(WEB, IP), independent(IP, WEB), ordered(IP, WEB)):
        judge(condition, InMaintenance("group"))

    assert len(asked) >= 3
    assert not any("maintenance-mode" in cib for cib in asked)


def test_a_cold_cluster_has_its_nodes_but_no_history_of_resources() -> None:
    cold = fromstring(simulate.cold(CIB))

    assert [state.get("crmd") for state in cold.findall("status/node_state")] == ["online", "online"]
    assert not list(cold.iter("lrm_rsc_op"))


def test_the_clusters_nodes_are_named_by_its_configuration() -> None:
    assert simulate.node_names(CIB) == ("node1", "node2")


def test_a_stopped_resource_has_no_place() -> None:
    places = simulate.places(captured("colocation", "torn-apart"))

    assert places == {IP: ("node1",)}


def test_members_of_a_group_have_places_of_their_own() -> None:
    places = simulate.places(captured("group", "address-moves"))

    assert places == {IP: ("node2",), WEB: ("node2",)}


def test_an_answer_without_a_result_tells_what_was_said_instead() -> None:
    answer = '<pacemaker-result><status code="74" message="I/O error occurred"/></pacemaker-result>'

    with pytest.raises(LabError, match="I/O error occurred"):
        simulate.places(answer)


def test_an_order_is_found_by_way_of_a_groups_own_actions() -> None:
    graph = captured("group", "cold-start")

    assert simulate.starts_after(graph, WEB, IP)
    assert not simulate.starts_after(graph, IP, WEB)


def test_what_is_not_started_waits_for_nothing() -> None:
    graph = captured("order", "cold-start")

    assert not simulate.starts_after(graph, "nothing", IP)
    assert not simulate.starts_after(graph, WEB, "nothing")


def test_a_graph_that_goes_in_circles_is_read_to_its_end() -> None:
    graph = """<transition_graph>
      <synapse><action_set><rsc_op id="1" operation_key="a_start_0"/></action_set>
        <inputs><trigger><rsc_op id="2"/></trigger></inputs></synapse>
      <synapse><action_set><rsc_op id="2" operation_key="b_start_0"/></action_set>
        <inputs><trigger><rsc_op id="1"/></trigger></inputs></synapse>
    </transition_graph>"""

    assert not simulate.starts_after(graph, "a", "c")
