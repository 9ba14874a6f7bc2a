"""Whether Pacemaker did a fencing: what fencers and logs of peers say, and what the BMC was told."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from halab.conditions import fences
from halab.conditions.cluster import fenced_by_peer
from halab.conditions.fencing import fenced, logged
from halab.instance.cluster import Fenced, parse_history
from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult

DONE = datetime(2026, 11, 27, 1, 0, 52, tzinfo=UTC).timestamp()
HISTORY = """\
<pacemaker-result api-version="2.25" request="stonith_admin --history node2 --output-as=xml">
  <list name="fencing history" count="1">
    <fence_event action="{action}" target="{target}" client="stonith_admin.1515" origin="node1" status="{status}"
        delegate="node1" completed="{completed}"/>
  </list>
  <status code="0" message="OK"/>
</pacemaker-result>
"""
LINE = (
    "Nov 27 {time} node1 pacemaker-fenced    [42] (finalize_op) \tnotice: "
    "Operation 'reboot' targeting node2 by node1 for stonith_admin.1515@node1: OK (complete) | id=7b9440e4\n"
)
PEER = "192.168.2.10"


def history(action: str = "reboot", target: str = "node2", status: str = "success", completed: str = "") -> str:
    return HISTORY.format(action=action, target=target, status=status, completed=completed or "2026-11-27 01:00:52Z")


def lab(told: str = "", log: str = "", *, at: float = DONE - 6, by: str = PEER, action: str = "off") -> Any:
    """Return a lab of two nodes. The BMC of node2 was told something; the fencer and the log of node1 say something."""

    def run(*argv: str, timeout: float = 60) -> CommandResult:
        said = {"stonith_admin": told if "--history" in argv else "", "grep": log}[argv[0]]
        return CommandResult(argv, 0 if said or "--reboot" in argv else 1, said, "")

    nodes = [SimpleNamespace(name="node1", mgmt=PEER, ask=run), SimpleNamespace(name="node2", mgmt="192.168.2.11")]
    events = {"node1": [], "node2": [{"time": at, "action": action, "from": by}]}
    return SimpleNamespace(
        pace=Pace(),
        nodes=nodes,
        others=lambda node: [other for other in nodes if other is not node],
        power_events=lambda node: events[node.name],
        own_name=lambda node: node.name,
    )


@pytest.mark.parametrize(
    "completed", ["2026-11-27 01:00:52Z", "2026-11-27 01:00:52.000000Z", "2026-11-27 02:00:52 +01:00"]
)
def test_a_history_tells_who_was_fenced_by_whom_and_when(completed: str) -> None:
    assert parse_history(history(completed=completed)) == [Fenced("node2", "node1", DONE)]


@pytest.mark.parametrize("told", [history(status="failed"), history(status="pending"), history(action="on")])
def test_only_what_was_done_and_cut_the_power_is_a_fencing(told: str) -> None:
    assert parse_history(told) == []


@pytest.mark.parametrize("action", ["off", "cycle", "on"])  # a node that is off already is only told to go on
def test_a_fencing_that_pacemaker_ordered_and_the_bmc_was_told_of_counts(action: str) -> None:
    seen = lab(history(), action=action)

    assert fenced(seen, seen.nodes[1]) == [Fenced("node2", "node1", DONE)]


@pytest.mark.parametrize(
    "seen",
    [
        lab(""),  # ipmitool, by hand
        lab(history(), by="192.168.2.1"),  # from the workstation
        lab(history(), at=DONE - 3600),  # another time
        lab(history(), at=DONE + 60),  # Pacemaker called it done before
        lab(history(target="node1")),
        lab("no XML"),
    ],
)
def test_what_pacemaker_did_not_order_or_the_bmc_does_not_know_is_no_fencing(seen: Any) -> None:
    assert fenced(seen, seen.nodes[1]) == []
    assert not fenced_by_peer(seen.nodes[1]).look(seen).ok


def test_an_older_fencing_is_not_that_of_now() -> None:
    seen = lab(history())

    assert fenced(seen, seen.nodes[1], since=DONE + 60) == []


@pytest.mark.parametrize(
    ("time", "counts"),
    [("01:00:52.170", True), ("14:45:52.170", True), ("01:03:30.000", False), ("00:59:00.000", False)],
)
def test_the_log_outlives_the_fencer_but_must_agree_with_the_bmc(time: str, counts: bool) -> None:
    seen = lab("", LINE.format(time=time))

    assert logged(seen, seen.nodes[1]) is counts
    assert fenced_by_peer(seen.nodes[1]).look(seen).ok is counts


def test_stonith_admin_that_says_done_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halab.conditions.destructive.observe", lambda condition, lab: SimpleNamespace(ok=True))
    forged, real = lab(""), lab(history(completed=datetime.now(UTC).strftime("%F %TZ")))
    for each in (forged, real):
        tell_the_bmc_later(each)

    seen = [fences(each.nodes[1]).look(each) for each in (forged, real)]

    assert [one.ok for one in seen] == [False, True]
    assert "its fencer knows nothing of it" in seen[0].seen


@pytest.mark.parametrize("teller", [PEER, "192.168.2.11"])
def test_a_fencing_that_hits_the_peer_who_asked_is_a_fault_of_the_work(
    monkeypatch: pytest.MonkeyPatch, teller: str
) -> None:
    """It does not matter whose fencer did it: the device names the BMC of another node."""
    monkeypatch.setattr("halab.conditions.destructive.observe", lambda condition, lab: SimpleNamespace(ok=True))
    told: list[dict[str, object]] = []

    def lose_power(*argv: str, timeout: float = 60) -> CommandResult:
        told.append({"time": DONE, "action": "off", "from": teller})
        raise LabError("node1 is not reachable")

    seen = lab("")
    seen.nodes[0].ask = lose_power
    seen.power_events = lambda node: told if node.name == "node1" else []

    found = fences(seen.nodes[1]).look(seen)

    assert (found.ok, found.known) == (False, True)
    assert "node1 had its own power cut" in found.seen


def tell_the_bmc_later(seen: Any) -> None:
    """Let the BMC be told only when stonith_admin runs."""
    asked: list[int] = []
    now = datetime.now(UTC).timestamp()

    def events(node: Any) -> list[dict[str, object]]:
        asked.append(1)
        told = [{"time": now, "action": "off", "from": PEER}] if node.name == "node2" else []
        return told if len(asked) > len(seen.nodes) else []

    seen.power_events = events
