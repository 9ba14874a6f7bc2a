"""What walks have in common: checks of a step fail before it is performed and pass afterwards, or it is proven."""

import re
from collections.abc import Iterator

import pytest

from halab.conditions.checks import Outcome
from halab.exams.witness.look import Witness
from halab.kit.audience import Event, Nobody
from halab.proof import Proof
from halab.proof.steps import Prover
from halab.spec import labs
from halab.walk.lab import Typed
from tests.cli import Cli

# What the cluster's tools print where they no longer like what was typed
OUTDATED = re.compile(r"[Dd]eprecat|will be removed|\bWarning:")
# What pcs says each time that somebody changes defaults of resources, or has it copy corosync.conf to all nodes; and
# what ssh says of a server that it meets for the first time
EACH_TIME = (
    "Warning: Defaults do not apply to resources which override them with their own defined values",
    "Warning: Corosync configuration has been synchronized, please reload corosync daemon using",
    "Warning: Permanently added ",
)
# Above all that an agent says when pcs 0.12 has it look at its parameters, be it content or not
AGENT_ASKED = "Warning: Validating resource options using the resource agent itself is enabled by default"
AGENT_SAYS = "Warning: Validation result from agent:"


class Reading(Nobody):
    """An audience that keeps what terminals show."""

    def __init__(self) -> None:
        self.text = ""

    def tell(self, event: Event) -> None:
        self.text += event.text if isinstance(event, Typed) else ""


def outdated(shown: str) -> list[str]:
    """Return the lines by which a tool warns of what was typed, each with the command above it."""
    commands = re.split(r"^(?=\[root@\S+ ~\]# )", shown, flags=re.MULTILINE)
    return [f"{command.splitlines()[0]}: {line}" for command in commands for line in _warnings(command)]


def _warnings(command: str) -> Iterator[str]:
    lines = [line.strip() for line in command.splitlines()[1:] if OUTDATED.search(line)]
    lines = [line for line in lines if not line.startswith(EACH_TIME)]
    if AGENT_SAYS in lines and "ocf-exit-reason" not in command:  # the agent is content, and has said what it looked at
        lines = [line for line in lines if line != AGENT_SAYS and not line.startswith(AGENT_ASKED)]
    yield from lines


def proven_steps(metafunc: pytest.Metafunc, lab: str) -> None:
    """Give a test all distros on which the lab says that it is proven, and of each all steps of the lab."""
    if "distro" in metafunc.fixturenames:
        metafunc.parametrize("distro", labs.load(lab).spec.proven_on, scope="module")
    if "step" in metafunc.fixturenames:
        metafunc.parametrize("step", steps_of(lab))


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
    reading = Reading()
    prover = Prover(instance, instance.folder.step(name), solutions.get(name, ()), reading)
    proof = Proof(instance.folder.name)

    with instance.lock():
        proof.cells += prover.before()
    cli("step", name)
    with instance.lock():
        proof.cells += prover.after()

    assert not proof.wrong, proof.wrong
    assert not proof.unproven, proof.unproven
    log = (instance.directory / "logs" / f"{name}.log").read_text()
    assert "[root@" in log + reading.text
    warned = outdated(log + reading.text)
    assert not warned, warned
    if instance.folder.steps[-1].name == name:
        assert Witness(instance).look() == []  # whoever did all that is accused of nothing
    assert name in [point["name"] for point in cli.json("checkpoints")]
