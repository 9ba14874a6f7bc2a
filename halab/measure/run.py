"""Injecting a fault, watching the service through the VIP until all is well again, and healing."""

import hashlib
import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from halab.faults import Fault, registry
from halab.instance import crm
from halab.instance.cluster import ClusterStatus
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience, Event, Said
from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.typed import shown
from halab.kit.wait import TimedOut, wait
from halab.kit.xml import parse_xml
from halab.measure import events, outages
from halab.measure.probing import Probing
from halab.measure.report import Measurement, Run
from halab.measure.whole import failed, lacking, lost
from halab.measure.writes import kept as kept_of

STEADY = 1.0  # seconds of answers before a fault, and after an outage, without which nothing can be said
WRITTEN = 15.0  # seconds of writing before a fault, where a counter is written
WATCHED = 20.0  # seconds that a fault is given to cause an outage, and an outage to end, before the cluster is asked
SETTLING = 60.0  # seconds that lost nodes are given to come back once the service has
CONTENT = 60.0  # seconds that a cluster which finds nothing wrong is given, more than any monitor needs to notice
LIMIT = 120.0  # seconds after which an outage is called endless, whatever the cluster does
CLEANED_UP = "last-lrm-refresh"  # where Pacemaker notes, among the cluster's options, when resources were cleaned up
MOST_RUNS = 100
WHOLE = 120.0  # seconds that a healed cluster is given to be whole


@dataclass(frozen=True)
class RunBegins(Event):
    """A fault is about to be injected, for this run of so many. `members` and `places` are as in a Run."""

    kind = "run_begins"
    fault: dict[str, str]
    number: int
    of: int
    injected: float
    members: dict[str, bool]
    places: dict[str, tuple[str, ...]]


def refuse(repeat: int, writes: str, below: float | None = None) -> None:
    """Raise LabError when this cannot be measured, whatever the cluster is like."""
    if not 1 <= repeat <= MOST_RUNS:
        raise LabError(f"--repeat must be a whole number from 1 to {MOST_RUNS}, not {repeat}")
    if below is not None and not 0 < below <= LIMIT:
        raise LabError(f"--below must be a number of seconds, at most {LIMIT:g}, not {below:g}")
    if below is not None and repeat == 1:
        raise LabError("--below ends a series of runs early; say with --repeat how many there are at most")
    if writes and not re.fullmatch(r"/([\w.-]+/)*", writes, re.ASCII):
        raise LabError(f"--writes must be the path of a folder, such as /counter/, not {shown(writes)}")


def measure(
    instance: Instance,
    name: str,
    node: str,
    options: dict[str, str],
    repeat: int = 1,
    writes: str = "",
    audience: Audience = NOBODY,
    below: float | None = None,
) -> Measurement:
    """Inject a fault, watch, and heal it, `repeat` times; ends with the cluster whole again. Needs the lock.

    `below` is in seconds: after a run whose outages ended and took less together, there is no further one.

    `writes` is the path of a folder that takes PUT: there a counter is written, from some time before the fault on.

    When this is killed, or raises LabError, the fault is still remembered, and `inv heal` heals it.
    """
    refuse(repeat, writes, below)
    registry.refuse(name, node, options, [spec.name for spec in instance.spec.nodes])
    if left := [fault for fault in instance.state.faults[::-1] if fault.measured]:
        audience.tell(Said(f"The measurement of {left[-1].words} was interrupted; healing it."))
        for fault in left:
            registry.heal_one(instance, fault)
    if broken := instance.state.faults:
        causes = " and ".join(fault.words for fault in broken)
        raise LabError(f"the cluster is broken on purpose, by {causes}; try: inv heal")
    before = _whole(instance, "before the fault")

    def one(number: int) -> Run:
        run = _run(instance, name, node, options, writes, audience, (number, repeat))
        _whole(instance, f"after {name} was healed", before)
        audience.tell(Said(f"Run {number} of {repeat}: {summary(run)}."))
        return run

    runs = tuple(until_below(map(one, range(1, repeat + 1)), below))
    return Measurement(
        fault=name,
        at=datetime.now().astimezone(),
        fencing=before.fencing,
        configuration=configuration(instance),
        runs=runs,
    )


def until_below(runs: Iterable[Run], below: float | None) -> Iterator[Run]:
    """Yield runs, up to the first one that is below so many seconds, if there is one."""
    for run in runs:
        yield run
        if below is not None and run.below(below):
            return


def once(instance: Instance, name: str, node: str, limit: float, audience: Audience = NOBODY) -> Measurement:
    """Measure one fault on a cluster that is taken as it is, and heal it, after `limit` seconds without the service at
    the latest. Needs the lock.

    Raises LabError when the service does not answer to begin with, or the probe ends.
    """
    fencing = crm.status(instance).fencing
    run = _run(instance, name, node, {}, "", audience, (1, 1), limit)
    return Measurement(fault=name, at=datetime.now().astimezone(), fencing=fencing, configuration="", runs=(run,))


def summary(run: Run) -> str:
    told = "no outage"
    if run.outages:
        times = " and ".join(f"{outage.span.seconds:.2f} s" for outage in run.outages)
        told = f"outage of {times}" + ("" if run.ended else ", which did not end by itself")
    if run.writes:
        told += f"; {len(run.lost)} of {len(run.acknowledged)} acknowledged writes lost"
        told += f", of {run.recovery_point:.1f} s" if run.lost else ""
    return told


def configuration(instance: Instance) -> str:
    """Return a digest of what is configured in the cluster. Clusters with the same settings have the same one."""
    cib = crm.ask(instance, "cibadmin", "--query", "--scope=configuration")
    return digest(cib, crm.ask(instance, "cat", "/etc/corosync/corosync.conf"))


def digest(cib: str, corosync: str) -> str:
    """Return the digest of a CIB (XML) and a corosync.conf: of how a cluster is built, not of what became of it."""
    tree = parse_xml(cib)
    for section in tree.iter("nodes"):  # standby and the like
        section.clear()
    elements = [element for element in tree.iter() if element.get("name") != CLEANED_UP]
    shape = [(element.tag, *sorted(element.items())) for element in elements]
    return hashlib.sha256(f"{shape}{corosync}".encode()).hexdigest()[:16]


def _run(
    instance: Instance,
    name: str,
    node: str,
    options: dict[str, str],
    writes: str,
    audience: Audience,
    turn: tuple[int, int],
    limit: float = LIMIT,
) -> Run:
    """Inject once. `turn` is the number of the run, and of how many."""
    before = crm.status(instance)
    members = {member: member in before.online for member in before.nodes}
    places = {one.id: one.nodes for one in before.resources.values() if not one.is_fence_device}
    with Probing(instance, before.own_names, writes, audience) as probe:
        _wait_answering(probe, instance.pace, before)
        if writes:
            _wait_writing(probe, writes, instance.pace)
        begin = time.time()
        audience.tell(RunBegins({"name": name, "node": node}, *turn, begin, members, places))
        with _healed_if_interrupted(instance, name, audience):
            asked = registry.inject(instance, name, node, options, measured=True)
            _watch(instance, probe, begin, before, registry.find(name), limit)
        until = time.time()
        seen, written = probe.since(begin - STEADY), probe.since(0).writes
    with _healed_if_interrupted(instance, name, audience):
        kept = kept_of(instance, writes, [write.number for write in written if write.acknowledged])
        told = tuple(events.collect(instance, begin - STEADY, before.own_names))
    registry.heal_one(instance, asked)
    _power_on(instance)
    return Run(
        fault=asked,
        injected=begin,
        until=until,
        outages=tuple(outages.outages(seen.samples, told)),
        split_brain=tuple(outages.split_brain(seen.claims)),
        gaps=tuple(outages.gaps(seen.samples)),
        events=told,
        samples=tuple(seen.samples),
        claims=tuple(seen.claims),
        writes=tuple(written),
        kept=kept,
        members=members,
        places=places,
    )


@contextmanager
def _healed_if_interrupted(instance: Instance, name: str, audience: Audience) -> Iterator[None]:
    """Heal the fault when somebody ends the measurement with Ctrl-C: to type it again is all that is left to do."""
    try:
        yield
    except KeyboardInterrupt:
        left = [fault for fault in instance.state.faults if fault.measured]  # none, if it was not injected yet
        _, unhealed = registry.try_to_heal(instance, left)
        if not unhealed:
            _power_on(instance)
        healed = f"Healed {left[0].words if left else name}, as its measurement was interrupted."
        audience.tell(Said(f"{unhealed[0]}; try: inv heal" if unhealed else healed))
        raise


def _power_on(instance: Instance) -> None:
    """Power on what is off: each node may have been fenced by the other, which then had no power."""
    if "off" in instance.provider.power_states().values():
        instance.up()


def _wait_answering(probe: Probing, pace: Pace, before: ClusterStatus) -> None:
    try:
        wait(
            lambda: probe.since(0).answered_for(),
            lambda good: good >= STEADY,
            within=STEADY * 10 * pace.factor,
            successes=1,
            interval=0.1,
        )
    except TimedOut:
        idle = [f"{item.id} runs nowhere" for item in before.resources.values() if not item.nodes]
        told = "; ".join(["the service does not answer through the VIP, so no outage can be measured", *idle])
        raise LabError(f"the cluster is not whole before the fault: {told}") from None


def _wait_writing(probe: Probing, folder: str, pace: Pace) -> None:
    """Wait until the counter was written for long enough to tell how far behind a copy of it is."""
    time.sleep(WRITTEN)
    lately = [write for write in probe.since(time.time() - STEADY * pace.slowness).writes if write.acknowledged]
    if not lately:
        raise LabError(f"the service takes no PUT at {folder} through the VIP, so no lost writes can be measured")


def _watch(
    instance: Instance, probe: Probing, injected: float, before: ClusterStatus, fault: Fault, limit: float
) -> None:
    """Watch until an outage is over and the cluster has settled, or none came for long enough, or it is endless."""
    slowness = instance.pace.slowness
    answering_since = content_since = math.inf
    while (now := time.time()) - injected < LIMIT * slowness:
        time.sleep(0.25)
        seen = probe.since(injected)
        answers = seen.answered_for() >= STEADY
        answering_since = min(answering_since, now) if answers else math.inf
        was_lost = any(sample.named is None for sample in seen.samples)
        if not (answers and was_lost) and now - injected < WATCHED * slowness:
            continue
        settled = not unsettled(instance, before.fencing, fault, before)
        content_since = min(content_since, now) if settled and not answers else math.inf
        if answers and (settled or now - answering_since > SETTLING * slowness):
            return
        if now - content_since > CONTENT * slowness or (not answers and now - injected > limit * slowness):
            return


def unsettled(instance: Instance, fencing: bool, fault: Fault, before: ClusterStatus | None = None) -> str:
    """Return what a cluster with a fault still waits for. A node without power comes back by itself only if it was
    fenced.

    Resources that ran `before` the fault have to run again. Fence devices are left out: one that must not run on the
    only node left is no obstacle to the service. Nothing is waited for when no node has power: each was fenced by the
    other, and nobody is left to switch one on.
    """
    states = instance.provider.power_states()
    if "on" not in states.values():
        return ""
    expected = {name for name, state in states.items() if fencing or state == "on"} if not fault.keeps_out else set()
    return lacking(instance, expected, lambda now: lost(before, now, whole=False) if before else [])


def _whole(instance: Instance, when: str, before: ClusterStatus | None = None) -> ClusterStatus:
    """Wait until the cluster's nodes are online, nothing is under way and nothing has failed, and return its status.

    Where it is known how the cluster was before, resources have to run as they did then.
    """
    everyone = {node.name for node in instance.spec.nodes}
    try:
        wait(
            lambda: lacking(instance, everyone, lambda now: lost(before, now, whole=True) if before else failed(now)),
            lambda lacking: lacking == "",
            within=WHOLE * instance.pace.factor,
        )
    except TimedOut as error:
        raise LabError(f"the cluster is not whole {when}: {error.last}") from None
    return crm.status(instance)
