"""How far those are who sit on one machine: a look at the files of their instances there, not at clusters."""

import json
import sys
from pathlib import Path
from typing import Any

from halab.exams import attempts
from halab.instance.instance import Instance, instances_dir
from halab.instance.seat import read_seat
from halab.instance.state import read_state
from halab.kit.errors import HalabError
from halab.walk import checkpoints
from halab.walk.checkpoints import START

END = "that is all"  # what is cut off has not this


def of_machine() -> dict[str, Any]:
    """Return what is known of each seat's instance on this machine, by the instance's name."""
    found = {}
    for directory in sorted(instances_dir().glob("*")):
        try:
            if seat := read_seat(directory):
                found[directory.name] = {"job": seat.job, "restarts": seat.restarts, **of_instance(directory)}
        except HalabError as error:
            found[directory.name] = {"error": str(error)}
    return found


def of_instance(directory: Path) -> dict[str, Any]:
    """Return `is`, in words, and the steps passed of all, or the points of the last attempt and those there are."""
    state = read_state(directory)
    if state is None:
        return {"is": "being made"}
    if state.removing:
        return {"is": "being removed"}
    if state.restoring:
        return {"is": "being restored"}
    instance = Instance(directory.name, state)
    if START not in checkpoints.names(instance):
        return {"is": "being made"}
    if state.sitting is None:
        steps = [step.name for step in instance.folder.steps]
        passed = [name for name in steps if state.outcome(name) == "passed"]
        return {"is": passed[-1] if passed else "start", "passed": len(passed), "of": len(steps)}
    if not state.sitting.began:
        return {"is": "being made"}
    is_now = "handed in" if state.sitting.finished else "at work"
    if graded := attempts.everything(directory):
        grade = graded[-1].grade
        return {"is": is_now, "points": grade.points, "of": grade.of, "attempts": state.sitting.attempts}
    return {"is": is_now, "attempts": 0}


def read(text: str) -> dict[str, Any] | None:
    """Return what `main` printed on a machine; None when it is not whole."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told["seats"] if isinstance(told, dict) and told.get("end") == END else None


if __name__ == "__main__":
    json.dump({"seats": of_machine(), "end": END}, sys.stdout)
