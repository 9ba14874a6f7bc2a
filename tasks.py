"""halab's commands. `inv lab up walk` brings a lab up and walks through it; `inv --list` shows the rest."""

import atexit
import functools
import gc
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit, ParseError
from invoke.parser.context import ParserContext
from invoke.program import Program
from invoke.tasks import task

from halab.cli import closed_pipe

# Invoke has Python keep nothing of what it compiles: then each command would compile all of halab anew, in a tenth of a
# second. Python's search for garbage takes half as long: in what is imported as a command begins, in all as it ends.
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
gc.set_threshold(100_000)
atexit.register(gc.freeze)
atexit.register(closed_pipe.flush)
closed_pipe.watch_end()


def _make_words_fit(program: Program) -> None:
    """Make the words as Invoke has commands: of one word, also where two are typed, and with all their arguments."""
    from halab.kit import typed

    names, asked = list(program.collection.task_names), program.core[0].args["help"]
    about = asked.value if asked.value in typed.groups(names) else None
    words = [about, *program.core.unparsed] if about else program.core.unparsed
    if not (typed.groups(names).keys() | typed.LEFT_OUT.keys()) & set(words):
        return
    options = typed.options(program.collection.to_contexts())
    words = typed.joined(words, options)
    if about and words[0] != about:
        asked.value, *words = words
    program.core.unparsed = typed.completed(words, options)


def _parse_tasks(program: Program) -> None:
    """Parse the commands. For what it does not understand Invoke ends with 1, which here means: a check failed."""
    _make_words_fit(program)
    try:
        _invokes_own(program)
    except ParseError as error:
        from halab.cli import grammar, terminal
        from halab.kit.errors import Exit as Code

        wrong = _told(grammar.wrong(error, list(program.collection.task_names)))
        if "--json" in program.argv:
            terminal.dump({"error": wrong, "exit_status": Code.LAB_BROKEN})
        raise Exit(f"halab: {wrong}", code=Code.LAB_BROKEN) from None


_invokes_own = Program.parse_tasks
Program.parse_tasks = _parse_tasks  # type: ignore[method-assign, assignment]


def _guarded(body: Callable[..., None]) -> Callable[..., None]:
    """Turn every error into one sentence and an exit code; HALAB_DEBUG=1 shows the traceback."""

    @functools.wraps(body)
    def guarded(*arguments: Any, **options: Any) -> None:
        from halab.kit import full_disk
        from halab.kit.errors import Exit as Code
        from halab.kit.errors import HalabError

        try:
            return body(*arguments, **options)
        except BrokenPipeError:
            raise  # closed_pipe knows what to do
        except HalabError as error:
            closed_pipe.end_if_nobody_reads()
            sentence = "; ".join(filter(None, (f"halab: {error}", full_disk.advice(error))))
            raise Exit(_told(sentence), code=error.exit_code) from None
        except Exception as error:  # noqa: BLE001  # a bug, or a host as nobody foresaw it
            closed_pipe.end_if_nobody_reads()
            what = full_disk.advice(error) or f"{type(error).__name__}: {error}; HALAB_DEBUG=1 shows where"
            raise Exit(_told(f"halab: {what}"), code=Code.LAB_BROKEN) from None

    return guarded


def _told(sentence: str) -> str:
    """What the terminal is told of the error that is being handled: part of it may have been printed by a node."""
    from halab.kit.printable import printable

    return printable(traceback.format_exc() if os.environ.get("HALAB_DEBUG") else sentence)


def _commands() -> Any:
    return import_module("halab.cli.commands")


def _reaching() -> Any:
    return import_module("halab.cli.reaching")


def _exams() -> Any:
    return import_module("halab.cli.exam_commands")


def _travel() -> Any:
    return import_module("halab.cli.travel_commands")


def _classes() -> Any:
    return import_module("halab.cli.class_commands")


def _sites() -> Any:
    return import_module("halab.cli.site_commands")


def _authoring() -> Any:
    return import_module("halab.cli.authoring_commands")


def _development() -> Any:
    return import_module("halab.cli.development")


def _contexts() -> list[ParserContext]:
    """Every command, as Invoke parses it."""
    return Collection.from_module(sys.modules[__name__]).to_contexts()


@task(
    help={
        "name": "the lab",
        "instance": "a running copy of it",
        "provider": "podman or vagrant",
        "nodes": "how many nodes",
        "disk_only": "checkpoints of virtual machines without memory, for hosts that cannot save it",
    }
)
@_guarded
def lab(
    c: Context,
    name: str | None = None,
    instance: str | None = None,
    provider: str | None = None,
    distro: str | None = None,
    nodes: str | None = None,
    disk_only: bool = False,
    json: bool = False,
) -> None:
    """Select a lab and an instance of it, for the commands that follow; tell what is selected."""
    _commands().lab(name, instance, provider, distro, nodes, disk_only or None, json)


@task
@_guarded
def up(c: Context) -> None:
    """Make the selected instance, or complete it."""
    _commands().up()


@task
@_guarded
def down(c: Context) -> None:
    """Remove the selected instance; images and package pools stay."""
    _commands().down()


@task
@_guarded
def status(c: Context, json: bool = False) -> None:
    """Show nodes, power, step results, resources and where the VIP is."""
    _commands().status(json)


@task(help={"distro": "the distro that nodes would have, if it is not the selected one"})
@_guarded
def doctor(c: Context, distro: str | None = None, json: bool = False) -> None:
    """Tell what keeps labs from running on this host."""
    _commands().doctor(distro, json)


@task
@_guarded
def labs(c: Context, json: bool = False) -> None:
    """List the labs."""
    _commands().list_labs(json)


@task(help={"to": "the last step to walk"})
@_guarded
def walk(c: Context, to: str | None = None, json: bool = False) -> None:
    """Perform and verify every step left."""
    _commands().walk(to, json)


@task(name="next")
@_guarded
def next_step(c: Context, json: bool = False) -> None:
    """Perform and verify the next step."""
    _commands().next_step("next", json)


@task
@_guarded
def step(c: Context, name: str, json: bool = False) -> None:
    """Perform and verify one step, afresh if it was done before."""
    _commands().step(name, json)


@task(help={"step": "the step to read; default: the next one"})
@_guarded
def show(c: Context, step: str | None = None, json: bool = False) -> None:
    """Read a step: its explanation, its commands and its checks, without running them."""
    _commands().show_step(step, json)


@task(help={"step": "the step to verify; default: the next one"})
@_guarded
def check(c: Context, step: str | None = None, json: bool = False) -> None:
    """Verify only: you did the work by hand."""
    _commands().check(step, json)


@task
@_guarded
def hint(c: Context) -> None:
    """Give one more hint for what fails now."""
    _commands().hint()


@task
@_guarded
def solve(c: Context, json: bool = False) -> None:
    """Perform the current step for you, and verify it."""
    _commands().next_step("solve", json)


FAULT_HELP = {
    "node": "a node, or active: the one that has the address",
    "network": "lan or mgmt, or both: lan,mgmt",
    "groups": "who sees whom: node1,node2/node3; a node in no group sees everybody",
    "percent": "of the frames",
    "ms": "milliseconds",
}


@task(help=FAULT_HELP)
@_guarded
def fault(
    c: Context,
    name: str,
    node: str = "active",
    network: str | None = None,
    groups: str | None = None,
    percent: str | None = None,
    ms: str | None = None,
    json: bool = False,
) -> None:
    """Break something on purpose; `inv faults` tells what."""
    _commands().fault(name, node, {"network": network, "groups": groups, "percent": percent, "ms": ms}, json)


@task(help={"fault": "only faults of this kind"})
@_guarded
def heal(c: Context, fault: str | None = None, json: bool = False) -> None:
    """Undo what was broken on purpose."""
    _commands().heal(fault, json)


@task
@_guarded
def faults(c: Context, json: bool = False) -> None:
    """List what can be broken on purpose, and what is."""
    _commands().list_faults(json)


@task(
    help=FAULT_HELP
    | {
        "name": "a fault",
        "repeat": "how many times, at most where --below is given",
        "below": "seconds: the last run is the first with less",
        "writes": "folder to PUT a counter into",
    }
)
@_guarded
def measure(
    c: Context,
    name: str,
    node: str = "active",
    repeat: str = "1",
    network: str | None = None,
    groups: str | None = None,
    percent: str | None = None,
    ms: str | None = None,
    writes: str = "",
    below: str | None = None,
    json: bool = False,
) -> None:
    """Inject a fault, watch the service through the VIP, heal the fault, and tell how long the outage was."""
    options = {"network": network, "groups": groups, "percent": percent, "ms": ms}
    _commands().measure(name, node, options, repeat, writes, below, json)


@task(name="new-lab")
@_guarded
def new_lab(c: Context, name: str) -> None:
    """Make a small working lab, which continues ha-web, to start from."""
    _authoring().new_lab(name)


@task(name="new-step", help={"lab": "default: the selected one"})
@_guarded
def new_step(c: Context, name: str, lab: str | None = None) -> None:
    """Make the next step of a lab, to start from."""
    _authoring().new_step(name, lab)


@task(name="lint-lab", help={"name": "the lab; default: all of them, and the docs"})
@_guarded
def lint_lab(c: Context, name: str | None = None, json: bool = False) -> None:
    """Tell what is wrong with a lab, without a cluster."""
    _authoring().lint_lab(name, _contexts(), json)


@task
@_guarded
def schema(c: Context) -> None:
    """Write the JSON Schemas of lab.toml and exam.toml, for editors."""
    _authoring().schema()


@task(
    positional=["exam"],
    help={
        "exam": "a lab that inv labs calls an exam",
        "seed": "of the draw; the instructor's",
        "practice": "hints cost nothing, and inv watch looks on",
    },
)
@_guarded
def start(c: Context, exam: str, instance: str | None = None, seed: str | None = None, practice: bool = False) -> None:
    """Begin an exam."""
    _exams().start(exam, instance, seed, practice)


SIGN_HELP = {"sign": "file of the private key to sign the attempt with"}


@task(help=SIGN_HELP)
@_guarded
def grade(c: Context, sign: str | None = None, json: bool = False) -> None:
    """Grade the exam as it stands; the work is the same afterwards."""
    _exams().grade(sign, json)


@task(help=SIGN_HELP)
@_guarded
def finish(c: Context, sign: str | None = None, json: bool = False) -> None:
    """Hand the exam in, and grade it for the last time."""
    _exams().finish(sign, json)


@task
@_guarded
def watch(c: Context) -> None:
    """Look again and again while you practise."""
    _exams().watch()


@task
@_guarded
def prove(c: Context, name: str, json: bool = False) -> None:
    """Try right and wrong solutions of a lab or an exam on real nodes: do its checks tell one from the other?"""
    import_module("halab.cli.proof_commands").prove(name, json)


@task(
    help={
        "for_learner": "directory to write sheets into, as Markdown and as HTML",
        "learners": "instances, with commas between; default: the one that is selected",
        "seed": "of the draw, of instances that are not there yet",
    }
)
@_guarded
def export(c: Context, exam: str, for_learner: str, learners: str = "", seed: str | None = None) -> None:
    """Write what a learner is given: tasks, addresses and the way in."""
    _exams().export(exam, for_learner, learners, seed)


@task(help={"file": "where to write the private key; the public one is FILE.pub"})
@_guarded
def make_key(c: Context, file: str) -> None:
    """Make a key to sign attempts with."""
    _exams().make_key(file)


@task(help={"directory": "an attempt's", "key": "file of the public key"})
@_guarded
def verify_report(c: Context, directory: str, key: str) -> None:
    """Tell whether an attempt is still what was signed."""
    _exams().verify_report(directory, key)


@task(help={"attempt": "its number; default: the last one"})
@_guarded
def report(c: Context, attempt: str | None = None, json: bool = False) -> None:
    """Tell again what an attempt at the exam came to, and where its reports are."""
    _exams().report(attempt, json)


@task(
    positional=["exam"], help={"exam": "a lab that inv labs calls an exam", "csv": "file to write, with one beside it"}
)
@_guarded
def marks(c: Context, exam: str, csv: str | None = None, json: bool = False) -> None:
    """Show the marks of all who have the exam on this machine."""
    _exams().marks(exam, csv, json)


@task(help={"name": "a node, or workstation"})
@_guarded
def ssh(c: Context, name: str) -> None:
    """Open a shell on a node, or on the workstation; with `-- COMMAND`, run that there."""
    _commands().ssh(name)


@task(
    positional=["source", "destination"],
    help={"source": "a file or a directory, of this host or NODE:PATH", "destination": "where to, likewise"},
)
@_guarded
def copy(c: Context, source: str, destination: str) -> None:
    """Copy files between this host and a node, or the workstation."""
    _reaching().copy(source, destination)


@task(
    positional=["to"],
    help={
        "to": "NODE:PORT, a node, a port, or an address of the lab; left out: the VIP, port 80",
        "port": "on this host; default: one that is free",
    },
)
@_guarded
def forward(c: Context, to: str, port: int = 0) -> None:
    """Show a page of the instance to this host's browser: pass connections on from 127.0.0.1, until Ctrl-C."""
    _reaching().forward(to, port)


@task(
    help={
        "port": "on which the page is served; default: 8717",
        "listen": "an address of this host, in place of 127.0.0.1; needs --certificate and --key",
        "certificate": "file of a certificate, in PEM",
        "key": "file of the certificate's key, in PEM",
        "background": "go on when this command ends",
        "stop": "end the server",
        "for_": "print a link for the learner of this instance",
        "instructor": "print a link for an instructor, who sees all instances",
        "revoke": "end the access of an instance's learner, or of every `instructor`",
    }
)
@_guarded
def page(
    c: Context,
    port: str | None = None,
    listen: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    background: bool = False,
    stop: bool = False,
    for_: str | None = None,
    instructor: bool = False,
    revoke: str | None = None,
) -> None:
    """Serve a page for browsers on which labs are seen and done, until Ctrl-C; print a link to it."""
    import_module("halab.web.page").page(port, listen, certificate, key, background, stop, for_, instructor, revoke)


@task(
    name="site up",
    help={"machines": "file that describes the site; default: the one that is up, or else this machine alone"},
)
@_guarded
def site_up(c: Context, machines: str | None = None) -> None:
    """Make a site of machines, or complete it: Slurm, and halab with its images, on each of them."""
    _sites().up(machines)


@task(name="site check")
@_guarded
def site_check(c: Context, json: bool = False) -> None:
    """Tell how many seats fit on the site, and which machine lacks what, or is other than the head."""
    _sites().check(json)


@task(name="site down")
@_guarded
def site_down(c: Context) -> None:
    """End the site, if it has no seats."""
    _sites().down()


LEARNER_HELP = {"learner": "a name of the roster, or the instance that is made from it"}
CLASS_HELP = {"lab": "the class of that lab; needed only when there are several"}


@task(
    name="class up",
    positional=["lab"],
    help={
        "lab": "a lab or an exam",
        "learners": "file with the roster: CSV, with a column `name`",
        "seed": "of an exam's draw; the instructor's",
        "practice": "an exam whose hints cost nothing",
        "distro": "the distro of all nodes",
    },
)
@_guarded
def class_up(
    c: Context,
    lab: str,
    learners: str,
    seed: str | None = None,
    practice: bool = False,
    distro: str | None = None,
) -> None:
    """Give each learner of a roster a seat on the machines of the site."""
    _classes().up(lab, learners, seed, practice, distro)


@task(name="class status", help=CLASS_HELP)
@_guarded
def class_status(c: Context, lab: str | None = None, json: bool = False) -> None:
    """Show where each learner sits, what waits and why, and how far everybody is."""
    _classes().status(lab, json)


@task(name="class ssh", positional=["learner", "name"], help={**LEARNER_HELP, "name": "a node, or workstation"})
@_guarded
def class_ssh(c: Context, learner: str, name: str) -> None:
    """Open a shell on a node of a learner, recorded as on one machine; with `-- COMMAND`, run that there."""
    _classes().ssh(learner, name)


@task(
    name="class do",
    positional=["learner"],
    help={**LEARNER_HELP, "all": "for every learner who has a seat, side by side", **CLASS_HELP},
)
@_guarded
def class_do(c: Context, learner: str, all: bool = False, lab: str | None = None) -> None:
    """Run a command of inv, given after `--`, on a learner's instance; its exit status is this one's."""
    _classes().do(learner, all, lab)


GRADE_HELP = {**LEARNER_HELP, **SIGN_HELP, "all": "everybody who has a seat", **CLASS_HELP}


@task(name="class grade", positional=["learner"], help=GRADE_HELP)
@_guarded
def class_grade(
    c: Context, learner: str, all: bool = False, sign: str | None = None, lab: str | None = None, json: bool = False
) -> None:
    """Grade exams as they stand, and bring the attempts home."""
    _classes().grade(learner, all, sign, lab, json, last=False)


@task(name="class finish", positional=["learner"], help=GRADE_HELP)
@_guarded
def class_finish(
    c: Context, learner: str, all: bool = False, sign: str | None = None, lab: str | None = None, json: bool = False
) -> None:
    """Hand exams in, grade them for the last time, and bring the attempts home."""
    _classes().grade(learner, all, sign, lab, json, last=True)


@task(
    name="class marks",
    positional=["exam"],
    help={"exam": "a lab that inv labs calls an exam", "csv": "file to write, with one beside it"},
)
@_guarded
def class_marks(c: Context, exam: str, csv: str | None = None, json: bool = False) -> None:
    """Show the marks of a class, from what came home."""
    _classes().marks(exam, csv, json)


@task(name="class ship", positional=["learner"], help={**LEARNER_HELP, **CLASS_HELP})
@_guarded
def class_ship(c: Context, learner: str, lab: str | None = None) -> None:
    """Bring the last checkpoint of a learner, or of everybody, to the head."""
    _classes().ship(learner, lab)


@task(name="class move", positional=["learner"], help={**LEARNER_HELP, "to": "a machine; default: any that has room"})
@_guarded
def class_move(c: Context, learner: str, to: str | None = None) -> None:
    """Give a learner another seat, which goes on from the last checkpoint that was shipped."""
    _classes().move(learner, to)


@task(name="class down", positional=["learner"], help={**LEARNER_HELP, **CLASS_HELP})
@_guarded
def class_down(c: Context, learner: str, lab: str | None = None) -> None:
    """Take a learner's seat away, or those of the whole class; what came home stays."""
    _classes().down(learner, lab)


@task(help={"action": "add", "packages": "names, with commas between"})
@_guarded
def pool(c: Context, action: str, packages: str) -> None:
    """Add packages to those that nodes can install, with all that they need."""
    import_module("halab.cli.pooling").pool(action, packages)


@task
@_guarded
def ssh_config(c: Context) -> None:
    """Print a configuration for ssh, by which scp, VS Code and Ansible reach the nodes."""
    _reaching().print_ssh_config()


@task
@_guarded
def save(c: Context, name: str) -> None:
    """Save the whole cluster as a checkpoint of your own."""
    _commands().save(name)


@task(
    positional=["file"],
    help={"file": "the file to write", "name": "the checkpoint; default: that of the last step that is passed"},
)
@_guarded
def export_checkpoint(c: Context, file: str, name: str | None = None) -> None:
    """Write a checkpoint to a file, of which another machine can make the instance."""
    _travel().export_checkpoint(file, name)


@task(positional=["file"], help={"file": "what inv export-checkpoint wrote", "instance": "default: as it was called"})
@_guarded
def import_checkpoint(c: Context, file: str, instance: str | None = None) -> None:
    """Make an instance of a file with a checkpoint, bring it up there, and select it."""
    _travel().import_checkpoint(file, instance)


@task(help={"to": "a step, `start`, or a checkpoint of your own; default: the last step that is passed"})
@_guarded
def reset(c: Context, to: str | None = None, json: bool = False) -> None:
    """Bring the whole cluster back to a checkpoint, and verify it."""
    _commands().reset(to, json)


@task
@_guarded
def checkpoints(c: Context, json: bool = False) -> None:
    """List the checkpoints of the instance, oldest first."""
    _commands().list_checkpoints(json)


@task(help={"action": "status, on, off, cycle, reset or soft"})
@_guarded
def bmc(c: Context, name: str, action: str) -> None:
    """Switch a node's power through its BMC."""
    _commands().bmc(name, action)


@task(
    help={
        "select": "pytest's -k, on all tests but those of --vm, --hosts and --site, or on one part",
        "all": "everything on containers: each lab and each exam proven, every fault, every kill",
        "rest": "what --all has besides what is run without an option",
        "unit": "only what needs no node",
        "exams": "only exams, whose graders are proven",
        "vm": "only what needs virtual machines, which are emulated",
        "hosts": "only README's commands on the other Debian release",
        "site": "only a class on a site of four machines, in namespaces of this host",
        "no_skip": "a test that is skipped is a failure",
    }
)
@_guarded
def test(
    c: Context,
    select: str = "",
    all: bool = False,
    rest: bool = False,
    unit: bool = False,
    exams: bool = False,
    vm: bool = False,
    hosts: bool = False,
    site: bool = False,
    no_skip: bool = False,
) -> None:
    """Run what to run before a commit: units, a walk, and one of each kind on real clusters; or another part."""
    parts = {"all": all, "rest": rest, "unit": unit, "exams": exams, "vm": vm, "hosts": hosts, "site": site}
    _development().test([part for part, wanted in parts.items() if wanted], select, no_skip)


@task
@_guarded
def lint(c: Context) -> None:
    """Run ruff and mypy."""
    _development().lint()
