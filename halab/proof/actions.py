"""What `inv prove` does: all solutions of an exam, or of each step of a lab, on an instance that is made for it.

Each function takes the instance's lock, tells the audience each cell and adds it to the proof, and removes the
instance in the end.
"""

from collections.abc import Mapping, Sequence

from halab.conditions.checks import Outcome
from halab.instance.instance import Instance
from halab.kit.audience import Audience, saying
from halab.kit.errors import LabError
from halab.proof import Cell, Proof, Proven, Solution, exams, steps
from halab.spec.paper import Draw
from halab.walk import bringup
from halab.walk.walk import Walk


def prove_draw(
    instance: Instance, audience: Audience, proof: Proof, part: str, draw: Draw, solutions: Sequence[Solution]
) -> None:
    """Try all solutions of an exam with this draw."""
    with exams.begun(instance, draw, audience) as begun:
        prover = exams.Prover(begun, part, solutions)
        for solution in (exams.NOTHING, *solutions):
            _note(prover.try_out(solution), proof, audience)


def prove_lab(
    instance: Instance, audience: Audience, proof: Proof, solutions: Mapping[str, Sequence[Solution]]
) -> None:
    """Walk through a lab, and try the solutions of each step on the way."""
    instance.provider.prepare(saying(audience))
    with instance.lock():
        try:
            bringup.up(instance, audience)
            walk = Walk(instance, audience)
            for step in instance.folder.steps:
                prover = steps.Prover(instance, step, solutions.get(step.name, ()))
                _note(prover.before(), proof, audience)
                if walk.perform(step).outcome != Outcome.PASSED:
                    raise LabError(f"step {step.name} did not pass as it is, so nothing after it can be proven")
                _note(prover.after(), proof, audience)
        finally:
            instance.down()


def _note(cells: Sequence[Cell], proof: Proof, audience: Audience) -> None:
    proof.cells += cells
    for cell in cells:
        audience.tell(Proven(cell))
