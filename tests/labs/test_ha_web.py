"""The lab ha-web: each of its steps is proven, on each distro that its file names for that."""

from collections.abc import Callable

import pytest

from tests.cli import Cli
from tests.labs.walking import prove_step, proven_steps

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    proven_steps(metafunc, "ha-web")


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli], distro: str) -> Cli:
    cli = instances(f"proven-{distro}", distro=distro)
    cli("up", timeout=1800)
    return cli


def test_step_is_proven(cli: Cli, step: str) -> None:
    prove_step(cli, step)
