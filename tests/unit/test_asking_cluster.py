"""Which node the page asks about its cluster, and what it makes of the answer."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.kit.process import CommandResult, NotDone
from halab.web.following.asking import BETWEEN, PATIENCE, Asking
from halab.web.following.constraints import Constraint
from halab.web.following.map import Votes

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
NODES = ("node1", "node2")
CIB = """\
<configuration>
  <resources>
    <primitive id="virtual_ip" class="ocf" provider="heartbeat" type="IPaddr2">
      <instance_attributes id="a"><nvpair id="i" name="ip" value="10.1.0.100"/></instance_attributes>
    </primitive>
  </resources>
  <constraints><rsc_location id="l" rsc="virtual_ip" node="node2" score="50"/></constraints>
</configuration>
"""
VOTES = "Expected votes:   2\nTotal votes:      1\n"


class Cluster:
    """Answers for each node, and remembers who was asked, and how long an answer might have taken."""

    def __init__(self, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = dict.fromkeys(NODES, told("started"))
        self.asked: list[str] = []
        self.patience: list[float] = []
        monkeypatch.setattr(instance.provider, "ask", self.ask)

    def ask(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        self.asked.append(node)
        self.patience.append(timeout)
        if self.answers[node] == "hangs":
            raise NotDone(f"{node} did not answer")
        return CommandResult(tuple(argv), 0 if self.answers[node] else 127, self.answers[node], "")


def told(fixture: str, cib: str = CIB, votes: str = VOTES) -> str:
    return BETWEEN.join([(FIXTURES / f"{fixture}.xml").read_text(), cib, votes])


@pytest.fixture
def cluster(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(instance, monkeypatch)


@pytest.fixture
def asking(instance: Instance) -> Asking:
    return Asking(instance)


def test_one_node_tells_all(cluster: Cluster, asking: Asking) -> None:
    seen = asking.look(NODES)

    assert cluster.asked == ["node1"]
    assert seen.votes == Votes(there=1, expected=2)
    assert seen.vip_resources == ("virtual_ip",)
    assert seen.constraints == (Constraint("location", "virtual_ip", "node2", "50"),)


def test_a_node_that_hangs_is_given_up_and_asked_last_and_for_less_long_from_then_on(
    cluster: Cluster, asking: Asking
) -> None:
    cluster.answers["node1"] = "hangs"

    asking.look(NODES)
    asking.look(NODES)
    cluster.answers["node2"] = "hangs"
    with pytest.raises(LabError, match=r"node2 did not answer; node1 did not answer"):
        asking.look(NODES)

    assert cluster.asked == ["node1", "node2", "node2", "node2", "node1"]
    assert cluster.patience == [PATIENCE, PATIENCE, PATIENCE, PATIENCE, PATIENCE / 3]


def test_the_part_that_has_quorum_is_believed(cluster: Cluster, asking: Asking) -> None:
    cluster.answers["node1"] = told("no-coordinator")

    first, again = asking.look(NODES), asking.look(NODES)

    assert first.status.quorate
    assert again.status.quorate
    assert cluster.asked == ["node1", "node2", "node2"]


def test_without_quorum_anywhere_it_is_told_so(cluster: Cluster, asking: Asking) -> None:
    cluster.answers = {"node1": told("no-coordinator"), "node2": ""}

    seen = asking.look(NODES)

    assert not seen.status.quorate
    assert cluster.asked == ["node1", "node2"]


def test_whoever_has_told_that_another_is_lost_is_asked_first(cluster: Cluster, asking: Asking) -> None:
    asking.look(NODES)

    asking.prefer("node2")
    asking.look(NODES)

    assert cluster.asked == ["node1", "node2"]


def test_a_missing_program_is_told_in_words(cluster: Cluster, asking: Asking) -> None:
    cluster.answers = dict.fromkeys(NODES, "")

    with pytest.raises(LabError, match="node1: no answer from crm_mon: it is not installed; node2"):
        asking.look(NODES)
    with pytest.raises(LabError, match="no node has power"):
        asking.look([])


@pytest.mark.parametrize("cib", ["", "<not", "<empty/>"])
def test_a_cluster_that_stops_in_the_middle_of_an_answer_has_told_a_part(
    cluster: Cluster, asking: Asking, cib: str
) -> None:
    cluster.answers["node1"] = told("started", cib, "")

    seen = asking.look(NODES)

    assert seen.status.quorate
    assert (seen.votes, seen.constraints, seen.vip_resources) == (None, (), ())


def test_something_else_than_an_answer_is_no_cluster(cluster: Cluster, asking: Asking) -> None:
    cluster.answers = dict.fromkeys(NODES, "<pacemaker-result/>")

    with pytest.raises(LabError, match="crm_mon tells of no cluster"):
        asking.look(NODES)
