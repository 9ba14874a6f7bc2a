"""`inv prove`: all solutions of an exam, or of each step of a lab, on an instance that is made for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halab.cli.report import Report
from halab.cli.selection import Selection, current, instance_to_make
from halab.conditions.checks import Outcome
from halab.kit.errors import CheckFailed, LabError
from halab.kit.paths import short
from halab.proof import Cell, Proof, exams, steps
from halab.providers import host
from halab.spec import labs
from halab.spec.lab_code import apart, blamed
from halab.spec.labs import LabFolder
from halab.walk import bringup
from halab.walk.walk import Walk


def prove(name: str, json: bool) -> None:
    """Try right and wrong solutions on real nodes, and tell whether the checks tell one from the other."""
    folder, report = labs.load(name), Report(json)
    module = _solutions(folder.path / "solutions.py")
    base = current().instance_name if current().lab == name else name
    chosen = current().model_copy(update={"lab": name, "instance": f"{base}-prove", "nodes": None})
    host.ensure(host.TOOLS, report.say)
    proof = Proof(name)
    try:
        with blamed(folder.path / "solutions.py"):
            if folder.paper:
                _prove_exam(folder, module, chosen, proof, report)
            else:
                _prove_lab(folder, module.SOLUTIONS, chosen, proof, report)
    finally:
        report.proof(proof)
    if proof.wrong or proof.unproven:
        raise CheckFailed(f"{len(proof.wrong)} cells are not as they should be, {len(proof.unproven)} checks unproven")


def _solutions(file: Path) -> Any:
    apart(lambda: bool(labs.import_file(file)), str(short(file)))
    return labs.import_file(file)


def _prove_exam(folder: LabFolder, module: Any, chosen: Selection, proof: Proof, report: Report) -> None:
    for number, draw in enumerate(module.draws(folder.spec), 1):
        solutions = module.solutions(draw[1])
        with exams.begun(instance_to_make(chosen), draw, report.say) as begun:
            prover = exams.Prover(begun, f"draw {number}", solutions)
            for solution in (exams.NOTHING, *solutions):
                _note(prover.try_out(solution), proof, report)


def _prove_lab(folder: LabFolder, solutions: dict[str, Any], chosen: Selection, proof: Proof, report: Report) -> None:
    for name in solutions:
        folder.step(name)
    made = instance_to_make(chosen)
    made.provider.prepare(report.say)
    with made.lock():
        try:
            bringup.up(made, report.say)
            walk = Walk(made, report)
            for step in folder.steps:
                prover = steps.Prover(made, step, solutions.get(step.name, ()))
                _note(prover.before(), proof, report)
                done = walk.perform(step)
                if done.outcome != Outcome.PASSED:
                    raise LabError(f"step {step.name} did not pass as it is, so nothing after it can be proven")
                _note(prover.after(), proof, report)
        finally:
            made.down()


def _note(cells: Sequence[Cell], proof: Proof, report: Report) -> None:
    proof.cells += cells
    for cell in cells:
        report.proven(cell)
