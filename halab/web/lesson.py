"""What the page says of one instance: its lab, the step that is next, what can be done, and what was measured."""

import json
import time
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from halab.cli.selection import Selection
from halab.conditions.checks import Outcome
from halab.faults import Fault, registry
from halab.instance.state import State, read_state
from halab.kit.errors import LabError
from halab.kit.printable import printable
from halab.measure.records import REPORT
from halab.measure.report import Measurement
from halab.web.taught import Taught, steps_of, taught

ASKS = "asks-for-help"  # a file in the instance's directory while its learner does
VALUES = {"network": ["lan", "mgmt"]}
HELP = {
    "groups": "who sees whom: node1,node2/node3; empty: nobody sees anybody",
    "percent": "of the frames, 1 to 100",
    "ms": "milliseconds",
}


def lesson(directory: Path) -> dict[str, Any]:
    """Return the lesson, as docs/page.md has it. Reads files, and asks no node."""
    name = directory.name
    try:
        state = read_state(directory)
    except LabError as error:
        return {**_empty(name), "reason": str(error)}
    if state is None or state.removing:
        lab = Selection.of(name).lab
        return {**_empty(name), "lab": lab, "title": steps_of(lab).title, "reason": f"instance {name} is not up"}
    current = _current(directory, state)
    found = taught(name, state, current)
    return {
        **_empty(name),
        "lab": state.lab,
        "title": found.title,
        "provider": state.provider,
        "up": True,
        "exam": state.sitting is not None,
        "sheet": list(found.sheet) if found.sheet is not None else None,
        "steps": steps(state, found, current),
        "step": _step(found, current),
        "checkpoints": _checkpoints(directory),
        "faults": [{"name": fault.name, "node": fault.node, "words": fault.words} for fault in state.faults],
        "measurements": [measured(directory, one) for one in state.measurements],
        "exam_clock": clock(state, found),
        "exam_facts": found.exam,
        "attempts": attempts(directory) if state.sitting else [],
        "practice": bool(state.sitting and state.sitting.practice),
        "nodes": [node.name for node in state.spec.nodes],
        "vip": str(state.spec.vip),
        "reason": found.wrong,
    }


def steps(state: State, found: Taught, current: str | None) -> list[dict[str, Any]]:
    return [
        {"name": name, "title": title, "outcome": state.outcome(name), "current": name == current}
        for name, title in found.steps
    ]


def clock(state: State, found: Taught) -> dict[str, Any] | None:
    """Return when an exam began and ends, in seconds since the epoch; None for what is none, or has not begun."""
    sitting = state.sitting
    if sitting is None or sitting.began is None or found.exam is None:
        return None
    ends = sitting.began + timedelta(minutes=found.exam["minutes"])
    finished = sitting.finished.timestamp() if sitting.finished else None
    began = sitting.began.timestamp()
    return {"began": began, "minutes": found.exam["minutes"], "ends": ends.timestamp(), "finished": finished}


def attempts(directory: Path) -> list[dict[str, Any]]:
    """Return what the attempts at an exam came to, oldest first."""
    found = []
    for place in sorted((directory / "attempts").glob("[0-9]*"), key=lambda place: place.name.zfill(9)):
        try:
            grade = json.loads((place / "grade.json").read_bytes())
            keys = ("verdict", "points", "of", "percent", "pass_mark", "late", "at")
            found.append({"attempt": int(place.name), **{key: grade[key] for key in keys}})
        except (OSError, ValueError, KeyError):  # it is being written, or was not finished
            continue
    return found


def measured(directory: Path, name: str) -> dict[str, Any]:
    """Return what came of a measurement, by the name of its directory."""
    file = directory / "measurements" / name / REPORT
    try:
        return _measured(file, file.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {"name": name, "fault": name, "directory": name, "seconds": [], "at": None, "fencing": None}


@lru_cache(maxsize=256)
def _measured(file: Path, _: int) -> dict[str, Any]:
    """Return what came of a measurement whose report has not changed since that time."""
    report = Measurement.model_validate_json(file.read_bytes())
    return {
        "name": file.parent.name,
        "fault": report.runs[0].fault.words if report.runs else report.fault,
        "directory": file.parent.name,
        "seconds": [run.seconds for run in report.runs],
        "at": report.at.timestamp(),
        "fencing": report.fencing,
    }


def asks_for_help(directory: Path) -> bool:
    return (directory / ASKS).exists()


def ask_for_help(directory: Path, asked: bool) -> None:
    if asked:
        (directory / ASKS).write_text(f"{time.time():.0f}\n")
    else:
        (directory / ASKS).unlink(missing_ok=True)


def _current(directory: Path, state: State) -> str | None:
    """Return the first step that is not passed; None when all are, and in an exam."""
    if state.sitting:
        return None
    names = [name for name, _ in taught(directory.name, state, None).steps]
    left = [name for name in names if state.outcome(name) != Outcome.PASSED]
    return next(iter(left), None)


def _step(found: Taught, current: str | None) -> dict[str, Any] | None:
    titles = dict(found.steps)
    if current not in titles:
        return None
    return {
        "name": current,
        "title": titles[current],
        "blocks": list(found.prose),
        "entries": [{**entry, "text": printable(entry["text"])} for entry in found.entries],
    }


def checkpoint_names(directory: Path) -> list[str]:
    return [str(one["name"]) for one in _checkpoints(directory)]


def _checkpoints(directory: Path) -> list[dict[str, Any]]:
    found = []
    for file in (directory / "checkpoints").glob("[!.]*.json"):
        try:
            kept = json.loads(file.read_bytes())
            found.append({"name": kept["name"], "at": kept["at"]})
        except (OSError, ValueError, KeyError):
            continue
    return sorted(found, key=lambda one: str(one["at"]))


def _fault(fault: Fault) -> dict[str, Any]:
    options = [
        {"name": name, "value": default, "values": VALUES.get(name), "help": HELP.get(name, "")}
        for name, default in fault.options.items()
    ]
    return {"name": fault.name, "does": fault.does, "options": options, "on": "nodes" if fault.everywhere else "node"}


def _empty(name: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        key: [] for key in ("steps", "checkpoints", "measurements", "nodes", "faults", "attempts")
    }
    nothing |= dict.fromkeys(("sheet", "step", "exam_clock", "exam_facts"))
    known = [_fault(fault) for fault in registry.ALL]
    return {
        "kind": "lesson",
        "instance": name,
        "lab": "",
        "title": "",
        "provider": "",
        "up": False,
        "exam": False,
        "faults_known": known,
        "practice": False,
        "vip": "",
        **nothing,
    }
