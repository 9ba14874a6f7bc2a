"""Proving a grader: right solutions pass every check, and each check has wrong ones that it finds, on real nodes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from halab import checkpoints
from halab.checkpoints import GRADING, START
from halab.checks import Outcome
from halab.errors import LabError
from halab.exams.draw import paper_of
from halab.exams.grade import Mark
from halab.exams.grading import Examination, sound
from halab.exams.paper import Drawn
from halab.exams.sitting import sitting_of
from halab.instance import Instance
from halab.lab import Lab

UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Solution:
    """What somebody might do. The first right one of an exam is its reference.

    A wrong one says in `fails` which checks must not pass it: regular expressions, each found in some sentence. `after`
    names the solution that it starts from, when that is not the untouched start.
    """

    name: str
    perform: Callable[[Lab, Drawn], None]
    fails: tuple[str, ...] = ()
    after: str = UNTOUCHED


@dataclass(frozen=True)
class Cell:
    """What one check said of one solution, and whether it should have passed it."""

    draw: int
    solution: str
    sentence: str
    outcome: Outcome
    seen: str
    right: bool

    @property
    def good(self) -> bool:
        return self.outcome is (Outcome.PASSED if self.right else Outcome.FAILED)


@dataclass
class Proof:
    """The matrix: checks by solutions."""

    exam: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.good]

    @property
    def unproven(self) -> list[str]:
        """Checks that no wrong solution can fail; the untouched start does not count as one."""
        sentences = dict.fromkeys(cell.sentence for cell in self.cells)
        found = {cell.sentence for cell in self.cells if not cell.right and cell.good and cell.solution != UNTOUCHED}
        return [sentence for sentence in sentences if sentence not in found]


def prove(
    instance: Instance, number: int, solutions: Sequence[Solution], on_cell: Callable[[Cell], None]
) -> list[Cell]:
    """All cells of one draw, whose exam has begun on this instance. Needs the lock; the instance is used up by it."""
    cells: list[Cell] = []
    members = {START: Examination(instance).count_members()}
    for solution in (Solution(UNTOUCHED, _nothing, fails=("",)), *solutions):
        go_to = START if solution.after == UNTOUCHED else _name_of(solution.after)
        checkpoints.restore(instance, go_to)
        exam = _exam(instance, solution, members[go_to])
        marks = _marks(instance, exam, solution)
        if any(other.after == solution.name for other in solutions):
            checkpoints.restore(instance, GRADING)
            checkpoints.save(instance, _name_of(solution.name))
            members[_name_of(solution.name)] = exam.members
        for mark in marks:
            cell = Cell(number, solution.name, mark.sentence, mark.outcome, mark.seen, right=not solution.fails)
            cells.append(cell)
            on_cell(cell)
    checkpoints.forget(instance, GRADING)
    return cells


def _exam(instance: Instance, solution: Solution, members: frozenset[str]) -> Examination:
    """That makes only the checks that a wrong solution is about."""

    def concerned(sentence: str) -> bool:
        return not solution.fails or any(re.search(pattern, sentence) for pattern in solution.fails)

    exam = Examination(instance, concerned=concerned, at_rest=bool(solution.fails))
    exam.members = members
    return exam


def _marks(instance: Instance, exam: Examination, solution: Solution) -> list[Mark]:
    paper, drawn = paper_of(instance.folder), sitting_of(instance).drawn
    try:
        exam.settle()
        solution.perform(exam, drawn)
        exam.settle()
        sound(instance)
        exam.begin()
        paper.look(exam, drawn)
        paper.shake(exam, drawn)
    except LabError as error:
        raise LabError(f"{instance.folder.name}, solution {solution.name!r}: {error}") from error
    finally:
        exam.close()
    sentences = [mark.sentence for mark in exam.marks]
    for pattern in solution.fails:
        if not any(re.search(pattern, sentence) for sentence in sentences):
            raise LabError(f"solution {solution.name!r}: no check's sentence has {pattern!r} in it")
    return [mark for mark in exam.marks if mark.points]


def _nothing(lab: Lab, drawn: Drawn) -> None:
    """What somebody does who does nothing."""


def _name_of(solution: str) -> str:
    return "solved-" + re.sub(r"\W+", "-", solution)
