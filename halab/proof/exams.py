"""Trying solutions of an exam. They are graded as a learner's are."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from halab.conditions.checks import CheckResult, Outcome
from halab.exams.draw import paper_of
from halab.exams.grade import Mark
from halab.exams.grading import Examination, sound
from halab.exams.sitting import begin, sitting_of
from halab.exams.witness.look import Witness
from halab.instance.instance import Instance
from halab.instance.state import Sitting
from halab.kit.audience import NOBODY, Audience, saying
from halab.kit.errors import LabError
from halab.proof import UNTOUCHED, Cell, Concerned, Solution
from halab.spec.paper import Draw
from halab.walk import bringup, checkpoints
from halab.walk.checkpoints import START

NOTHING = Solution(UNTOUCHED, lambda lab: None, fails=("",))  # every check that is worth points must fail it


class Trial(Concerned, Examination):
    """An examination with only the checks that a wrong solution is about."""


class Prover:
    """Tries solutions one by one, on an instance whose exam has begun.

    The instance is used up: it cannot be used for anything afterwards. A solution must come after the one that it
    starts from. The audience is told what the solutions type, and what that prints. Needs the lock.
    """

    def __init__(
        self, instance: Instance, part: str, solutions: Sequence[Solution], audience: Audience = NOBODY
    ) -> None:
        self._instance = instance
        self._audience = audience
        self._part = part
        self._bases = {solution.after for solution in solutions}
        self._members = {UNTOUCHED: Examination(instance).count_members()}
        self._witness = Witness(instance)

    def try_out(self, solution: Solution) -> list[Cell]:
        """Return the outcome of each check that is worth points and that the solution is about.

        Return nothing for a solution that replaces files, where the host does not see them.
        """
        if solution.replaces and not self._witness.sees:
            return []
        start = START if solution.after == UNTOUCHED else _checkpoint_of(solution.after)
        checkpoints.restore(self._instance, start)
        exam = (
            Examination(self._instance, audience=self._audience)
            if solution.right
            else Trial(self._instance, solution, self._audience)
        )
        exam.members = self._members[solution.after]
        self._grade(exam, solution)
        if isinstance(exam, Trial):
            exam.must_have_been_concerned()
        worth = [result for result, mark in zip(exam.results, exam.marks, strict=True) if mark.points]
        return [Cell.of(self._part, solution, result) for result in worth]

    def _grade(self, exam: Examination, solution: Solution) -> None:
        paper, drawn = paper_of(self._instance.folder), sitting_of(self._instance).drawn
        try:
            exam.settle()
            solution.perform(exam)
            if self._is_replaced(exam):
                return  # nothing is graded then
            if solution.ends_cluster:
                exam.members = frozenset()
            exam.settle()
            sound(self._instance)
            exam.begin()
            if solution.name in self._bases - {UNTOUCHED}:
                checkpoints.save(self._instance, _checkpoint_of(solution.name))
                self._members[solution.name] = exam.members
            paper.look(exam, drawn)
            paper.shake(exam, drawn)
            self._is_replaced(exam)
        except LabError as error:
            raise LabError(f"{self._instance.folder.name}, solution {solution.name!r}: {error}") from error
        finally:
            exam.close()

    def _is_replaced(self, exam: Examination) -> bool:
        """Return whether something on the nodes is not what its package contains.

        Each such thing becomes a failed check.
        """
        found = self._witness.look()
        for finding in found:
            expected = "what runs on the nodes is what their packages contain"
            hints = (f"put it back: {finding.remedy}",)
            exam.results.append(CheckResult(finding.sentence, Outcome.FAILED, expected, finding.wrong, hints, 0))
            exam.marks.append(Mark.of("", 1, exam.results[-1]))
        return bool(found)


@contextmanager
def begun(made: Instance, draw: Draw, audience: Audience) -> Iterator[Instance]:
    """Bring up an instance, begin its exam with this draw, and hold its lock. The instance is removed afterwards."""
    spec, drawn = draw
    made.state = made.state.model_copy(update={"spec": spec, "sitting": Sitting(seed="", drawn=drawn)})
    made.provider.prepare(saying(audience))
    with made.lock():
        try:
            bringup.up(made, audience)
            begin(made, practice=False)
            yield made
        finally:
            made.down()


def _checkpoint_of(solution: str) -> str:
    return "solved-" + re.sub(r"\W+", "-", solution)
