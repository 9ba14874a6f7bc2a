"""What every lab's walk has in common: each step is proven, before it is performed and after it has passed."""

from halab.exams.witness.look import Witness
from halab.proof import Proof
from halab.proof.steps import Prover
from halab.spec import labs
from tests.cli import Cli


def steps_of(lab: str) -> list[str]:
    return [step.name for step in labs.load(lab).steps]


def walk_step(cli: Cli, name: str) -> None:
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
