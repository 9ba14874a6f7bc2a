"""Proving checks on real nodes: right solutions pass all of them, and for each check some wrong solution fails it.

actions   tries all solutions of an exam or a lab
exams     tries solutions of an exam
steps     tries solutions of a step
cheats    wrong solutions for any exam, which look like a cluster and are none
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from halab.conditions.checks import CheckResult, Condition, Outcome
from halab.conditions.lab import Lab
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience, Event
from halab.kit.errors import LabError
from halab.walk.lab import Lab as RunningLab

EVERY_CHECK = ("",)  # a pattern that is found in each sentence
UNTOUCHED, REFERENCE = "untouched", "reference"  # what always exists: doing nothing, and the intended solution
AT_REST = 1.0  # seconds for a check that has to fail, on a cluster in which nothing is under way


@dataclass(frozen=True)
class Solution:
    """Something that somebody might do on the nodes of a lab. It is right unless it has `fails` or `replaces`.

    - `fails`: regular expressions. A check whose sentence matches one must fail, and each must match some sentence.
    - `replaces`: paths on nodes that it replaces. Each must be seen from outside, and then nothing is graded.
    - `after`: the name of the solution whose result it starts from.
    - `ends_cluster`: no cluster is left, so nobody waits for one.
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
    """Return a `perform` that types these lines on the first node."""

    def perform(lab: Lab) -> None:
        for line in lines:
            lab.nodes[0].type(line)

    return perform


def out_of_service(lab: Lab, *resources: str) -> None:
    """Leave a cluster in which no node is fenced, one is in standby, and neither the address nor `resources` run."""
    first, second = lab.nodes[:2]
    first.type("pcs property set stonith-enabled=false")
    first.type(f"pcs resource disable {' '.join((*resources, 'virtual_ip'))}")
    lab.settle()
    first.type(f"pcs node standby {second.name}")


@dataclass(frozen=True)
class Cell:
    """The outcome of one check under one solution.

    `part` is the step or the draw, `right` whether the check should pass.
    """

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


@dataclass(frozen=True)
class Proven(Event):
    """One cell of a proof is known."""

    kind = "proven"
    cell: Cell

    def data(self) -> dict[str, Any]:
        return {**asdict(self.cell), "good": self.cell.good}


@dataclass
class Proof:
    """The matrix of a lab: each check's outcome under each solution."""

    lab: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.good]

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """Part and sentence of each check that no wrong solution fails. Doing nothing is not a wrong solution."""
        stated = dict.fromkeys((cell.part, cell.sentence) for cell in self.cells)
        wrong = [cell for cell in self.cells if not cell.right and cell.solution != UNTOUCHED]
        found = {(cell.part, cell.sentence) for cell in wrong if cell.good}
        return [check for check in stated if check not in found]


class Concerned(RunningLab):
    """A lab on which only the checks run that a wrong solution is about."""

    def __init__(self, instance: Instance, solution: Solution, audience: Audience = NOBODY) -> None:
        super().__init__(instance, audience=audience)
        self._solution = solution

    def check(self, sentence: str, condition: Condition, *, within: float = 0, **rest: Any) -> None:
        if any(re.search(pattern, sentence) for pattern in self._solution.fails):
            super().check(sentence, condition, within=min(within, AT_REST), **rest)

    def must_have_been_concerned(self) -> None:
        """Raise LabError when a pattern matched no sentence, or a replaced path was not seen."""
        for pattern in self._solution.fails:
            if not any(re.search(pattern, result.sentence) for result in self.results):
                raise LabError(f"solution {self._solution.name!r}: no check's sentence has {pattern!r} in it")
        for path in self._solution.replaces:
            if not any(result.sentence.startswith(f"{path} of ") for result in self.results):
                raise LabError(f"solution {self._solution.name!r}: {path} was not seen to be replaced")
