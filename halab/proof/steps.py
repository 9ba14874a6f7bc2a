"""Trying solutions of a step. They are verified as a learner's are."""

from collections.abc import Callable, Sequence

from halab.conditions.checks import Outcome
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience
from halab.kit.errors import LabError
from halab.proof import REFERENCE, UNTOUCHED, Cell, Concerned, Solution
from halab.spec.labs import Step
from halab.walk import bringup
from halab.walk.lab import Lab

NOTHING = Solution(UNTOUCHED, lambda lab: None, fails=("",))
PERFORMED = Solution(REFERENCE, lambda lab: None)


class Prover:
    """Tries solutions of one step, on an instance on which all steps before it are passed. Needs the lock.

    The audience is told what the solutions type, and what that prints.
    """

    def __init__(
        self, instance: Instance, step: Step, solutions: Sequence[Solution], audience: Audience = NOBODY
    ) -> None:
        self._instance = instance
        self._audience = audience
        self._step = step
        self._solutions = solutions

    def before(self) -> list[Cell]:
        """Return what is seen before the step is performed: some check fails, and so do the wrong solutions from here.

        The cells are those of the failed checks and of these solutions. Afterwards the cluster is as before.
        """
        cells = self._verify(NOTHING)
        failed = [cell for cell in cells if cell.outcome is not Outcome.PASSED] or cells
        here = [solution for solution in self._solutions if solution.fails and solution.after == UNTOUCHED]
        return failed + self._try_out(here, self._back, touched=False, last=self._back)

    def after(self) -> list[Cell]:
        """Return the cells of the passed step, of the wrong solutions that start there, and of alternative solutions.

        Afterwards the step is passed.
        """
        here = [solution for solution in self._solutions if solution.after == REFERENCE]
        others = [solution for solution in self._solutions if solution.after == UNTOUCHED and not solution.fails]
        cells = self._verify(PERFORMED)
        cells += self._try_out(here, self._forth, touched=False, last=None if others else self._forth)
        return cells + self._try_out(others, self._back, touched=True, last=self._forth)

    def _try_out(
        self, solutions: Sequence[Solution], go: Callable[[], None], touched: bool, last: Callable[[], None] | None
    ) -> list[Cell]:
        """Try solutions, and return their cells.

        `go` goes to where a solution starts from. The first solution does not need it unless the cluster is `touched`.
        `last` is called at the end.
        """
        cells: list[Cell] = []
        for solution in solutions:
            if touched:
                go()
            cells += self._verify(solution)
            touched = True
        if solutions and last:
            last()
        return cells

    def _verify(self, solution: Solution) -> list[Cell]:
        lab = (
            Concerned(self._instance, solution, self._audience)
            if solution.fails
            else Lab(self._instance, self._audience)
        )
        try:
            solution.perform(lab)
            lab.settle()
            self._step.verify(lab)
        except LabError as error:
            raise LabError(f"step {self._step.name}, solution {solution.name!r}: {error}") from error
        finally:
            lab.close()
        if isinstance(lab, Concerned):
            lab.must_have_been_concerned()
        return [Cell.of(self._step.name, solution, result) for result in lab.results]

    def _back(self) -> None:
        bringup.go_back(self._instance, bringup.before_step(self._instance, self._step.name))

    def _forth(self) -> None:
        bringup.go_back(self._instance, self._step.name)
