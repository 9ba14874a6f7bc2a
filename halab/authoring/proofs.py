"""Whether each check has a wrong solution that is about it, found without a cluster. `inv prove` finds the rest."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from halab.authoring.stated import Stated
from halab.kit.errors import LabError
from halab.kit.toml import suggestion
from halab.proof import Solution
from halab.spec import labs
from halab.spec.labs import LabFolder
from halab.spec.paper import Draw

Problem = Callable[[Path, int, str], str]


def of_lab(lab: LabFolder, stated: Mapping[str, Sequence[Stated]], problem: Problem) -> Iterator[str]:
    """Yield what is wrong with the solutions of a lab.

    `stated` are the checks of each step. `problem` makes a sentence from a file, a line in it, and what is wrong.
    """
    file = lab.path / "solutions.py"
    try:
        known: dict[str, Sequence[Solution]] = getattr(labs.import_file(file), "SOLUTIONS", {})
    except LabError as error:
        yield str(error)
        return
    for name in known:
        if name not in stated:
            yield problem(file, 1, f'there is no step "{name}", {suggestion(name, list(stated))}')
    for step in lab.steps:
        checks, solutions = stated[step.name], known.get(step.name, ())
        yield from (problem(step.path, *unproven) for unproven in _unproven(checks, solutions))
        yield from (problem(file, 1, idle) for idle in _idle(checks, solutions))


def of_exam(lab: LabFolder, recorded: Callable[[Draw], Sequence[Stated]], problem: Problem) -> Iterator[str]:
    """Yield what is wrong with the solutions of an exam. A warning, which is worth no points, needs no proof.

    `recorded` returns the checks of a draw. `problem` is as in `of_lab`.
    """
    file = lab.path / "solutions.py"
    try:
        module = labs.import_file(file)
    except LabError as error:
        yield str(error)
        return
    for draw in module.draws(lab.spec):
        checks, solutions = recorded(draw), module.solutions(draw[1])
        worth = [check for check in checks if check.points]
        yield from (problem(lab.path / "grade.py", *unproven) for unproven in _unproven(worth, solutions))
        yield from (problem(file, 1, idle) for idle in _idle(checks, solutions))


def _unproven(checks: Sequence[Stated], solutions: Sequence[Solution]) -> Iterator[tuple[int, str]]:
    """Yield line and sentence of each check that no wrong solution is about."""
    patterns = [pattern for solution in solutions for pattern in solution.fails]
    for check in checks:
        if not any(re.search(pattern, check.sentence) for pattern in patterns):
            yield check.line, f'"{check.sentence}": no wrong solution in solutions.py is about it'


def _idle(checks: Sequence[Stated], solutions: Sequence[Solution]) -> Iterator[str]:
    """Yield a sentence for each pattern of a wrong solution that no check's sentence matches."""
    for solution in solutions:
        for pattern in solution.fails:
            if not any(re.search(pattern, check.sentence) for check in checks):
                yield f"{solution.name}: no check's sentence has {pattern!r} in it"
