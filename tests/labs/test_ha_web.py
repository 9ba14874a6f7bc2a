"""The lab ha-web: each of its steps is proven."""

from collections.abc import Callable

import pytest

from tests.cli import Cli
from tests.labs.walking import prove_step, steps_of

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    cli = instances("proven")
    cli("up", timeout=1800)
    return cli


@pytest.mark.parametrize("step", steps_of("ha-web"))
def test_step_is_proven(cli: Cli, step: str) -> None:
    prove_step(cli, step)
