"""What a grader says of a cluster that it breaks, on a made-up lab."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from halab.conditions import destructive
from halab.conditions.checks import Condition, Observation
from halab.conditions.destructive import survives
from halab.instance.state import InjectedFault
from halab.kit.pace import Pace
from halab.measure.outages import Outage, Phases, Span
from halab.measure.report import Measurement, Run
from halab.walk.lab import Lab

NODE = SimpleNamespace(name="node1")


def shown(ok: bool, seen: str) -> Callable[..., Condition]:
    return lambda *_: Condition("", lambda lab: Observation(ok, seen))


def seen_after_one_outage(outages: int | None) -> Observation:
    """Return what `survives` sees when the service was lost once, for two seconds."""
    run = Run(
        fault=InjectedFault(name="power-cut", node=NODE.name),
        injected=0,
        until=10,
        outages=(Outage(Span(0, 2), True, Phases(None, None, 2)),),
        split_brain=(),
        gaps=(),
        events=(),
        samples=(),
        claims=(),
        members={},
        places={},
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    told = Measurement(fault="power-cut", at=now, fencing=True, configuration="", runs=(run,))
    lab: Any = SimpleNamespace(
        pace=Pace(),
        active=lambda: NODE,
        others=lambda node: [],
        status=lambda: SimpleNamespace(fencing=True),
        outage=lambda fault, node, limit: told,
    )
    return survives("power-cut", resource="virtual_ip", within=5, outages=outages).look(cast(Lab, lab))


def test_where_outages_count_the_lost_node_has_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destructive, "served_by_owner", shown(True, "served"))
    monkeypatch.setattr(destructive, "fenced", lambda lab, node, since: ["by a peer"])
    monkeypatch.setattr(destructive, "online", shown(False, "not: node1"))
    lost = seen_after_one_outage(1)
    any_number = seen_after_one_outage(None)
    monkeypatch.setattr(destructive, "online", shown(True, "online: node1"))
    back = seen_after_one_outage(1)
    too_many = seen_after_one_outage(0)

    assert (lost.ok, any_number.ok, back.ok, too_many.ok) == (False, True, True, False)
    assert lost.seen.endswith("then node1 did not come back: not: node1")


def test_a_node_that_lost_its_power_must_have_been_fenced_by_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destructive, "served_by_owner", shown(True, "served"))
    monkeypatch.setattr(destructive, "fenced", lambda lab, node, since: [])

    taken_by_hand = seen_after_one_outage(None)

    assert not taken_by_hand.ok
    assert taken_by_hand.seen.endswith("but no Pacemaker of a peer had node1 fenced")
