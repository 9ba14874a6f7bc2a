"""What every lab's walk has in common: a step's verify fails before its perform, and passes after it."""

import pytest

from halab import labs
from halab.checks import Outcome, overall
from halab.lab import Lab
from tests.cli import Cli


def steps_of(lab: str) -> list[str]:
    return [step.name for step in labs.load(lab).steps]


def walk_step(cli: Cli, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(cli.instance())  # not through `inv check`, whose failure would have the step begin with a restore
    with monkeypatch.context() as hurry:  # what nobody does, nobody needs to wait for
        hurry.setenv("HALAB_TIMEOUT_FACTOR", "0.05")
        cli.instance().folder.step(step).verify(lab)
    lab.close()
    before = {result.outcome for result in lab.results}

    cli("step", step)

    after = cli.json("check", "--step", step)
    assert overall(lab.results) is Outcome.FAILED
    assert before <= {Outcome.PASSED, Outcome.FAILED}
    assert after[0]["outcome"] == "passed"
    assert step in [point["name"] for point in cli.json("checkpoints")]
