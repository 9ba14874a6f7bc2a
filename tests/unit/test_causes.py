"""Hints follow what was seen, where that tells the cause; and an agent of another class is as good."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from halab.conditions import (
    Lab,
    Node,
    active,
    address_only_on_owner,
    can_be_fenced,
    enabled,
    follows,
    managed,
    may_run,
    online,
    only_by_cluster,
    reached,
    served_by_owner,
    started,
    survives,
)
from halab.conditions.causes import held, misplaced
from halab.conditions.checks import Condition, Observation, evaluate
from halab.instance import simulate
from halab.instance.cluster import ResourceStatus, parse_status
from halab.kit.errors import CheckFailed, LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult

FIXTURES = Path(__file__).parent.parent / "fixtures"
FAILED = """<transient_attributes id="2"><instance_attributes id="status-2">
    <nvpair id="a" name="fail-count-webserver#monitor_10000" value="INFINITY"/>
    <nvpair id="b" name="last-failure-webserver#monitor_10000" value="1700000000"/>
    <nvpair id="c" name="fail-count-virtual_ip#start_0" value="0"/>
</instance_attributes></transient_attributes>"""
CIB = f"""<cib><configuration><nodes><node uname="node1"/><node uname="node2"/></nodes><constraints/></configuration>
<status><node_state uname="node1"/><node_state uname="node2">{FAILED}</node_state></status></cib>"""
HOSTS = "127.0.0.1 localhost\n{}\n192.168.1.11 node1\n192.168.1.12 node2\n"


class ALab:
    """Two nodes and a cluster, in which `answers` tells what each command prints, or prints and returns."""

    def __init__(self, crm_mon: str = "started", **answers: str | tuple[int, str]) -> None:
        self._crm_mon = crm_mon
        self._answers = answers
        self.vip, self.prefix, self.pace = "192.168.1.100", 24, Pace()
        self.powers = {"node1": "on", "node2": "on"}
        self.nodes = [self._node(number) for number in (1, 2)]
        self.workstation = SimpleNamespace(run=self.answer)

    def _node(self, number: int) -> Any:
        name = f"node{number}"
        return SimpleNamespace(
            name=name,
            lan=f"192.168.1.1{number}",
            mgmt=f"192.168.2.1{number}",
            bmc=f"192.168.2.10{number}",
            power=lambda: self.powers[name],
            ask=lambda *argv, **_: self.answer(*argv, name),
        )

    def answer(self, *argv: str, input: str = "") -> CommandResult:
        said = next((said for part, said in self._answers.items() if part in " ".join(argv).replace("-", "_")), (1, ""))
        rc, text = said if isinstance(said, tuple) else (0, said)
        return CommandResult(argv, rc, text, text if rc else "")

    def ask(self, *argv: str, input: str = "") -> str:
        if argv[0] == "cibadmin":
            return CIB
        left = "halab-ban-virtual_ip-node1" in input
        stopped = "halab-ban-webserver" in input or (
            left and ("halab-ban-virtual_ip-node2" in input or "fail-count-webserver" in input)
        )
        where = "" if stopped else '<node name="node2"/>'
        resources = '<resource id="virtual_ip" role="Started"><node name="node2"/></resource>'
        resources += f'<resource id="webserver" role="{"Started" if where else "Stopped"}">{where}</resource>'
        return f"<r><revised_cluster_status><resources>{resources}</resources></revised_cluster_status></r>"

    def status(self) -> Any:
        return parse_status((FIXTURES / "crm_mon" / f"{self._crm_mon}.xml").read_text())

    def active(self) -> Any:
        return self.nodes[0]

    def where(self, resource: str) -> Any:
        return self.nodes[0]

    def node(self, name: str) -> Any:
        return next(node for node in self.nodes if node.name == name)

    def others(self, node: Any) -> list[Any]:
        return [other for other in self.nodes if other.name != node.name]

    def own_name(self, node: Any) -> str:
        return str(node.name)

    def hints(self, condition: Condition) -> str:
        result = evaluate("", condition, cast(Lab, self), within=0, hints=("the condition's own",))
        assert result.outcome == "failed", result.seen
        return "; ".join(result.hints)


NODE1, NODE2 = (cast(Node, node) for node in ALab().nodes)


def test_failures_that_the_cluster_remembers_are_told_and_forgiven() -> None:
    assert simulate.failures(CIB) == {"webserver": ("node2",)}
    assert simulate.failures(simulate.forgiven(CIB)) == {}


def test_a_resource_that_left_over_failures_keep_away_is_to_be_cleaned_up() -> None:
    cleanup = "the cluster remembers failures, and keeps away from where they were: webserver on node2"

    assert cleanup in ALab("failed-to-start").hints(started("webserver"))
    assert ALab().hints(may_run("webserver", NODE1)) == "the condition's own"  # which fails for another reason
    assert "pcs resource cleanup webserver" in ALab().hints(follows("webserver", "virtual_ip"))
    assert cleanup in held(cast(Lab, ALab()), "virtual_ip", NODE1)[1]  # of what a failover does
    assert held(cast(Lab, ALab()), "virtual_ip", NODE2) == ()


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ("127.0.1.1 node1", [("node1", "127.0.1.1")]),
        ("127.0.1.1\tnode1.example.com node1  # by the installer", [("node1", "127.0.1.1")]),
        ("::1 node2", [("node2", "::1")]),
        ("192.168.1.99 node2", [("node2", "192.168.1.99")]),
        ("# 127.0.1.1 node1", []),
        ("127.0.1.1 another  # not node1", []),
        ("192.168.2.11 node1", []),  # its other address
        ("nonsense node1", []),
    ],
)
def test_a_name_beside_an_address_that_is_not_its_own_is_found(hosts: str, found: list[tuple[str, str]]) -> None:
    places = {"node1": {"192.168.1.11", "192.168.2.11"}, "node2": {"192.168.1.12"}}

    assert misplaced(HOSTS.format(hosts), places) == found


def test_only_the_first_line_with_a_name_counts() -> None:
    assert misplaced("192.168.1.11 node1\n127.0.1.1 node1\n", {"node1": {"192.168.1.11"}}) == []


def test_a_node_that_takes_its_own_name_for_loopback_is_told_so() -> None:
    hints = ALab("offline", hosts=HOSTS.format("127.0.1.1 node1"), is_active=(3, "inactive")).hints(online())

    assert "node1 stands beside 127.0.1.1 there" in hints
    assert "talks to itself" in hints


def test_a_cluster_that_does_not_answer_may_have_a_wrong_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer() -> None:
        raise CheckFailed("no answer from crm_mon")

    lab = ALab(hosts=HOSTS.format("127.0.1.1 node1"))
    monkeypatch.setattr(lab, "status", no_answer)

    assert "node1 stands beside 127.0.1.1 there" in lab.hints(online())


def test_why_a_node_is_no_member_is_told() -> None:
    dark, standby = ALab("offline"), ALab("standby", is_active="active")
    dark.powers["node2"] = "off"

    assert "inv bmc node2 on" in dark.hints(online())
    assert "pcs node unstandby node2" in standby.hints(online())
    assert "corosync and pacemaker does not run on node2" in ALab("offline", is_active=(3, "")).hints(online())


def test_hints_that_cannot_be_found_change_no_outcome() -> None:
    def broken() -> tuple[str, ...]:
        raise LabError("node1 is off")

    condition = Condition("", lambda lab: Observation(False, "no", hints=broken))

    assert ALab().hints(condition) == "the condition's own"


@pytest.mark.parametrize(
    ("held", "command"),
    [
        ({"node1": [24], "node2": [24]}, "on node2: ip address del 192.168.1.100/24"),
        ({"node1": [32], "node2": []}, "cidr_netmask=24"),
        ({"node1": [], "node2": [24]}, "pcs resource update virtual_ip ip=192.168.1.100"),
    ],
)
def test_where_the_address_is_tells_what_to_type(
    held: dict[str, list[int]], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halab.conditions.service._prefixes", lambda node, address: held[node.name])

    assert command in ALab().hints(address_only_on_owner("virtual_ip"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((7, "curl: (7) Failed to connect to 192.168.1.100: Connection refused"), "nothing listens there"),
        ((7, "curl: (7) Failed to connect: No route to host"), "a firewall rejects it"),
        (
            (7, "curl: (7) Failed to connect to 192.168.1.100 port 80: Couldn't connect to server"),
            "nothing listens there",
        ),
        ((28, "curl: (28) Operation timed out"), "a firewall drops it"),
        ("Forbidden\n403", "ls -lZ"),
        ("Not Found\n404", "name as root"),
        ("Welcome\n200", "names no node"),
        ("node1 and node2\n200", "names node1 and node2"),
        ("node2\n200", "the page is that of node2"),
    ],
)
def test_what_came_in_place_of_the_page_tells_where_to_look(answer: str | tuple[int, str], told: str) -> None:
    assert told in ALab(curl=answer).hints(served_by_owner("virtual_ip"))


@pytest.mark.parametrize(
    ("stderr", "wanted", "told"),
    [
        ("Connection refused", "open", "nobody listens"),
        ("No route to host", "open", "--add-port=2224/tcp"),
        ("Connection refused", "closed", "take that out"),
    ],
)
def test_what_a_connection_met_tells_what_to_type(stderr: str, wanted: str, told: str) -> None:
    assert told in ALab(tcp=(1, stderr)).hints(reached(NODE1, NODE2, 2224, wanted))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("LoadState=masked\nActiveState=inactive\n", "systemctl unmask pcsd"),
        ("LoadState=not-found\nActiveState=inactive\n", "install the package"),
        ("LoadState=loaded\nActiveState=failed\n", "systemctl restart pcsd"),
        ("LoadState=loaded\nActiveState=inactive\n", "the condition's own"),
    ],
)
def test_what_systemd_knows_of_a_unit_tells_what_to_type(state: str, told: str) -> None:
    lab = ALab(show=state)

    assert told in lab.hints(active(NODE1, "pcsd"))
    assert told in lab.hints(enabled(NODE1, "pcsd"))


def test_who_is_in_maintenance_tells_what_to_type() -> None:
    assert "maintenance-mode=false" in ALab("maintenance").hints(managed())
    assert "pcs node unmaintenance node2" in ALab("node-maintenance").hints(managed())


def test_a_fence_device_that_is_there_and_not_started_is_named() -> None:
    device = '<list name="Devices"><item name="device">fence_node1</item></list>'

    assert "pcs stonith cleanup fence_node1" in ALab(stonith_admin=device).hints(can_be_fenced(NODE1))


def test_where_fencing_is_off_that_is_what_to_mend() -> None:
    off = ALab(curl="node1\n200")

    assert "stonith-enabled=true" in off.hints(survives("power-cut", resource="virtual_ip", within=1))


@pytest.mark.parametrize(
    ("agent", "as_good"),
    [
        ("systemd:nginx", True),
        ("systemd:nginx.service", True),
        ("service:nginx", True),
        ("lsb:nginx", True),
        ("ocf:heartbeat:nginx", False),
        ("systemd:apache2", False),
        ("service:nginx2", False),
    ],
)
def test_a_unit_is_the_clusters_where_a_resource_of_it_is_started_by_whichever_class(agent: str, as_good: bool) -> None:
    lab = ALab(is_active="active")
    resource = ResourceStatus("web", agent, "Started", True, False, False, ("node1", "node2"))
    lab.status = lambda: SimpleNamespace(resources={"web": resource})  # type: ignore[method-assign]

    seen = only_by_cluster("web", "nginx").look(cast(Lab, lab))

    assert seen.ok is as_good
    assert as_good or "systemctl disable --now nginx" in seen.hints()[-1]
