"""The exam build: does its grader tell right solutions from wrong ones?"""

from collections.abc import Callable

import pytest

from tests.cli import Cli


@pytest.mark.timeout(3000)
def test_the_grader_is_proven(instances: Callable[..., Cli]) -> None:
    instances("build", "exam-build")("prove", "exam-build", timeout=3000)
