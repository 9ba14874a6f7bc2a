"""Proving checks: right solutions pass every one of them, and each has wrong ones that it finds, on real nodes.

exams     trying solutions of an exam
steps     trying solutions of a step
cheats    what looks like a solution of any exam, and is no cluster
commands  trying all of them
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from halab.conditions.checks import CheckResult, Condition, Outcome
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.walk.lab import Lab

UNTOUCHED, REFERENCE = "untouched", "reference"  # solutions that there always are: nothing, and what is meant
AT_REST = 1.0  # seconds that a check which has to fail is given, on a cluster in which nothing is under way


@dataclass(frozen=True)
class Solution:
    """What somebody might do. A wrong one says in `fails` which checks must not pass it: regular expressions, each
    found in some sentence; or in `replaces` which files of nodes it replaces, each of which must be seen from outside,
    so that nothing is graded. `after` names the solution whose result it starts from. One that ends the cluster says
    so, as that is not waited for then.
    """

    name: str
    perform: Callable[[Lab], None]
    fails: tuple[str, ...] = ()
    after: str = UNTOUCHED
    replaces: tuple[str, ...] = ()
    ends_cluster: bool = False

    @property
    def right(self) -> bool:
        return not self.fails and not self.replaces


def typed(*lines: str) -> Callable[[Lab], None]:
    """Lines that are typed on the first node."""

    def perform(lab: Lab) -> None:
        for line in lines:
            lab.nodes[0].type(line)

    return perform


@dataclass(frozen=True)
class Cell:
    """What one check said of one solution, and whether it should have passed it. `part` is the step, or the draw."""

    part: str
    solution: str
    sentence: str
    outcome: Outcome
    seen: str
    right: bool

    @classmethod
    def of(cls, part: str, solution: Solution, result: CheckResult) -> "Cell":
        return cls(part, solution.name, result.sentence, result.outcome, result.seen, right=solution.right)

    @property
    def good(self) -> bool:
        return self.outcome is (Outcome.PASSED if self.right else Outcome.FAILED)


@dataclass
class Proof:
    """The matrix: checks by solutions."""

    lab: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.good]

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """Part and sentence of each check that no wrong solution fails; to do nothing does not count as one."""
        stated = dict.fromkeys((cell.part, cell.sentence) for cell in self.cells)
        wrong = [cell for cell in self.cells if not cell.right and cell.solution != UNTOUCHED]
        found = {(cell.part, cell.sentence) for cell in wrong if cell.good}
        return [check for check in stated if check not in found]


class Concerned(Lab):
    """A lab on which only those checks are made that a wrong solution is about."""

    def __init__(self, instance: Instance, solution: Solution) -> None:
        super().__init__(instance)
        self._solution = solution

    def check(self, sentence: str, condition: Condition, *, within: float = 0, **rest: Any) -> None:
        if any(re.search(pattern, sentence) for pattern in self._solution.fails):
            super().check(sentence, condition, within=min(within, AT_REST), **rest)

    def must_have_been_concerned(self) -> None:
        """Raises LabError when some pattern was found in no sentence."""
        for pattern in self._solution.fails:
            if not any(re.search(pattern, result.sentence) for result in self.results):
                raise LabError(f"solution {self._solution.name!r}: no check's sentence has {pattern!r} in it")
        for path in self._solution.replaces:
            if not any(result.sentence.startswith(f"{path} of ") for result in self.results):
                raise LabError(f"solution {self._solution.name!r}: {path} was not seen to be replaced")
