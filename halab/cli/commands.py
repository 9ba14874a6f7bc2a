"""What each Invoke task does: the commands of halab, whose words and exit codes are the same for people and --json."""

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout

from halab.cli import last_used, shell
from halab.cli.acting import acting, acting_on_selected, ask_first
from halab.cli.audience import RichAudience, audience_for
from halab.cli.refusals import fault_options, number_of_nodes, number_of_runs, number_of_seconds
from halab.cli.report import Report
from halab.cli.selection import (
    SETTING,
    current,
    default_provider,
    instance_to_make,
    instance_to_remove,
    obstacle,
    of_this_terminal,
    open_selected,
    select,
)
from halab.cli.status import look
from halab.conditions.checks import Outcome
from halab.exams.draw import paper_of
from halab.faults import registry
from halab.instance.instance import Instance, instances_dir
from halab.instance.nodes import Workstation
from halab.instance.state import read_state
from halab.kit import pty, typed
from halab.kit.errors import LabError
from halab.kit.paths import short
from halab.kit.recording import Recording
from halab.kit.toml import suggestion
from halab.providers import foreseen, host, rights
from halab.spec import distros, labs
from halab.spec.lab_code import apart
from halab.spec.models import NodeSpec
from halab.walk import actions, checkpoints, show


def lab(
    name: str | None,
    instance: str | None,
    provider: str | None,
    distro: str | None,
    nodes: str | None,
    disk_only: bool | None,
    json: bool,
) -> None:
    count = None if nodes is None else number_of_nodes(nodes)
    selected = select(name, instance, provider, distro, count, disk_only)
    if name or instance:
        last_used.note(selected.instance_name)
    with redirect_stdout(sys.stderr) if "ssh-config" in sys.argv else nullcontext():  # which prints a file of its own
        Report(json).selection(selected)
    if of_this_terminal() not in (None, selected.instance_name):
        print(f"This is for this command line only: {SETTING} is {of_this_terminal()}.", file=sys.stderr)


def up() -> None:
    bring_up("up")


def bring_up(command: str) -> None:
    """Make the selected instance, or complete it, for a command."""
    host.ensure(host.TOOLS, Report().say)
    instance = instance_to_make(current())
    if instance.state.removing:
        with acting(command, instance, audience_for(False)) as audience:
            actions.remove_rest(instance, audience)
        instance = instance_to_make(current())
    last_used.note(instance.name)
    with acting(command, instance, audience_for(False)) as audience:
        actions.up(instance, audience)


def down() -> None:
    """Remove the selected instance."""
    instance = instance_to_remove(current())
    if instance is None:
        Report().say(f"Instance {current().instance_name} is not there: nothing to remove.")
        return
    with acting("down", instance, audience_for(False)) as audience:
        ask_first("down", instance, audience)
        actions.down(instance, audience)


def status(json: bool) -> None:
    Report(json).status(look(_current()))


def walk(to: str | None, json: bool) -> None:
    with acting_on_selected("walk", json) as (instance, audience):
        actions.walk(instance, audience, to)


def next_step(command: str, json: bool) -> None:
    with acting_on_selected(command, json) as (instance, audience):
        actions.next_step(instance, audience)


def step(name: str, json: bool) -> None:
    with acting_on_selected("step", json) as (instance, audience):
        actions.step(instance, audience, name)


def check(name: str | None, json: bool) -> None:
    with acting_on_selected("check", json) as (instance, audience):
        actions.check(instance, audience, name)


def hint() -> None:
    """Give a hint for the current step of a lab, or for an exam."""
    with acting_on_selected("hint") as (instance, audience):
        if instance.folder.paper:
            from halab.exams import actions as exam_actions  # no other command here waits for cryptography's import

            exam_actions.hint(instance, audience)
        else:
            actions.hint(instance, audience)


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
    with acting_on_selected("save") as (instance, audience):
        actions.save(instance, audience, name)


def reset(to: str | None, json: bool) -> None:
    with acting_on_selected("reset", json) as (instance, audience):
        actions.reset(instance, audience, to)


def list_checkpoints(json: bool) -> None:
    Report(json).checkpoints(checkpoints.everything(_current()))


def fault(name: str, node: str, options: Mapping[str, str | None], json: bool) -> None:
    with acting_on_selected("fault", json) as (instance, audience):
        actions.fault(instance, audience, name, node, fault_options(options))


def heal(name: str | None, json: bool) -> None:
    with acting_on_selected("heal", json) as (instance, audience):
        actions.heal(instance, audience, name)


def list_faults(json: bool) -> None:
    """List all faults, and those that are injected now."""
    state = read_state(instances_dir() / current().instance_name)
    Report(json).all_faults(list(registry.FAULTS.values()), state.faults if state else ())


def measure(
    name: str,
    node: str,
    options: Mapping[str, str | None],
    repeat: str,
    writes: str,
    below: str | None,
    json: bool,
) -> None:
    with acting_on_selected("measure", json) as (instance, audience):
        runs, limit = number_of_runs(repeat), number_of_seconds(below)
        actions.measure(instance, audience, name, node, fault_options(options), runs, writes, limit)


def ssh(name: str) -> None:
    """Run a shell, or the command after `--`, on a node or the workstation; exit with its status.

    In an exam it is recorded.
    """
    instance, command = _current(), typed.after_dashes()
    if name != Workstation.name:
        _node(instance, name)
    with acting("ssh", instance, RichAudience(sys.stderr)) as audience:
        shell.finish_first(instance, audience)
        terminal = os.isatty(pty.STDIN) and not (command and not os.isatty(pty.STDOUT))
        argv = shell.argv(instance, name, command, terminal)
        if instance.state.sitting and paper_of(instance.folder).file.recording:
            with Recording(instance.directory, name, *pty.size()) as recording:
                print(f"What appears in this shell is recorded in {recording.path}", file=sys.stderr)
                sys.exit(shell.run(instance, name, argv, recording, terminal))
        sys.exit(shell.run(instance, name, argv, None, terminal))


def bmc(name: str, action: str) -> None:
    with acting_on_selected("bmc") as (instance, audience):
        actions.bmc(instance, audience, _node(instance, name), action)


def list_labs(json: bool) -> None:
    found = [labs.entry(name) for name in labs.names()]
    Report(json).labs([(lab, lab.broken or obstacle(lab.needs)) for lab in found])
    if broken := [lab.name for lab in found if lab.broken]:
        raise LabError(f"what is wrong with {', '.join(broken)} is told above; the other labs can be used")


def doctor(distro: str | None, json: bool) -> None:
    """Tell everything that keeps the selected lab from running here, and what its nodes could use up of this host.

    `distro` is asked about in place of the one that is selected.
    """
    missing = [
        f"{tool.command} is missing, which {tool.why}; `inv up` installs it" for tool in host.missing(host.TOOLS)
    ]
    instance = None if missing else instance_to_make(current())
    reason = rights.no_nodes_because()
    problems = instance.provider.problems() if instance else [*([reason] if reason else []), *missing]
    if asked := distro or current().distro:
        provider = instance.state.provider if instance else current().provider or default_provider()[0]
        problems = [*problems, *foreseen.obstacles(distros.load(asked), provider)]
    if instance and not problems and instance.directory.exists():
        problems = [f"the BMC of {node} does not run; `inv up` starts it again" for node in instance.dead_bmcs()]
    Report(json).problems(problems, instance.provider.not_limited() if instance else [])
    if problems:
        raise LabError(f"{len(problems)} problems keep labs from running here")


def _current() -> Instance:
    instance = open_selected()
    last_used.note(instance.name)
    return instance


def _node(instance: Instance, name: str) -> NodeSpec:
    known = {node.name: node for node in instance.spec.nodes}
    if name not in known:
        raise LabError(f'there is no node "{name}", {suggestion(name, list(known))}')
    return known[name]
