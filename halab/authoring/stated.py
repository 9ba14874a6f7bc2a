"""The checks of a step or an exam, recorded without a cluster, each with the line that states it."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halab.conditions.checks import CheckResult, Condition
from halab.exams.grading import Examination
from halab.instance.nodes import Node, Workstation
from halab.spec import distros
from halab.spec.lab_code import line_in
from halab.spec.models import LabSpec
from halab.walk.show import RecordedNode, RecordedPlace, Recorder

REAL = ((Recorder, Examination), (RecordedNode, Node), (RecordedPlace, Workstation))


@dataclass(frozen=True)
class Stated:
    """One check, as the file states it."""

    line: int
    sentence: str
    hints: tuple[str, ...]
    task: str
    points: int


@dataclass(frozen=True)
class End:
    """What kept a file from being recorded to its end.

    `asks`: the code asks something that only a cluster can answer.
    """

    line: int
    reason: str
    asks: bool


@dataclass
class CheckRecorder(Recorder):
    """Stands in for walk.lab.Lab and exams.grading.Examination, for the functions of one file."""

    file: Path = Path()
    stated: list[Stated] = field(default_factory=list)
    _task: str = ""

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        self._task = name
        yield
        self._task = ""

    def check(self, sentence: str, condition: Condition, **options: Any) -> None:
        own: str | tuple[str, ...] = options.get("hint", ())
        hints = ((own,) if isinstance(own, str) else own) or condition.hints
        self.stated.append(Stated(self._line(), sentence, hints, self._task, options.get("points", 0)))

    def afresh(self) -> None:
        """Do nothing: on a recorder, nothing is broken."""

    def boot_all(self) -> None:
        """Do nothing: on a recorder, time does not pass."""

    def _line(self) -> int:
        """Return the line of the file on which it now states a check, be it in a function of its own."""
        lines = (line for frame, line in traceback.walk_stack(None) if frame.f_code.co_filename == str(self.file))
        return next(lines, 1)


def record(
    file: Path, spec: LabSpec, distro: str, *calls: Callable[[CheckRecorder], None]
) -> tuple[list[Stated], End | None]:
    """Record the checks that functions of the file state.

    Return them in order, and what stopped the recording, or None.
    """
    recorder = CheckRecorder(spec, distros.load(distro), file=file)
    try:
        for call in calls:
            call(recorder)
    except Exception as error:  # noqa: BLE001  # an author may have written anything
        return recorder.stated, _end(error, file)
    return recorder.stated, None


def _end(error: Exception, file: Path) -> End:
    line = line_in(error, file)
    if isinstance(error, AttributeError) and (asked := _asked(error)):
        return End(line, f"{asked} is asked of a real cluster", asks=True)
    return End(line, f"{type(error).__name__}: {error}", asks=False)


def _asked(error: AttributeError) -> str:
    """Return what only a cluster could have answered. It is empty when the name is a mistake."""
    if error.obj is None and error.name in CheckResult.__dataclass_fields__:
        return f"the {error.name} of a check"
    name = error.name or ""
    return name if any(isinstance(error.obj, stand_in) and hasattr(real, name) for stand_in, real in REAL) else ""
