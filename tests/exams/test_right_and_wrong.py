"""An exam, graded as it began and as it should be: does grading work at all?"""

import pytest

from halab.proof import REFERENCE, UNTOUCHED
from tests.exams.proving import proof, prover, pytest_generate_tests, reading, test_a_solution_is_graded_as_it_should_be
from tests.exams.proving import pytestmark as as_when_proving

__all__ = ["proof", "prover", "pytest_generate_tests", "reading", "test_a_solution_is_graded_as_it_should_be"]
pytestmark = [*as_when_proving, pytest.mark.core]

EXAM = "exam-repair"
DRAWN = {"causes": ["colocation", "fencing-off", "http", "nginx", "standby"]}  # as many as a learner is given
ONLY = (UNTOUCHED, REFERENCE)
