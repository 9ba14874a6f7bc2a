"""The attempts at an exam: attempts/<number>/ with grade.json, a picture of each outage, and recordings."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halab.exams import collected
from halab.exams.grade import GRADE, Grade
from halab.exams.sitting import sitting_of
from halab.instance.instance import Instance, instances_dir
from halab.instance.seat import Epoch, read_seat
from halab.instance.state import Sitting, read_state
from halab.kit.audience import Event
from halab.kit.errors import LabError
from halab.kit.files import publish
from halab.kit.recording import whole_lines
from halab.measure.report import Measurement
from halab.measure.timeline import draw


@dataclass(frozen=True)
class Attempt:
    """One graded attempt, as its directory keeps it.

    `timelines` are SVG pictures of what was broken, `recordings` asciicasts of terminals. Both are sorted, oldest
    first.
    """

    directory: Path
    grade: Grade
    timelines: tuple[Path, ...]
    recordings: tuple[Path, ...]

    @property
    def number(self) -> int:
        return int(self.directory.name)


@dataclass(frozen=True)
class Graded(Event):
    """What an attempt came to, and the reports of it."""

    kind = "graded"
    attempt: Attempt
    files: tuple[Path, ...]

    def data(self) -> dict[str, Any]:
        grade = self.attempt.grade
        keys = ("verdict", "points", "of", "percent", "pass_mark", "late", "replaced")
        return {"attempt": self.attempt.number, **{key: getattr(grade, key) for key in keys}, "files": self.files}


@dataclass(frozen=True)
class Learner:
    """A learner's instance of an exam, on this machine or on another one from which attempts came home.

    `attempt` is the one that counts: the one handed in, or else the last graded one. It is None when the last grading
    found replaced programs on the nodes.
    """

    name: str
    sitting: Sitting
    attempt: Attempt | None


def keep(instance: Instance, grade: Grade, outages: Sequence[Measurement], last: bool) -> Attempt:
    """Write the result of a grading, count it as an attempt unless it was not graded, and return it. Needs the lock.

    If nothing was graded because something was replaced on the nodes, the earlier attempts do not count either, until
    another one is graded.
    """
    sitting, seat = sitting_of(instance), read_seat(instance.directory)
    if seat:
        grade = grade.model_copy(update={"seat": seat.epoch})
    number = sitting.attempts + 1
    directory = instance.directory / "attempts" / str(number)
    shutil.rmtree(directory, ignore_errors=True)  # left by a grading that was killed or could not be finished
    directory.mkdir(parents=True)
    for count, outage in enumerate(outages, 1):
        draw(outage, outage.runs[0], [directory / f"outage-{count}-{outage.fault}.svg"])
    for recording in sorted((instance.directory / "recordings").glob("*.cast")):
        (directory / recording.name).write_bytes(whole_lines(recording.read_bytes()))
    publish(directory / GRADE, grade.model_dump_json(indent=2))
    counted: dict[str, object] = {"replaced": grade.replaced} if grade.replaced else {}
    if grade.verdict != "not graded":
        counted = {"attempts": number, "finished": grade.at if last else None, "replaced": ()}
    if counted:
        instance.remember(instance.state.model_copy(update={"sitting": sitting.model_copy(update=counted)}))
    return read(directory)


def read(directory: Path) -> Attempt:
    """Return the attempt in a directory. Raises LabError when there is no complete one."""
    try:
        grade = Grade.model_validate_json((directory / GRADE).read_bytes())
    except (OSError, ValueError) as error:
        raise LabError(f"{directory} holds no attempt at an exam: {error}") from None
    return Attempt(directory, grade, _sorted(directory, "*.svg"), _sorted(directory, "*.cast"))


def everything(instance_directory: Path) -> list[Attempt]:
    """Return all attempts of an instance, oldest first."""
    places = [place for place in (instance_directory / "attempts").glob("[0-9]*") if (place / GRADE).exists()]
    return [read(place) for place in sorted(places, key=lambda place: int(place.name))]


def find(instance_directory: Path, number: int) -> Attempt:
    """Return the attempt of that number, or the last one for 0. Raises LabError when there is none."""
    kept = {attempt.number: attempt for attempt in everything(instance_directory)}
    if not kept:
        raise LabError("there is no attempt yet; try: inv grade")
    wanted = number or max(kept)
    if wanted not in kept:
        raise LabError(f"there is no attempt {wanted}; there are {', '.join(map(str, kept))}")
    return kept[wanted]


def learners(exam: str, newest: Mapping[str, Epoch] = {}, of_class: str | None = None) -> list[Learner]:
    """Return everybody who has an instance of the exam on this machine, or from whose seat something came home here.

    With `of_class` only those of a class. `newest` has the epochs that seats have now, by instance, as far as they are
    known: attempts of earlier ones do not count.
    """
    places = collected.places() if of_class is None else sorted(collected.learners_dir(of_class).glob("[!.]*"))
    here = sorted(instances_dir().glob("*")) if of_class is None else []
    by_name: dict[str, dict[Path, Sitting]] = defaultdict(dict)
    for directory in (*here, *places):
        state = read_state(directory)
        if state and state.lab == exam and state.sitting:
            by_name[directory.name][directory] = state.sitting
    return [_learner(name, found, newest.get(name)) for name, found in sorted(by_name.items())]


def _learner(name: str, found: Mapping[Path, Sitting], newest: Epoch | None) -> Learner:
    seats = {directory: read_seat(directory) for directory in found}
    counts = collected.counting({directory: seat.epoch if seat else None for directory, seat in seats.items()}, newest)
    if counts is None:
        return Learner(name, next(iter(found.values())), None)
    sitting = found[counts]
    graded = 0 if sitting.replaced else sitting.attempts
    return Learner(name, sitting, read(counts / "attempts" / str(graded)) if graded else None)


def _sorted(directory: Path, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted(directory.glob(pattern)))
