"""Each exam's grader is proven, a test for each solution; a test file says which exam, and takes it all from here:

from tests.exams.proving import *

EXAM = "exam-tune"
"""

from collections.abc import Iterator

import pytest

from halab import labs
from halab.proof import Proof, Solution
from halab.proof.exams import NOTHING, Prover, begun
from halab.selection import Selection
from tests.labs.conftest import SESSION

__all__ = [
    "proof",
    "prover",
    "pytest_generate_tests",
    "pytestmark",
    "test_every_check_has_a_wrong_solution_that_it_finds",
    "test_what_the_grader_says_of_it_is_right",
]
pytestmark = pytest.mark.timeout(1800)  # the first one makes the image, and walks through the lab before


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A draw is a place in the module's list; an instance is made for each."""
    exam = labs.load(metafunc.module.EXAM)
    module = labs.import_file(exam.path / "solutions.py")
    draws = module.draws(exam.spec)
    if "solution" in metafunc.fixturenames:
        cases = [(draw, solution) for draw in draws for solution in (NOTHING, *module.solutions(draw[1]))]
        ids = [f"{solution.name}-{draws.index(draw) + 1}" for draw, solution in cases]
        metafunc.parametrize(("prover", "solution"), cases, indirect=["prover"], scope="module", ids=ids)


@pytest.fixture(scope="module")
def proof(request: pytest.FixtureRequest) -> Proof:
    return Proof(request.module.EXAM)


@pytest.fixture(scope="module")
def prover(request: pytest.FixtureRequest) -> Iterator[Prover]:
    exam = labs.load(request.module.EXAM)
    solutions = labs.import_file(exam.path / "solutions.py").solutions(request.param[1])
    chosen = Selection(lab=exam.name, instance=f"t{SESSION}-{exam.name}", provider="podman", distro="debian12")
    with begun(chosen, request.param, print) as instance:
        yield Prover(instance, "the draw", solutions)


def test_what_the_grader_says_of_it_is_right(prover: Prover, proof: Proof, solution: Solution) -> None:
    cells = prover.try_out(solution)

    proof.cells += cells
    assert cells
    assert [cell for cell in cells if not cell.good] == []


def test_every_check_has_a_wrong_solution_that_it_finds(proof: Proof) -> None:
    assert proof.unproven == []
