"""Every lab that goes on where ha-web ends. Each test goes on from where the last one of its lab left off."""

from collections.abc import Callable

import pytest

from halab import labs
from tests.cli import Cli
from tests.labs.walking import steps_of, walk_step

pytestmark = pytest.mark.timeout(600)
ELSEWHERE = ("failover",)  # in a file of its own, with what is measured there


def here(lab: labs.LabFolder) -> bool:
    """Whether containers will do for it."""
    return bool(lab.continues) and "podman" in (lab.spec.needs.providers or ("podman",))


SEQUELS = [name for name in labs.names() if name not in ELSEWHERE and here(labs.load(name))]


@pytest.fixture
def cli(instances: Callable[..., Cli], lab: str) -> Cli:
    return instances(lab, lab)


@pytest.mark.parametrize("lab", SEQUELS)
def test_up_begins_with_the_finished_cluster_and_no_step_done(cli: Cli, lab: str) -> None:
    cli("up", timeout=1800)

    status = cli.json("status")

    assert [node["member"] for node in status["nodes"]] == ["online"] * len(labs.load(lab).spec.nodes)
    assert {step["outcome"] for step in status["steps"]} == {None}
    assert status["cluster"]["fencing"]
    assert len(status["vip"]["owners"]) == 1


@pytest.mark.parametrize(("lab", "step"), [(lab, step) for lab in SEQUELS for step in steps_of(lab)])
def test_step_fails_before_and_passes_after_it_is_performed(
    cli: Cli, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_step(cli, step, monkeypatch)
