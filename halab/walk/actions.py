"""What `inv` does to an instance of a lab.

Each function takes the instance's lock, tells the audience what happens, and raises HalabError when it ends badly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halab.conditions.checks import Outcome
from halab.faults import registry
from halab.faults.registry import Healed, Injected
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.instance.state import locked, read_state
from halab.kit.audience import Audience, Said, progress, saying
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.kit.toml import suggestion
from halab.kit.typed import shown
from halab.measure import records, run
from halab.measure.records import Measured
from halab.spec.models import NodeSpec
from halab.walk import bringup, checkpoints, preparation, travel
from halab.walk.parcels import About
from halab.walk.walk import KEPT, StepReport, Walk, WalkEnds

POWER = ("status", "on", "off", "cycle", "reset", "soft")  # what ipmitool can ask of a BMC


def up(instance: Instance, audience: Audience) -> None:
    """Make the instance, or complete it."""
    instance.provider.prepare(saying(audience))
    with instance.lock(), progress(audience, f"Bringing up {instance.name}"):
        bringup.up(instance, audience)
    names = ", ".join(node.name for node in instance.spec.nodes)
    audience.tell(Said(f"Instance {instance.name} is up: {names} on {instance.state.distro}."))


def remove_rest(instance: Instance, audience: Audience) -> None:
    """Remove what a killed `down` has left."""
    with instance.lock(), progress(audience, f"Removing what is left of {instance.name}"):
        instance.down()


def down(instance: Instance, audience: Audience) -> None:
    """Remove the instance. Its state may be spoilt."""
    audience.tell(Said(f"Removing instance {instance.name}, of lab {instance.state.lab}."))
    with locked(instance.directory), progress(audience, f"Removing {instance.name}"):
        instance.down()
    audience.tell(Said(f"Instance {instance.name} is removed."))


def walk(instance: Instance, audience: Audience, to: str | None) -> None:
    """Perform and verify every step left, up to and with `to`."""
    with _walking(instance, audience, to) as walk:
        if not walk.left(to):
            raise NothingChecked("every step is passed already; go back to one with: inv reset --to STEP")
        while left := walk.left(to):  # going back to do one step afresh may take the results of others along
            _judge(walk.perform(left[0]))


def next_step(instance: Instance, audience: Audience) -> None:
    """Perform and verify the first step that is not passed."""
    with _walking(instance, audience) as walk:
        _judge(walk.perform(walk.current()))


def step(instance: Instance, audience: Audience, name: str) -> None:
    """Perform and verify one step, from the checkpoint before it if it was passed before."""
    with _walking(instance, audience, name) as walk:
        _judge(walk.perform(walk.step(name)))


def check(instance: Instance, audience: Audience, name: str | None) -> None:
    """Verify what the learner did by hand, and perform nothing."""
    with _walking(instance, audience, name) as walk:
        _judge(walk.verify(walk.step(name) if name else walk.current()))


def hint(instance: Instance, audience: Audience) -> None:
    """Verify, and give one more hint for the first check that does not pass."""
    with _walking(instance, audience) as walk:
        audience.tell(Said(walk.hint(walk.current())))


def save(instance: Instance, audience: Audience, name: str) -> None:
    """Save the whole cluster as a checkpoint of the learner's own."""
    reserved = [checkpoints.START, checkpoints.GRADING, *(step.name for step in instance.folder.steps)]
    if name in reserved:
        raise LabError(f"{shown(name)} cannot name a checkpoint of your own: {', '.join(reserved)} are halab's")
    checkpoints.refuse_name(name)
    with instance.lock():
        bringup.settle(instance, audience)
        with progress(audience, f"Saving {name}"):
            checkpoints.save(instance, name)
    audience.tell(Said(f"Checkpoint {name} is saved; go back to it with: inv reset --to {name}"))


def export_checkpoint(instance: Instance, audience: Audience, file: Path, name: str | None) -> None:
    """Write a checkpoint, by default where the learner is, to a file that another machine can make an instance of."""
    with instance.lock(), progress(audience, f"Writing {file}"):
        name = name or travel.default(instance)
        travel.export(instance, name, file)
        is_less = by_hand.may_have_worked(instance, checkpoints.find(instance, name).at)
    megabytes = file.stat().st_size / 1e6
    audience.tell(Said(f"Checkpoint {name} of {instance.name} is in {file}, {megabytes:.1f} MB."))
    if is_less:
        lost = "What was done on the nodes since then is not in it"
        audience.tell(Said(f"{lost}; for that, save it first: inv save {KEPT} export-checkpoint {file} --name {KEPT}"))


def import_checkpoint(instance: Instance, audience: Audience, file: Path, what: About) -> None:
    """Make an instance, of which there is nothing yet, of a file that `export_checkpoint` wrote, bring it up, and
    verify it."""
    travel.refuse_other_nodes(instance, what, file)
    instance.provider.prepare(saying(audience))
    if problems := instance.provider.problems():
        raise LabError("; ".join(problems))
    with instance.lock():
        if read_state(instance.directory):
            raise LabError(f"instance {instance.name} is there already; try: inv down, or another one with --instance")
        with progress(audience, f"Making {instance.name} of {file}"):
            travel.adopt(instance, what, file)
            instance.up()
            checkpoints.restore(instance, what.checkpoint)
        names = ", ".join(node.name for node in instance.spec.nodes)
        audience.tell(Said(f"Instance {instance.name} is up at {what.checkpoint}: {names} on {instance.state.distro}."))
        _verify_after_restore(instance, audience)


def reset(instance: Instance, audience: Audience, to: str | None) -> None:
    """Go back to a checkpoint, by default that of the last step that is passed, and verify it."""
    with instance.lock():
        name = to or (instance.last_passed.name if instance.last_passed else checkpoints.START)
        checkpoints.find(instance, name)
        if name != checkpoints.GRADING and checkpoints.GRADING in checkpoints.names(instance):
            audience.tell(Said(f"A grading was interrupted; the work that it had to put back is given up for {name}."))
        audience.tell(Said(f"Instance {instance.name}, of lab {instance.state.lab}, goes back to {name}."))
        with progress(audience, f"Going back to {name}"):
            if name == checkpoints.GRADING:
                bringup.put_back(instance)
            else:
                checkpoints.restore(instance, name)
        audience.tell(Said(f"Every node is back at {name}."))
        _verify_after_restore(instance, audience)


def fault(instance: Instance, audience: Audience, name: str, node: str, options: dict[str, str]) -> None:
    """Inject a fault, which stays until it is healed."""
    registry.refuse(name, node, options, [spec.name for spec in instance.spec.nodes])
    with instance.lock():
        bringup.settle(instance, audience)
        injected = registry.inject(instance, name, node, options)
    audience.tell(Injected(injected))


def heal(instance: Instance, audience: Audience, name: str | None) -> None:
    """Heal one kind of fault, or all of them."""
    with instance.lock():
        bringup.settle(instance, audience)
        with progress(audience, "Healing"):
            healed = registry.heal(instance, name)
    audience.tell(Healed(tuple(healed)))


def measure(
    instance: Instance,
    audience: Audience,
    name: str,
    node: str,
    options: dict[str, str],
    repeat: int,
    writes: str,
    below: float | None = None,
) -> None:
    """Measure the outage that a fault causes, keep report and pictures, and verify that all is as it was."""
    run.refuse(repeat, writes, below)
    registry.refuse(name, node, options, [spec.name for spec in instance.spec.nodes])
    with instance.lock():
        bringup.settle(instance, audience)
        with progress(audience, f"Measuring {name}"):
            measurement = run.measure(instance, name, node, options, repeat, writes, audience, below)
            directory = records.keep(instance, measurement, audience)
        audience.tell(Measured(measurement, directory))
        _verify_where_it_is(instance, audience)


def refuse_power(action: str) -> None:
    """Raise LabError for what a BMC cannot do with its node's power."""
    if action not in POWER:
        raise LabError(f"a BMC cannot do {shown(action)}, {suggestion(action, POWER)}")


def bmc(instance: Instance, audience: Audience, node: NodeSpec, action: str) -> None:
    """Let ipmitool on the workstation tell a node's BMC what to do with its power. Needs no lock."""
    refuse_power(action)
    ipmitool = instance.spec.credentials.ipmitool(node.bmc)
    result = Workstation(instance.provider, print).run(*ipmitool, "power", action)
    if not result.ok:
        raise LabError(f"the BMC of {node.name} refused, or does not run: {result.cause()}; try: inv status")
    audience.tell(Said(result.stdout.strip()))


@contextmanager
def _walking(instance: Instance, audience: Audience, step: str | None = None) -> Iterator[Walk]:
    """Hold the instance's lock, and yield a walk of it. Raises LabError first when it has no such step."""
    if instance.folder.paper:
        raise LabError(f"{instance.folder.name} is an exam: it has tasks, and no steps; see inv show, inv grade")
    if step:
        instance.folder.step(step)
    with instance.lock():
        try:
            yield Walk(instance, audience)
        finally:
            audience.tell(WalkEnds())


def _verify_after_restore(instance: Instance, audience: Audience) -> None:
    try:
        _verify_where_it_is(instance, audience)
    finally:
        audience.tell(WalkEnds())


def _verify_where_it_is(instance: Instance, audience: Audience) -> None:
    """Verify what must hold after the last step that is passed, or where the lab begins."""
    if instance.last_passed:
        _judge(Walk(instance, audience).verify(instance.last_passed))
    else:
        preparation.assure(instance)


def _judge(report: StepReport) -> None:
    """Raise an error for a step that is not passed. It names the step's log."""
    if report.outcome == Outcome.PASSED:
        return
    if report.outcome == Outcome.FAILED:
        raise CheckFailed(f"step {report.step} is not passed; everything it printed is in {report.log}")
    if report.reason:
        raise LabError(f"step {report.step} could not be finished: {report.reason}; see {report.log}")
    raise NothingChecked(f"step {report.step} could not be checked; see {report.log}")
