"""The lab split-brain. Each test goes on from where the last one left off."""

from collections.abc import Callable

import pytest

from tests.cli import Cli
from tests.labs.walking import steps_of, walk_step

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    cli = instances("split-brain", "split-brain")
    cli("up", timeout=1800)
    return cli


@pytest.mark.parametrize("step", steps_of("split-brain"))
def test_step_fails_before_and_passes_after_it_is_performed(
    cli: Cli, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_step(cli, step, monkeypatch)
