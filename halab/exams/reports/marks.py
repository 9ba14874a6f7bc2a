"""A class's marks as two tables: one has a row for each learner, the other for each check that a learner failed."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from halab.conditions.checks import Outcome
from halab.exams.attempts import Learner
from halab.exams.reports.text import cell
from halab.kit.files import publish

COLUMNS = ("learner", "seed", "attempt", "at", "minutes", "points", "of", "percent", "verdict", "late")
FAILED = ("learner", "task", "check", "expected", "seen", "hint")
Row = list[str | int | float | bool | None]


def table(learners: Sequence[Learner], tasks: Sequence[str]) -> list[Row]:
    """Return a row for each learner: COLUMNS, then the points of each task.

    Learners without a graded attempt have a row, too.
    """
    return [_row(learner, tasks) for learner in learners]


def failed(learners: Sequence[Learner]) -> list[Row]:
    return [
        [learner.name, mark.task, mark.sentence, mark.expected, mark.seen, *(mark.hints[:1] or [""])]
        for learner in learners
        if learner.attempt
        for mark in learner.attempt.grade.checks
        if mark.outcome is Outcome.FAILED
    ]


def as_csv(heading: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in (heading, *rows):
        writer.writerow(map(_cell, row))
    return text.getvalue()


def write(file: Path, learners: Sequence[Learner], tasks: Sequence[str]) -> dict[str, Path]:
    """Write both tables, the second one beside the first, and return what each is, and its file."""
    beside = file.with_name(f"{file.stem}-failed.csv")
    publish(file, as_csv([*COLUMNS, *tasks], table(learners, tasks)))
    publish(beside, as_csv(FAILED, failed(learners)))
    return {"Marks": file, "Failed checks": beside}


def as_data(learners: Sequence[Learner], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return the data for --json: each learner with the points of their tasks, and the checks that they failed."""
    return [
        {
            **dict(zip(COLUMNS, row, strict=False)),
            "tasks": dict(zip(tasks, row[len(COLUMNS) :], strict=True)),
            "failed": [dict(zip(FAILED[1:], check[1:], strict=True)) for check in failed([learner])],
        }
        for learner, row in zip(learners, table(learners, tasks), strict=True)
    ]


def _cell(value: str | int | float | bool | None) -> str | int | float | None:
    if isinstance(value, str):
        return cell(value)
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _row(learner: Learner, tasks: Sequence[str]) -> Row:
    if learner.attempt is None:
        return [learner.name, learner.sitting.seed, *[None] * 6, "not graded", None, *[None] * len(tasks)]
    grade = learner.attempt.grade
    points = {task.name: task.points for task in grade.tasks}
    return [
        learner.name,
        grade.seed,
        learner.attempt.number,
        grade.at.isoformat(timespec="seconds"),
        grade.minutes,
        grade.points,
        grade.of,
        grade.percent,
        grade.verdict,
        grade.late,
        *(points.get(task) for task in tasks),
    ]
