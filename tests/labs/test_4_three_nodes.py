"""Nothing in the lab assumes two nodes but what is about two nodes."""

from collections.abc import Callable

import pytest

from tests.cli import Cli


@pytest.mark.timeout(900)
def test_the_whole_lab_walks_with_three_nodes(instances: Callable[..., Cli]) -> None:
    cli = instances("three", "ha-web", "--nodes", "3")

    cli("up", "walk", timeout=800)

    status = cli.json("status")
    assert [node["member"] for node in status["nodes"]] == ["online"] * 3
    assert {step["outcome"] for step in status["steps"]} == {"passed"}
    cli("down")
