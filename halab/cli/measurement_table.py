"""What the terminal shows of a measurement, in rich's markup, and what programs are told of it."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from halab.measure.outages import Outage
from halab.measure.report import Measurement


def as_data(found: Measurement) -> dict[str, Any]:
    """Return what `inv measure --json` prints. The report has each single request."""
    plain = {"samples", "claims", "writes", "kept"}
    data = found.model_dump(mode="json", exclude={"runs": {"__all__": plain}})
    for one, run in zip(data["runs"], found.runs, strict=True):
        one["writes"] = {"acknowledged": len(run.acknowledged), "lost": len(run.lost)} if run.writes else None
    return {
        **data,
        "outage": {"min": found.best, "median": found.middle, "max": found.worst},
        "split_brain": found.split_brain,
        "unsafe": found.unsafe,
    }


def table(found: Measurement) -> Table:
    """Return a table with a row for each outage. A run may have several, or none."""
    made = Table("Run", "Node", "From", "Outage", "Detect", "Fence", "Recover")
    for number, run in enumerate(found.runs, 1):
        rows = [_outage_row(outage, run.injected) for outage in run.outages]
        for row in rows or [["", "none", "", "", ""]]:
            made.add_row(str(number), run.fault.node or "all", *row)
    return made


def remarks(found: Measurement) -> Iterator[str]:
    """Return what has to be said with the numbers."""
    if len(found.runs) > 1:
        yield f"Outage: min {found.best:.2f} s, median {found.middle:.2f} s, max {found.worst:.2f} s."
    for number, run in enumerate(found.runs, 1):
        if run.writes:
            yield f"Run {number}: {len(run.lost)} of {len(run.acknowledged)} acknowledged writes are lost."
    if found.split_brain:
        yield f"[red]Split-brain[/]: several nodes had the VIP at once, for {found.split_brain:.1f} s."
    if found.unsafe:
        yield "[red]Unsafe[/]: fencing is off, so nobody made sure that the lost node was down."
    if gaps := sum(len(run.gaps) for run in found.runs):
        yield f"The probe itself was held up {gaps} times; nothing is known of those moments."


def _outage_row(outage: Outage, fault: float) -> list[str]:
    """Return when it began (seconds after the fault), how long it was, and its phases."""
    phases = outage.phases
    length = f"{outage.span.seconds:.2f} s" + ("" if outage.ended else ", and no end")
    parts = ["" if part is None else f"{part:.2f} s" for part in (phases.detect, phases.fence, phases.recover)]
    return [f"{outage.span.start - fault:+.2f} s", length, *parts]
