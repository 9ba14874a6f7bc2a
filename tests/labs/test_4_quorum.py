"""The lab quorum, on three nodes: ha-web assumes nothing about two but what is about two."""

from collections.abc import Callable

import pytest

from tests.cli import Cli
from tests.labs.walking import steps_of, walk_step

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    return instances("quorum", "quorum")


def test_up_walks_through_ha_web_with_three_nodes(cli: Cli) -> None:
    cli("up", timeout=1800)

    status = cli.json("status")

    assert [node["member"] for node in status["nodes"]] == ["online"] * 3
    assert status["cluster"]["fencing"]
    assert len(status["vip"]["owners"]) == 1


@pytest.mark.parametrize("step", steps_of("quorum"))
def test_step_fails_before_and_passes_after_it_is_performed(
    cli: Cli, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_step(cli, step, monkeypatch)
