"""What the terminal shows of an exam, in rich's markup: a line for each check, what an attempt came to, a class."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from halab.cli.outcomes import COLOURS
from halab.conditions.checks import Outcome
from halab.exams.attempts import Attempt, Learner
from halab.exams.grade import Mark
from halab.kit.printable import printable

INDENT = " " * 16  # under the sentence


def mark_line(mark: Mark) -> str:
    """Return a line for a check. One that is not passed also tells what was expected and seen, and where to look."""
    colour, word = COLOURS[mark.outcome], mark.outcome.word
    worth = f"{mark.earned}/{mark.points}" if mark.points else "warning"
    line = f"[{colour}]{word:<5}[/]  {worth:>7}  {_plain(mark.sentence)}"
    if mark.outcome is Outcome.PASSED:
        return line
    return "\n".join([line, *(f"{INDENT}{told}" for told in _plain(mark.told).split("\n"))])


def summary(attempt: Attempt, files: Sequence[Path]) -> str:
    """Return the points of each task and of all, whether they are enough, and where the attempt is kept."""
    grade = attempt.grade
    late = ", after the time was over" if grade.late else ""
    tasks = [f"{task.points:>4}/{task.of:<4} {_plain(task.title)}" for task in grade.tasks]
    whole = f"{grade.percent:g} per cent, {grade.pass_mark} are needed: {grade.verdict}{late}"
    hints = [f"{-grade.hints_cost:>4}      {grade.hints} hints"] if grade.hints else []
    kept = [f"Kept in {escape(str(file))}" for file in files]
    replaced = [f"[red]{'REPLACED':<10}[/]{_plain(sentence)}" for sentence in grade.replaced]
    replaced += [f"[yellow]{'NOTICED':<10}[/]{_plain(sentence)}" for sentence in grade.noticed]
    hints += [f"{-grade.replaced_cost:>4}      as programs were replaced"] if grade.replaced_cost else []
    return "\n".join(["", *replaced, *tasks, *hints, f"[bold]{grade.points:>4}/{grade.of:<4} {whole}[/]", *kept])


def class_table(learners: Sequence[Learner], tasks: Sequence[str]) -> Table:
    table = Table()
    for heading in ("Learner", "Attempt", "Minutes", "Points", "Per cent", "Verdict", *tasks):
        table.add_column(heading, overflow="fold")
    for learner in learners:
        if learner.attempt is None:
            table.add_row(learner.name, "", "", "", "", "not graded")
            continue
        grade = learner.attempt.grade
        worth = {task.name: f"{task.points}/{task.of}" for task in grade.tasks}
        table.add_row(
            learner.name,
            str(learner.attempt.number),
            f"{grade.minutes:g}",
            f"{grade.points}/{grade.of}",
            f"{grade.percent:g}",
            grade.verdict + (", late" if grade.late else ""),
            *(worth.get(task, "") for task in tasks),
        )
    return table


def _plain(text: str) -> str:
    """Return what a learner wrote, so that it is no markup and controls no terminal."""
    return escape(printable(text))
