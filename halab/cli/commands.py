"""What each Invoke task does: the commands of halab, whose words and exit codes are the same for people and --json."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from halab.cli import shell
from halab.cli.report import Report
from halab.cli.selection import current, instance_to_make, instance_to_remove, obstacle, select
from halab.cli.status import look
from halab.conditions.checks import Outcome
from halab.exams import hints
from halab.exams.draw import paper_of
from halab.faults import registry
from halab.instance.instance import Instance, instances_dir
from halab.instance.nodes import Workstation
from halab.instance.state import locked, read_state
from halab.kit import pty
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.kit.paths import short
from halab.kit.recording import Recording
from halab.kit.toml import suggestion
from halab.measure import records, run
from halab.providers import host, rights
from halab.spec import labs
from halab.spec.lab_code import apart
from halab.spec.models import NodeSpec
from halab.walk import bringup, checkpoints, preparation, show
from halab.walk.walk import StepReport, Walk


def lab(
    name: str | None,
    instance: str | None,
    provider: str | None,
    distro: str | None,
    nodes: int | None,
    disk_only: bool | None,
    json: bool,
) -> None:
    Report(json).selection(select(name, instance, provider, distro, nodes, disk_only))


def up() -> None:
    """Make the selected instance, or complete it."""
    report = Report()
    host.ensure(host.TOOLS, report.say)
    instance = instance_to_make(current())
    instance.provider.prepare(report.say)
    if instance.state.removing:
        with instance.lock(), report.progress(f"Removing what is left of {instance.name}"):
            instance.down()
        instance = instance_to_make(current())
    with instance.lock(), report.progress(f"Bringing up {instance.name}"):
        bringup.up(instance, report.say)
    names = ", ".join(node.name for node in instance.spec.nodes)
    report.say(f"Instance {instance.name} is up: {names} on {instance.state.distro}.")


def down() -> None:
    """Remove the selected instance."""
    report = Report()
    instance = instance_to_remove(current())
    if instance is None:
        report.say(f"Instance {current().instance_name} is not there: nothing to remove.")
        return
    with locked(instance.directory), report.progress(f"Removing {instance.name}"):  # its state may be spoilt
        instance.down()
    report.say(f"Instance {instance.name} is removed.")


def status(json: bool) -> None:
    Report(json).status(look(_current()))


def walk(to: str | None, json: bool) -> None:
    """Perform and verify every step left, up to and with `to`."""
    with _walking(json) as (walk, _):
        if not walk.left(to):
            raise NothingChecked("every step is passed already; go back to one with: inv reset --to STEP")
        while left := walk.left(to):  # going back to do one step afresh may take the results of others along
            _judge(walk.perform(left[0]))


def next_step(json: bool) -> None:
    """Perform and verify the first step that is not passed."""
    with _walking(json) as (walk, _):
        _judge(walk.perform(walk.current()))


def step(name: str, json: bool) -> None:
    """Perform and verify one step, from the checkpoint before it if it was passed before."""
    with _walking(json) as (walk, _):
        _judge(walk.perform(walk.step(name)))


def check(name: str | None, json: bool) -> None:
    """Verify only: what the learner did by hand."""
    with _walking(json) as (walk, _):
        _judge(walk.verify(walk.step(name) if name else walk.current()))


def hint() -> None:
    """Verify, and give one hint more for the first check that does not pass."""
    instance, report = _current(), Report()
    if instance.folder.paper:
        with instance.lock():
            bringup.settle(instance, report.say)
            report.say(hints.give(instance))
        return
    with _walking() as (walk, report):
        report.say(walk.hint(walk.current()))


def show_step(name: str | None, json: bool) -> None:
    """Read a step without running it; works whether the instance is up or not."""
    instance = instance_to_make(current())
    if instance.folder.paper:
        Report().task_text(instance)
        return
    left = [step for step in instance.folder.steps if instance.state.outcome(step.name) != Outcome.PASSED]
    step = instance.folder.step(name) if name else (left or instance.folder.steps)[0]
    what = str(short(step.path))
    Report(json).step(step, apart(lambda: show.record(step, instance.spec, instance.state.distro), what))


def save(name: str) -> None:
    instance, report = _current(), Report()
    reserved = [checkpoints.START, checkpoints.GRADING, *(step.name for step in instance.folder.steps)]
    if name in reserved or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise LabError(f'"{name}" cannot name a checkpoint: letters, digits, dashes, and none of {", ".join(reserved)}')
    with instance.lock():
        bringup.settle(instance, report.say)
        with report.progress(f"Saving {name}"):
            checkpoints.save(instance, name)
    report.say(f"Checkpoint {name} is saved; go back to it with: inv reset --to {name}")


def reset(to: str | None, json: bool) -> None:
    """Go back to a checkpoint, by default that of the last step that is passed, and verify it."""
    instance, report = _current(), Report(json)
    with instance.lock():
        name = to or (instance.last_passed.name if instance.last_passed else checkpoints.START)
        checkpoints.find(instance, name)
        if name != checkpoints.GRADING and checkpoints.GRADING in checkpoints.names(instance):
            report.say(f"A grading was interrupted; the work that it had to put back is given up for {name}.")
        with report.progress(f"Going back to {name}"):
            if name == checkpoints.GRADING:
                bringup.put_back(instance)
            else:
                checkpoints.restore(instance, name)
        report.say(f"Every node is back at {name}.")
        try:
            _verify_where_it_is(instance, report)
        finally:
            report.finish()


def list_checkpoints(json: bool) -> None:
    Report(json).checkpoints(checkpoints.everything(_current()))


def fault(name: str, node: str, options: dict[str, str], json: bool) -> None:
    """Inject a fault, which stays until it is healed."""
    instance, report = _current(), Report(json)
    with instance.lock():
        bringup.settle(instance, report.say)
        injected = registry.inject(instance, name, node, options)
    report.faults([injected], f"Injected {{}}: {registry.find(name).does}. To undo it: inv heal")


def heal(name: str | None, json: bool) -> None:
    """Heal one kind of fault, or all of them."""
    instance, report = _current(), Report(json)
    with instance.lock():
        bringup.settle(instance, report.say)
        with report.progress("Healing"):
            healed = registry.heal(instance, name)
    report.faults(healed, "Healed {}.")


def list_faults(json: bool) -> None:
    """The faults there are, and those that are injected now."""
    state = read_state(instances_dir() / current().instance_name)
    Report(json).all_faults(list(registry.FAULTS.values()), state.faults if state else ())


def measure(name: str, node: str, options: dict[str, str], repeat: int, writes: str, json: bool) -> None:
    """Measure the outage that a fault causes, keep report and pictures, and verify that all is as it was."""
    instance, report = _current(), Report(json)
    with instance.lock():
        bringup.settle(instance, report.say)
        with report.progress(f"Measuring {name}"):
            measurement = run.measure(instance, name, node, options, repeat, writes, report.say)
            directory = records.keep(instance, measurement)
        report.measurement(measurement, directory)
        _verify_where_it_is(instance, report)


def ssh(name: str) -> None:
    """A shell on a node, or on the workstation, whose exit status is ours. In an exam it is recorded."""
    instance = _current()
    shell.finish_first(instance)
    settings, terminal = {"TERM": os.environ.get("TERM", "xterm")}, os.isatty(pty.STDIN)
    if name == Workstation.name:
        argv = instance.provider.workstation_argv(["env", "PS1=[root@workstation \\W]# ", "bash", "--norc"])
    else:
        argv = instance.provider.console_argv(
            _node(instance, name).name, ["bash", "--login"], settings, terminal=terminal
        )
    if instance.state.sitting and paper_of(instance.folder).file.recording:
        with Recording(instance.directory, name, *pty.size()) as recording:
            print(f"What appears in this shell is recorded in {recording.path}", file=sys.stderr)
            sys.exit(shell.run(instance, name, argv, recording))
    sys.exit(shell.run(instance, name, argv, None))


def bmc(name: str, action: str) -> None:
    """Power on, off, cycle, reset, soft or status through the node's BMC, with ipmitool on the workstation."""
    instance = _current()
    ipmitool = instance.spec.credentials.ipmitool(_node(instance, name).bmc)
    result = Workstation(instance.provider, print).run(*ipmitool, "power", action)
    if not result.ok:
        raise LabError(f"the BMC of {name} refused, or does not run: {result.last_line()}; try: inv status")
    Report().say(result.stdout.strip())


def list_labs(json: bool) -> None:
    found = [labs.entry(name) for name in labs.names()]
    Report(json).labs([(lab, lab.broken or obstacle(lab.needs)) for lab in found])
    if broken := [lab.name for lab in found if lab.broken]:
        raise LabError(f"what is wrong with {', '.join(broken)} is told above; the other labs can be used")


def doctor(json: bool) -> None:
    """Tell everything that keeps the selected lab from running here, and what its nodes could use up of this host."""
    missing = [
        f"{tool.command} is missing, which {tool.why}; `inv up` installs it" for tool in host.missing(host.TOOLS)
    ]
    instance = None if missing else instance_to_make(current())
    reason = rights.no_nodes_because()
    problems = instance.provider.problems() if instance else [*([reason] if reason else []), *missing]
    if instance and not problems and instance.directory.exists():
        problems = [f"the BMC of {node} does not run; `inv up` starts it again" for node in instance.dead_bmcs()]
    Report(json).problems(problems, instance.provider.not_limited() if instance else [])
    if problems:
        raise LabError(f"{len(problems)} problems keep labs from running here")


def _verify_where_it_is(instance: Instance, report: Report) -> None:
    """What must hold after the last step that is passed, or where the lab begins."""
    if instance.last_passed:
        _judge(Walk(instance, report).verify(instance.last_passed))
    else:
        preparation.assure(instance)


def _current() -> Instance:
    return Instance.open(current().instance_name)


@contextmanager
def _walking(json: bool = False) -> Iterator[tuple[Walk, Report]]:
    """A walk of the selected instance, under its lock; what it did is reported as JSON at the end if asked."""
    instance, report = _current(), Report(json)
    if instance.folder.paper:
        raise LabError(f"{instance.folder.name} is an exam: it has tasks, and no steps; see inv show, inv grade")
    with instance.lock():
        try:
            yield Walk(instance, report), report
        finally:
            report.finish()


def _judge(report: StepReport) -> None:
    """Turn what became of a step into the exit code, with the path of its log."""
    if report.outcome == Outcome.PASSED:
        return
    if report.outcome == Outcome.FAILED:
        raise CheckFailed(f"step {report.step} is not passed; everything it printed is in {report.log}")
    if report.reason:
        raise LabError(f"step {report.step} could not be finished: {report.reason}; see {report.log}")
    raise NothingChecked(f"step {report.step} could not be checked; see {report.log}")


def _node(instance: Instance, name: str) -> NodeSpec:
    known = {node.name: node for node in instance.spec.nodes}
    if name not in known:
        raise LabError(f'there is no node "{name}", {suggestion(name, list(known))}')
    return known[name]
