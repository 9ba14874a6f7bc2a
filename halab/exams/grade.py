"""A grade: plain data, written as JSON. Every report is made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime

from halab.conditions.checks import CheckResult, Outcome
from halab.instance.seat import Epoch
from halab.instance.state import Sitting
from halab.kit.audience import Event
from halab.kit.frozen import Frozen
from halab.spec.paper import ExamFile

GRADE = "grade.json"  # in an attempt's directory


class Mark(Frozen):
    """One check: what was expected and seen, what it is worth, and its hints. The first hint says where to look."""

    task: str
    sentence: str
    outcome: Outcome
    points: int
    expected: str
    seen: str
    hints: tuple[str, ...]
    seconds: float

    @classmethod
    def of(cls, task: str, points: int, result: CheckResult) -> "Mark":
        return cls(
            task=task,
            sentence=result.sentence,
            outcome=result.outcome,
            points=points,
            expected=result.expected,
            seen=result.seen,
            hints=result.hints,
            seconds=round(result.seconds, 3),
        )

    @property
    def earned(self) -> int:
        return self.points if self.outcome is Outcome.PASSED else 0

    @property
    def told(self) -> str:
        """What people are told of a check that did not pass. Of the hints, it has only where to look."""
        parts = [("expected", self.expected), ("seen", self.seen), *(("look", hint) for hint in self.hints[:1])]
        return "\n".join(f"{name + ':':<10}{text.replace(chr(10), chr(10) + ' ' * 10)}" for name, text in parts)


@dataclass(frozen=True)
class Marked(Event):
    """The outcome of one check of an exam. Programs are told what people are: of the hints, only where to look."""

    kind = "marked"
    mark: Mark

    def data(self) -> dict[str, Any]:
        told = self.mark.model_dump(mode="json", exclude={"hints"})
        return {**told, "earned": self.mark.earned, "look": list(self.mark.hints[:1])}


class TaskScore(Frozen):
    name: str
    title: str
    points: int
    of: int


class Grade(Frozen):
    """The result of one grading.

    `verdict` is `not graded` when the outcome of some check is unknown: a broken lab never counts against a learner. It
    is also `not graded` when something that runs on the nodes was replaced, unless the exam says what that costs.
    `replaced` has a sentence for each such thing.
    """

    exam: str
    title: str
    instance: str
    seed: str
    began: AwareDatetime
    at: AwareDatetime
    seconds: float  # that grading took
    late: bool  # handed in after the exam's time was over
    practice: bool
    hints: int  # number of hints that were given
    hints_cost: int  # points, which are taken off the sum of the tasks
    replaced: tuple[str, ...] = ()
    replaced_cost: int = 0  # points, which are taken off, too
    noticed: tuple[str, ...] = ()  # what may have been done for the grading only; it costs nothing
    points: int
    of: int
    percent: float
    pass_mark: int
    verdict: Literal["passed", "failed", "not graded"]
    tasks: tuple[TaskScore, ...]
    checks: tuple[Mark, ...]
    seat: Epoch | None = None  # of the seat in a class where it was graded

    @property
    def minutes(self) -> float:
        """The time that the learner took."""
        return round((self.at - self.began).total_seconds() / 60, 1)

    def marks_of(self, task: TaskScore) -> list[Mark]:
        return [mark for mark in self.checks if mark.task == task.name]

    @classmethod
    def of_marks(
        cls,
        exam: str,
        instance: str,
        sitting: Sitting,
        paper: ExamFile,
        marks: Sequence[Mark],
        at: datetime,
        seconds: float,
        replaced: Sequence[str] = (),
        noticed: Sequence[str] = (),
    ) -> "Grade":
        assert sitting.began  # noqa: S101  # what has not begun is not graded
        tasks = tuple(
            TaskScore(
                name=task.name,
                title=task.title,
                points=sum(mark.earned for mark in marks if mark.task == task.name),
                of=task.points,
            )
            for task in paper.tasks
        )
        hints = sum(sitting.hints.values())
        hints_cost = 0 if sitting.practice else hints * (paper.hint_cost or 0)
        replaced_cost = (paper.replaced_cost or 0) if replaced else 0
        points = max(0, sum(task.points for task in tasks) - hints_cost - replaced_cost)
        percent = 100 * points / paper.points
        unknown = any(mark.outcome is Outcome.UNKNOWN for mark in marks)
        ungraded = unknown or (bool(replaced) and paper.replaced_cost is None)
        return cls(
            exam=exam,
            title=paper.title,
            instance=instance,
            seed=sitting.seed,
            began=sitting.began,
            at=at,
            seconds=round(seconds, 1),
            late=(at - sitting.began).total_seconds() > paper.minutes * 60,
            practice=sitting.practice,
            hints=hints,
            hints_cost=hints_cost,
            replaced=tuple(replaced),
            replaced_cost=replaced_cost,
            noticed=tuple(noticed),
            points=points,
            of=paper.points,
            percent=round(percent, 1),
            pass_mark=paper.pass_mark,
            verdict="not graded" if ungraded else "passed" if percent >= paper.pass_mark else "failed",
            tasks=tasks,
            checks=tuple(marks),
        )
