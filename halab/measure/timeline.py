"""The picture of a run: what clients got, who had the VIP, who was a member, who was fenced, where resources were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from halab.measure.outages import Claim
from halab.measure.report import Measurement, Run

NOBODY = "#d9d9d9"
GOOD, BAD, UNKNOWN = "#4c9f5e", "#c8372d", "#f2c14e"
PALETTE = ("#3b6fb6", "#e08a2c", "#7b5aa6", "#2a9d8f", "#8d6346", "#b5527b")  # of nodes, in the order of the lab file
INCHES_PER_LANE = 0.42


@dataclass(frozen=True)
class Bar:
    """A piece of a lane, in seconds since the fault."""

    start: float
    end: float
    colour: str


@dataclass(frozen=True)
class Lane:
    title: str
    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, str], ...] = ()  # seconds since the fault, and a word


def lanes(run: Run) -> list[Lane]:
    """Return the lanes of the picture, from top to bottom."""
    colours = dict(zip(run.members, PALETTE * len(run.members), strict=False))
    start, end = run.samples[0].at, run.until
    drawn = [
        Lane("service", tuple(_answers(run))),
        *(_owner(run, node, colours[node]) for node in run.members),
        *(_membership(run, node, colours[node]) for node in run.members),
        *(_fencing(run, node, colours[node]) for node in run.members),
        *(_resource(run, resource, colours) for resource in run.places),
    ]
    return [_since_fault(lane, run.injected, start, end) for lane in drawn]


def draw(measurement: Measurement, run: Run, files: Sequence[Path]) -> None:
    """Write the picture to each file, in the format of its suffix: .svg or .png."""
    import matplotlib as mpl
    from matplotlib.figure import Figure  # used without pyplot, it needs no display and keeps no state

    shown = lanes(run)
    with mpl.rc_context({"svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 1.3 + INCHES_PER_LANE * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for row, lane in enumerate(shown):
            for bar in lane.bars:
                axes.broken_barh([(bar.start, bar.end - bar.start)], (row - 0.36, 0.72), facecolors=bar.colour)
            for at, word in lane.marks:
                axes.plot([at, at], [row - 0.45, row + 0.45], color="black", linewidth=1)
                axes.annotate(word, (at, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
        axes.set_yticks(range(len(shown)), [lane.title for lane in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.axvline(0, color="black", linewidth=1, linestyle="--")
        axes.set_xlabel("seconds since the fault")
        axes.set_title(title(measurement, run), loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        for file in files:
            figure.savefig(file, dpi=110)


def title(measurement: Measurement, run: Run) -> str:
    lost = " + ".join(f"{outage.span.seconds:.2f} s" for outage in run.outages) or "none"
    fencing = "fencing on" if measurement.fencing else "UNSAFE: fencing off"
    return f"{run.fault.words}: outage {lost} ({fencing})"


def _answers(run: Run) -> Iterator[Bar]:
    for one, other in pairwise(run.samples):
        yield Bar(one.at, other.at, GOOD if one.named is not None else BAD)
    for gap in run.gaps:
        yield Bar(gap.start, gap.end, UNKNOWN)


def _owner(run: Run, node: str, colour: str) -> Lane:
    held = [Bar(one.at, other.at, _hold(one, colour)) for one, other in pairwise(run.claims) if node in one.owners]
    return Lane(f"VIP on {node}", tuple(held))


def _hold(claim: Claim, colour: str) -> str:
    return colour if len(claim.owners) == 1 else BAD


def _membership(run: Run, node: str, colour: str) -> Lane:
    """Return the lane of a node's membership, as Corosync reports it by node id.

    `pcs cluster setup` numbers the nodes from 1, in the order of the lab file.
    """
    number = list(run.members).index(node) + 1
    turns = [(run.samples[0].at, run.members[node])]
    for event in run.events:
        if event.kind in ("lost", "joined") and event.teller != node:
            left, joined = _numbers(event.text, "left"), _numbers(event.text, "joined")
            if number in left or number in joined:
                turns.append((event.at, number in joined))
    return Lane(f"{node} a member", tuple(_spans(turns, run.until, colour)))


def _numbers(text: str, after: str) -> list[int]:
    """Return the node ids that follow one of the words in `Members joined: 1 2 left: 3`."""
    words = text.partition(f"{after}: ")[2].split()
    numbers = []
    for word in words:
        if not word.isdigit():
            break
        numbers.append(int(word))
    return numbers


def _fencing(run: Run, node: str, colour: str) -> Lane:
    bars: list[Bar] = []
    asked: float | None = None
    for event in (event for event in run.events if event.node == node):
        if event.kind == "fencing" and asked is None:
            asked = event.at
        elif event.kind in ("fenced", "unfenced") and asked is not None:
            bars.append(Bar(asked, event.at, colour if event.kind == "fenced" else BAD))
            asked = None
    if asked is not None:
        bars.append(Bar(asked, run.until, NOBODY))
    power = [(event.at, event.text.partition(",")[0]) for event in run.events if event.kind == "power"]
    mine = {event.at for event in run.events if event.node == node}
    return Lane(f"fencing {node}", tuple(bars), tuple(mark for mark in power if mark[0] in mine))


def _resource(run: Run, resource: str, colours: dict[str, str]) -> Lane:
    bars: list[Bar] = []
    place = run.places[resource][0] if run.places[resource] else ""
    since = run.samples[0].at
    for event in run.events:
        turns = event.resource == resource and event.kind in ("started", "stopped")
        if turns or (event.kind == "fenced" and event.node == place):
            bars.append(Bar(since, event.at, colours.get(place, NOBODY)))
            place, since = (event.node if event.kind == "started" else ""), event.at
    bars.append(Bar(since, run.until, colours.get(place, NOBODY)))
    failed = [(event.at, "failed") for event in run.events if event.resource == resource and event.kind == "failed"]
    return Lane(resource, tuple(bars), tuple(failed))


def _spans(turns: Sequence[tuple[float, bool]], until: float, colour: str) -> Iterator[Bar]:
    for (start, member), (end, _) in pairwise([*turns, (until, False)]):
        if member:
            yield Bar(start, end, colour)


def _since_fault(lane: Lane, fault: float, start: float, end: float) -> Lane:
    """Return the lane in seconds since the fault, cut to start and end. Neighbouring bars of one colour are joined."""
    joined: list[Bar] = []
    for bar in lane.bars:
        begin, stop = max(bar.start, start) - fault, min(bar.end, end) - fault
        if begin >= stop:
            continue
        last = joined[-1] if joined else None
        if last and last.colour == bar.colour and begin - last.end < 1e-6:
            joined[-1] = Bar(last.start, stop, bar.colour)
        else:
            joined.append(Bar(begin, stop, bar.colour))
    marks = [(at - fault, word) for at, word in lane.marks if start <= at <= end]
    return Lane(lane.title, tuple(joined), tuple(marks))
