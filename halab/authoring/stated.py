"""The checks of a step or an exam, recorded without a cluster, each with the line that states it."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from halab.conditions.checks import CheckResult, Condition
from halab.conditions.lab import Exam
from halab.spec import distros
from halab.spec.lab_code import line_in
from halab.spec.models import LabSpec
from halab.walk.show import AskedOfCluster, Recorder


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

    def check(
        self,
        sentence: str,
        condition: Condition,
        *,
        points: int = 0,
        within: float = 0,
        hint: str | tuple[str, ...] = (),
    ) -> None:
        self.stated.append(Stated(self._line(), sentence, condition.hints_or(hint), self._task, points))

    def afresh(self) -> None:
        """Do nothing: on a recorder, nothing is broken."""

    def boot_all(self) -> None:
        """Do nothing: on a recorder, time does not pass."""

    def _line(self) -> int:
        """Return the line of the file on which it now states a check, be it in a function of its own."""
        lines = (line for frame, line in traceback.walk_stack(None) if frame.f_code.co_filename == str(self.file))
        return next(lines, 1)


def record(file: Path, spec: LabSpec, distro: str, *calls: Callable[[Exam], None]) -> tuple[list[Stated], End | None]:
    """Record the checks that functions of the file state.

    Return them in order, and what stopped the recording, or None.
    """
    recorder = CheckRecorder(spec, distros.load(distro), file=file)
    exam: Exam = recorder
    try:
        for call in calls:
            call(exam)
    except Exception as error:  # noqa: BLE001  # an author may have written anything
        return recorder.stated, _end(error, file)
    return recorder.stated, None


def _end(error: Exception, file: Path) -> End:
    line = line_in(error, file)
    if isinstance(error, AskedOfCluster):
        return End(line, str(error), asks=True)
    if isinstance(error, AttributeError) and error.obj is None and error.name in CheckResult.__dataclass_fields__:
        return End(line, f"the {error.name} of a check is asked of a real cluster", asks=True)
    return End(line, f"{type(error).__name__}: {error}", asks=False)
