"""What walks have in common: checks of a step fail before it is performed and pass afterwards, or it is proven."""

from halab.conditions.checks import Outcome
from halab.exams.witness.look import Witness
from halab.proof import Proof
from halab.proof.steps import Prover
from halab.spec import labs
from tests.cli import Cli


def steps_of(lab: str) -> list[str]:
    return [step.name for step in labs.load(lab).steps]


def walk_step(cli: Cli, name: str) -> None:
    """See checks of a step fail, perform it through the command line, and see all of its checks pass."""
    instance = cli.instance()

    with instance.lock():
        before = Prover(instance, instance.folder.step(name), ()).before()
    cli("step", name)

    assert {cell.outcome for cell in before} == {Outcome.FAILED}, before
    assert name in [point["name"] for point in cli.json("checkpoints")]


def prove_step(cli: Cli, name: str) -> None:
    """Perform a step through the command line, and try its right and wrong solutions before and afterwards."""
    instance = cli.instance()
    solutions = labs.import_file(instance.folder.path / "solutions.py").SOLUTIONS
    prover = Prover(instance, instance.folder.step(name), solutions.get(name, ()))
    proof = Proof(instance.folder.name)

    with instance.lock():
        proof.cells += prover.before()
    cli("step", name)
    with instance.lock():
        proof.cells += prover.after()

    assert not proof.wrong, proof.wrong
    assert not proof.unproven, proof.unproven
    if instance.folder.steps[-1].name == name:
        assert Witness(instance).look() == []  # whoever did all that is accused of nothing
    assert name in [point["name"] for point in cli.json("checkpoints")]
