"""Outages, computed from what the probe saw: pure functions over samples and events.

All times are seconds since the epoch, on the host's clock.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from halab.measure.events import Event
from halab.measure.probe import ARP_INTERVAL, INTERVAL
from halab.measure.writes import Write

LATE = 2 * INTERVAL  # seconds between two requests, above which the probe itself was held up
BEFORE = 1.0  # seconds before the first lost request in which its cause is looked for


@dataclass(frozen=True)
class Sample:
    """One GET. `named` are the nodes that the page names, or None when no page came in time."""

    at: float
    took: float
    named: tuple[str, ...] | None


@dataclass(frozen=True)
class Claim:
    """Who answered for the VIP at one moment: names of nodes, and MAC addresses that belong to no node."""

    at: float
    owners: tuple[str, ...]


@dataclass
class Seen:
    """All that a probe has seen so far. Another thread may be adding to it."""

    samples: list[Sample] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def read(self, lines: Iterable[str], names: Mapping[str, str]) -> None:
        """Add the probe's lines, until it ends. `names` maps MAC addresses, and names in pages, to nodes."""
        for line in lines:
            match json.loads(line):
                case ["http", at, took, None]:
                    self.samples.append(Sample(at, took, None))
                case ["http", at, took, found]:
                    self.samples.append(Sample(at, took, tuple(sorted({names[name] for name in found}))))
                case ["arp", at, macs]:
                    self.claims.append(Claim(at, tuple(sorted(names.get(mac, mac) for mac in macs))))
                case ["put", at, number, acknowledged]:
                    self.writes.append(Write(at, number, acknowledged))

    def since(self, at: float) -> "Seen":
        """Return what was seen from then on, in the order of the requests. The probe reports a lost request late."""
        samples = sorted((sample for sample in self.samples if sample.at >= at), key=lambda sample: sample.at)
        writes = sorted((write for write in self.writes if write.at >= at), key=lambda write: write.number)
        return Seen(samples, [claim for claim in self.claims if claim.at >= at], writes)

    def answered_for(self) -> float:
        """Return for how many seconds before the last reported request no request was lost."""
        last_lost = max((sample.at for sample in self.samples if sample.named is None), default=0.0)
        good = [sample.at for sample in self.samples if sample.at > last_lost]
        return max(good) - min(good) if good else 0.0


@dataclass(frozen=True)
class Span:
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Phases:
    """The three parts of an outage, in seconds. A part that did not occur is None; the others add up to the outage.

    detect: until the cluster noticed; fence: until the lost node was confirmed down; recover: until the next answer.
    """

    detect: float | None
    fence: float | None
    recover: float


@dataclass(frozen=True)
class Outage:
    """The time from a lost request to the next one that was answered.

    `ended` is false when no request was answered until the watch was over.
    """

    span: Span
    ended: bool
    phases: Phases


def outages(samples: Sequence[Sample], events: Sequence[Event]) -> list[Outage]:
    found = []
    start: float | None = None
    for sample in samples:
        if sample.named is None and start is None:
            start = sample.at
        elif sample.named is not None and start is not None:
            found.append(_outage(Span(start, sample.at), True, events))
            start = None
    if start is not None:
        found.append(_outage(Span(start, samples[-1].at), False, events))
    return found


def gaps(samples: Sequence[Sample]) -> list[Span]:
    """Return when the probe itself was held up, so that nothing is known. A gap alone is not called an outage."""
    return [Span(one.at, other.at) for one, other in pairwise(samples) if other.at - one.at > LATE]


def split_brain(claims: Sequence[Claim]) -> list[Span]:
    """Return when several nodes had the VIP at once. Only two claims in a row count: a move may show both in one."""
    spans, run = [], list[Claim]()
    for claim in [*claims, Claim(float("inf"), ())]:
        if len(claim.owners) > 1:
            run.append(claim)
            continue
        if len(run) > 1:
            spans.append(Span(run[0].at, run[-1].at + ARP_INTERVAL))
        run = []
    return spans


def _outage(span: Span, ended: bool, events: Sequence[Event]) -> Outage:
    within = [event for event in events if span.start - BEFORE <= event.at <= span.end]
    noticed = next((max(event.at, span.start) for event in within if event.kind in ("lost", "failed")), None)
    begun = span.start if noticed is None else noticed
    down = next((event.at for event in within if event.kind == "fenced" and event.at >= begun), None)
    return Outage(
        span,
        ended,
        Phases(
            detect=None if noticed is None else noticed - span.start,
            fence=None if down is None else down - begun,
            recover=span.end - (begun if down is None else down),
        ),
    )
