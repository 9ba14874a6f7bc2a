"""The tests of every lab that goes on where another one ends.

A test file names its lab, and takes all else from here:

    from tests.labs.sequels import *

    LAB = "quorum"
"""

from collections.abc import Callable

import pytest

from halab.spec import labs
from tests.cli import Cli
from tests.labs.walking import prove_step, proven_steps

__all__ = [
    "cli",
    "pytest_generate_tests",
    "pytestmark",
    "test_a_new_instance_begins_with_the_finished_cluster_and_no_step_done",
    "test_step_is_proven",
]
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    proven_steps(metafunc, metafunc.module.LAB)


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli], distro: str, request: pytest.FixtureRequest) -> Cli:
    return instances(f"{request.module.LAB}-{distro}", request.module.LAB, distro=distro)


@pytest.mark.timeout(1800)  # the first test makes the image, and walks through the lab that comes before
def test_a_new_instance_begins_with_the_finished_cluster_and_no_step_done(
    cli: Cli, request: pytest.FixtureRequest
) -> None:
    cli("up", timeout=1800)

    status, lab = cli.json("status"), labs.load(request.module.LAB)
    total = len(lab.spec.nodes)
    members = lab.cluster_nodes or total

    assert [node["member"] for node in status["nodes"]] == ["online"] * members + [""] * (total - members)
    assert {step["outcome"] for step in status["steps"]} == {None}
    assert status["cluster"]["fencing"]
    assert len(status["vip"]["owners"]) == 1


def test_step_is_proven(cli: Cli, step: str) -> None:
    prove_step(cli, step)
