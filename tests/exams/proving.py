"""Each exam's grader is proven, with a test for each solution.

A test file names its exam, and takes all else from here:

    from tests.exams.proving import *

    EXAM = "exam-tune"
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from halab.cli.audience import RichAudience
from halab.cli.selection import Selection, instance_to_make
from halab.proof import Proof, Solution
from halab.proof.exams import NOTHING, Draw, Prover, begun
from halab.spec import labs
from tests.labs.conftest import SESSION
from tests.labs.walking import Reading, outdated

__all__ = [
    "proof",
    "prover",
    "pytest_generate_tests",
    "pytestmark",
    "reading",
    "test_a_solution_is_graded_as_it_should_be",
    "test_in_the_end_every_check_has_found_a_wrong_solution",
]
pytestmark = [
    pytest.mark.timeout(1800),  # the first test makes the image, and walks through the lab that comes before
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    exam = labs.load(metafunc.module.EXAM)
    if "distro" in metafunc.fixturenames:
        metafunc.parametrize("distro", exam.spec.proven_on, scope="module")
    if "solution" in metafunc.fixturenames:
        solutions = [NOTHING, *_module(exam.name).solutions(_draw(metafunc.module)[1])]
        if only := getattr(metafunc.module, "ONLY", ()):
            solutions = [solution for solution in solutions if solution.name in only]
        metafunc.parametrize("solution", solutions, ids=lambda solution: solution.name)


def _draw(module: Any) -> Draw:
    """Return what is proven of the exam that a test file names, with what the file has in place of it."""
    exam = labs.load(module.EXAM)
    [(spec, drawn)] = _module(exam.name).draws(exam.spec)
    return spec, drawn | getattr(module, "DRAWN", {})


def _module(exam: str) -> Any:
    return labs.import_file(labs.load(exam).path / "solutions.py")


@pytest.fixture(scope="module")
def proof(request: pytest.FixtureRequest, distro: str) -> Proof:
    return Proof(f"{request.module.EXAM} on {distro}")


@pytest.fixture(scope="module")
def reading(distro: str) -> Reading:
    """What the solution that is tried types, and what that prints."""
    return Reading()


@pytest.fixture(scope="module")
def prover(request: pytest.FixtureRequest, distro: str, reading: Reading) -> Iterator[Prover]:
    exam = labs.load(request.module.EXAM)
    draw = _draw(request.module)
    chosen = Selection(lab=exam.name, instance=f"t{SESSION}-{exam.name}", provider="podman", distro=distro)
    with begun(instance_to_make(chosen), draw, RichAudience(sys.stdout)) as instance:
        yield Prover(instance, "the draw", _module(exam.name).solutions(draw[1]), reading)


def test_a_solution_is_graded_as_it_should_be(
    prover: Prover, proof: Proof, reading: Reading, solution: Solution
) -> None:
    reading.text = ""

    cells = prover.try_out(solution)

    proof.cells += cells
    wrong = [cell for cell in cells if not cell.good]
    assert cells
    assert not wrong, wrong
    if solution.right:
        warned = outdated(reading.text)
        assert "[root@" in reading.text
        assert not warned, warned


def test_in_the_end_every_check_has_found_a_wrong_solution(proof: Proof) -> None:
    assert proof.cells
    assert not proof.unproven, proof.unproven
