"""What a lab teaches, read by a child process: its steps' prose, commands and checks, or an exam's task sheet.

A lab's code is run, and may do anything, so it never runs in the server itself (see spec/lab_code).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any

from halab.exams import sheets
from halab.instance.state import State
from halab.kit.errors import HalabError
from halab.spec import labs
from halab.spec.lab_code import apart
from halab.walk import show
from halab.web.blocks import Block, blocks

AGAIN = 30.0  # seconds after which a lab is read again that could not be
KEPT = 64  # results that are remembered: a class is mostly at a few steps of one lab


@dataclass(frozen=True)
class Taught:
    """What is known of a lab without its cluster. `wrong` says why a lab that is broken could not be read."""

    title: str = ""
    steps: tuple[tuple[str, str], ...] = ()  # names and titles
    prose: tuple[Block, ...] = ()
    entries: tuple[dict[str, str], ...] = ()
    sheet: tuple[Block, ...] | None = None
    exam: dict[str, Any] | None = None  # minutes, points, pass_mark, and whether there are hints
    wrong: str = ""


_known: OrderedDict[tuple[object, ...], tuple[Taught, float]] = OrderedDict()  # and until when it holds
_one_at_a_time = Lock()


def taught(instance: str, state: State, step: str | None) -> Taught:
    """Return what an instance teaches at a step; None is no step, as in an exam. Takes a while the first time."""
    key = (instance if state.sitting else "", state.lab, state.distro, step, str(state.spec), _read_at(state.lab))
    return _remembered(key, lambda: _taught(instance, state, step), state.lab)


def steps_of(lab: str) -> Taught:
    """Return only the title and the steps of a lab, or what is known of an exam without a learner."""
    return _remembered((lab, _read_at(lab)), lambda: _outline(lab), lab)


def _remembered(key: tuple[object, ...], read: Callable[[], Taught], lab: str) -> Taught:
    """Return what was read; read it now if it was not, or could not be for a while."""
    with _one_at_a_time:
        found, until = _known.get(key, (Taught(), 0.0))
        if until < time.monotonic():
            try:
                found, until = apart(read, f"lab {lab}"), math.inf
            except HalabError as error:  # the lab may be broken, or this host be busy
                found, until = Taught(wrong=str(error)), time.monotonic() + AGAIN
            _known[key] = found, until
            while len(_known) > KEPT:
                _known.popitem(last=False)
        _known.move_to_end(key)
        return found


def _read_at(lab: str) -> tuple[object, ...]:
    """Return what tells a lab's files from what they were before."""
    times = []
    for file in sorted((labs.root() / lab).glob("*")):
        try:
            times.append((file.name, file.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(times)


def _outline(lab: str) -> Taught:
    folder = labs.load(lab)
    exam: dict[str, Any] | None = None
    if folder.paper:
        paper = folder.paper.file
        exam = {"minutes": paper.minutes, "points": paper.points, "pass_mark": paper.pass_mark}
        exam["tasks"] = [task.name for task in paper.tasks]
        exam["hints"] = paper.hint_cost is not None
        exam["recorded"] = paper.recording
    return Taught(folder.spec.title, tuple((step.name, step.title) for step in folder.steps), exam=exam)


def _taught(instance: str, state: State, name: str | None) -> Taught:
    folder, outline = labs.load(state.lab), _outline(state.lab)
    if folder.paper:
        sheet = sheets.sheet(folder, instance, state.spec, state.sitting) if state.sitting else ""
        return replace(outline, sheet=tuple(blocks(sheet)))
    if name is None or name not in [step.name for step in folder.steps]:
        return outline
    step = folder.step(name)
    try:
        entries = [asdict(entry) for entry in show.record(step, state.spec, state.distro)]
    except HalabError:  # it asks what only a real cluster answers
        entries = []
    kept = tuple({key: entry[key] for key in ("kind", "where", "text")} for entry in entries)
    return replace(outline, prose=tuple(blocks(step.prose)), entries=kept)
