"""The exam repair: does its grader tell right solutions from wrong ones?"""

from collections.abc import Callable

import pytest

from tests.cli import Cli


@pytest.mark.timeout(2400)
def test_the_grader_is_proven(instances: Callable[..., Cli]) -> None:
    instances("repair", "exam-repair")("prove", "exam-repair", timeout=2400)
