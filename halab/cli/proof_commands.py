"""`inv prove`: all solutions of an exam, or of each step of a lab, on an instance that is made for it."""

from pathlib import Path
from typing import Any

from halab.cli.acting import acting
from halab.cli.audience import audience_for
from halab.cli.report import Report
from halab.cli.selection import current, instance_to_make
from halab.kit.errors import CheckFailed
from halab.kit.paths import short
from halab.proof import Proof, actions
from halab.providers import host
from halab.spec import labs
from halab.spec.lab_code import apart, blamed


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
                for number, draw in enumerate(module.draws(folder.spec), 1):
                    solutions, made = module.solutions(draw[1]), instance_to_make(chosen)
                    with acting("prove", made, audience_for(json)) as audience:
                        actions.prove_draw(made, audience, proof, f"draw {number}", draw, solutions)
            else:
                for step in module.SOLUTIONS:
                    folder.step(step)
                made = instance_to_make(chosen)
                with acting("prove", made, audience_for(json)) as audience:
                    actions.prove_lab(made, audience, proof, module.SOLUTIONS)
    finally:
        report.proof(proof)
    if proof.wrong or proof.unproven:
        raise CheckFailed(f"{len(proof.wrong)} cells are not as they should be, {len(proof.unproven)} checks unproven")


def _solutions(file: Path) -> Any:
    apart(lambda: bool(labs.import_file(file)), str(short(file)))
    return labs.import_file(file)
