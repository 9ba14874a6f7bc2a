"""What every lab's walk has in common: a step's verify fails before its perform, and passes after it."""

import pytest

from halab import labs
from tests.cli import Cli


def steps_of(lab: str) -> list[str]:
    return [step.name for step in labs.load(lab).steps]


def walk_step(cli: Cli, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as hurry:  # what nobody does, nobody needs to wait for
        hurry.setenv("HALAB_TIMEOUT_FACTOR", "0.05")
        before = cli.json("check", "--step", step, expect=1)
    cli("reset")  # a failed check leaves its record; the walk starts from the checkpoint

    cli("next")

    after = cli.json("check", "--step", step)
    assert before[0]["outcome"] == "failed"
    assert {check["outcome"] for check in before[0]["checks"]} <= {"passed", "failed"}
    assert after[0]["outcome"] == "passed"
    assert step in [point["name"] for point in cli.json("checkpoints")]
