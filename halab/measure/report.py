"""What is kept of a measurement: plain data, written as JSON. Tables and pictures are made from it."""

from statistics import median

from pydantic import AwareDatetime, BaseModel, ConfigDict

from halab.instance.state import InjectedFault
from halab.measure.events import Event
from halab.measure.outages import Claim, Outage, Sample, Span
from halab.measure.writes import Write


class Run(BaseModel):
    """One injection. It began at `injected` and was watched until `until`; times are seconds since the epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: InjectedFault
    injected: float
    until: float
    outages: tuple[Outage, ...]
    split_brain: tuple[Span, ...]
    gaps: tuple[Span, ...]  # when the probe itself was held up
    events: tuple[Event, ...]
    samples: tuple[Sample, ...]
    claims: tuple[Claim, ...]
    writes: tuple[Write, ...] = ()  # the writes of the counter, if they were asked for, in order
    kept: tuple[int, ...] = ()  # the numbers that the service had at the end, before the fault was healed
    members: dict[str, bool]  # by node: whether it was online before the fault
    places: dict[str, tuple[str, ...]]  # by resource, without fence devices: where it was before the fault

    @property
    def seconds(self) -> float:
        """The sum of all outages of the run, in seconds."""
        return sum(outage.span.seconds for outage in self.outages)

    @property
    def ended(self) -> bool:
        return all(outage.ended for outage in self.outages)

    def below(self, seconds: float) -> bool:
        """Tell whether all outages ended, and took less than that together."""
        return self.ended and self.seconds < seconds

    @property
    def acknowledged(self) -> tuple[int, ...]:
        return tuple(write.number for write in self.writes if write.acknowledged)

    @property
    def lost(self) -> tuple[int, ...]:
        """The numbers that were acknowledged, and that the service does not have at the end."""
        kept = set(self.kept)
        return tuple(number for number in self.acknowledged if number not in kept)

    @property
    def recovery_point(self) -> float:
        """How far back the service fell, in seconds: from the last write before all lost ones to the last lost one.

        Without a write before them, it is the time from the first lost one to the last.
        """
        lost = set(self.lost)
        times = [write.at for write in self.writes if write.number in lost]
        if not times:
            return 0.0
        sure = [write.at for write in self.writes if write.acknowledged and write.at < min(times)]
        return max(times) - max(sure, default=min(times))


class Measurement(BaseModel):
    """All runs of one fault.

    `configuration` is a digest of the cluster's configuration before the fault. The results hold for that
    configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    at: AwareDatetime
    fencing: bool
    configuration: str
    runs: tuple[Run, ...]

    @property
    def unsafe(self) -> bool:
        """Whether fencing was off. Then nobody made sure that the lost node was down, however short the outage was."""
        return not self.fencing

    @property
    def worst(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def best(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def middle(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def split_brain(self) -> float:
        """The longest time, in seconds, that several nodes had the VIP at once; 0 when they never did."""
        return max((span.seconds for run in self.runs for span in run.split_brain), default=0.0)
