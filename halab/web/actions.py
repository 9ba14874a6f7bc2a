"""What can be done to an instance on the page: a fixed set, each a command of `inv` with its own words."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from halab.cli.refusals import FAULT_OPTIONS, fault_options, number_of_runs
from halab.cli.selection import Selection
from halab.faults import registry
from halab.instance.state import State, read_state
from halab.kit.errors import LabError
from halab.kit.typed import shown
from halab.measure import run
from halab.walk import actions, checkpoints
from halab.web.lesson import checkpoint_names
from halab.web.taught import steps_of

LONGEST = 200  # characters of an option
Options = Mapping[str, str]
OF_LABS = ("check", "solve", "next")
OF_EXAMS = ("grade", "finish")
WITHOUT_LOCK = ("bmc",)
TAKES: dict[str, tuple[str, ...]] = {
    "up": (),
    "check": (),
    "hint": (),
    "solve": (),
    "next": (),
    "reset": ("to",),
    "save": ("name",),
    "fault": ("name", "node", *FAULT_OPTIONS),
    "heal": ("fault",),
    "measure": ("name", "node", *FAULT_OPTIONS, "repeat", "writes"),
    "bmc": ("node", "action"),
    "grade": (),
    "finish": (),
}


def words(directory: Path, action: str, given: Any) -> list[str]:
    """Return what is typed after `inv` for an action on an instance.

    Raises LabError for what the instance cannot do, and for what no such command takes.
    """
    options = _options(action, given)
    state = read_state(directory)
    if action == "up":
        return _up(directory.name, state)
    if state is None or state.removing:
        raise LabError(f"instance {directory.name} is not up")
    if action in OF_LABS and state.sitting:
        raise LabError(f"an exam has tasks, and no steps, so there is no {action}")
    if action in OF_EXAMS and not state.sitting:
        raise LabError(f"{state.lab} is no exam, so there is no {action}")
    return ["lab", f"--instance={directory.name}", action, *_of(action, options, state, directory)]


def _options(action: str, given: Any) -> Options:
    if action not in TAKES:
        raise LabError(f"there is no action {shown(action)}")
    if not isinstance(given, dict):
        raise LabError("options must be a JSON object")
    options = {}
    for name, value in given.items():
        if name not in TAKES[action]:
            raise LabError(f"{action} takes no {shown(str(name))}")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise LabError(f"{name} must be text or a whole number")
        text = str(value)
        if len(text) > LONGEST:
            raise LabError(f"{name} must have at most {LONGEST} characters")
        if text:
            options[name] = text
    return options


def _up(name: str, state: State | None) -> list[str]:
    """Return what completes an instance, or makes the one that is selected for its name; an exam is begun, too."""
    lab = state.lab if state else Selection.of(name).lab
    if steps_of(lab).exam:
        return ["start", lab, f"--instance={name}"]
    return ["lab", f"--instance={name}", "up"]


def _of(action: str, options: Options, state: State, directory: Path) -> list[str]:
    make: dict[str, Callable[[Options, State, Path], list[str]]] = {
        "reset": _reset,
        "save": _save,
        "fault": _fault,
        "heal": _heal,
        "measure": _measure,
        "bmc": _bmc,
    }
    return make[action](options, state, directory) if action in make else []


def _reset(options: Options, state: State, directory: Path) -> list[str]:
    if "to" not in options:
        return []
    if options["to"] not in checkpoint_names(directory):
        raise LabError(f"there is no checkpoint {shown(options['to'])}")
    return [f"--to={options['to']}"]


def _save(options: Options, state: State, directory: Path) -> list[str]:
    name = _needed(options, "name")
    checkpoints.refuse_name(name)
    return [name]


def _fault(options: Options, state: State, directory: Path) -> list[str]:
    """Return the words of a fault, which only has options that it takes."""
    name, node = _needed(options, "name"), options.get("node", registry.ACTIVE)
    own = fault_options({option: options.get(option) for option in FAULT_OPTIONS})
    registry.refuse(name, node, own, [spec.name for spec in state.spec.nodes])
    place = [] if registry.find(name).everywhere else [f"--node={node}"]
    return [name, *place, *(f"--{option}={value}" for option, value in own.items())]


def _heal(options: Options, state: State, directory: Path) -> list[str]:
    if "fault" not in options:
        return []
    return [f"--fault={registry.find(options['fault']).name}"]


def _measure(options: Options, state: State, directory: Path) -> list[str]:
    repeat, writes = options.get("repeat", "1"), options.get("writes", "")
    run.refuse(number_of_runs(repeat), writes)
    return [
        *_fault(options, state, directory),
        f"--repeat={repeat}",
        *([f"--writes={writes}"] if writes else []),
    ]


def _bmc(options: Options, state: State, directory: Path) -> list[str]:
    node, action = _needed(options, "node"), _needed(options, "action")
    if node not in [spec.name for spec in state.spec.nodes]:
        raise LabError(f"there is no node {shown(node)}")
    actions.refuse_power(action)
    return [node, action]


def _needed(options: Options, name: str) -> str:
    if name not in options:
        raise LabError(f"{name} is missing")
    return options[name]
