"""Proving the checks of a lab's steps."""

import json
from pathlib import Path

import pytest

from halab.conditions.checks import Outcome
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError
from halab.proof import REFERENCE, UNTOUCHED, Cell, Proof, Solution
from halab.proof.steps import Prover
from halab.walk.lab import Typed
from halab.walk.walk import Walk
from tests.fakes import FakeAudience, World
from tests.inv import Inv
from tests.unit.test_proof import doing, undoing

SOLUTIONS = """\
from halab.proof import REFERENCE, Solution
from tests.unit.test_proof import undoing

SOLUTIONS = {
    "one": (Solution("undone", undoing("one"), fails=("one is",), after=REFERENCE),),
    "two": (Solution("undone", undoing("two"), fails=("two is",), after=REFERENCE),),
}
"""


def proof(instance: Instance, *solutions: Solution) -> Proof:
    """Return the proof of the first step, which is walked in between."""
    step = instance.folder.steps[0]
    prover = Prover(instance, step, solutions)
    before = prover.before()
    Walk(instance, FakeAudience()).perform(step)
    return Proof("tiny", before + prover.after())


def told(cells: list[Cell]) -> list[tuple[str, Outcome]]:
    return [(cell.solution, cell.outcome) for cell in cells]


def test_a_step_is_proven_by_what_fails_and_what_passes(instance: Instance, world: World) -> None:
    found = proof(
        instance,
        Solution("something else", doing("other"), fails=("one is done",)),
        Solution("undone", undoing("one"), fails=("one is done",), after=REFERENCE),
        Solution("twice", doing("one", "one")),
        Solution("and more", doing("more"), after=REFERENCE),
    )

    assert told(found.cells) == [
        (UNTOUCHED, Outcome.FAILED),
        ("something else", Outcome.FAILED),
        (REFERENCE, Outcome.PASSED),
        ("undone", Outcome.FAILED),
        ("and more", Outcome.PASSED),
        ("twice", Outcome.PASSED),
    ]
    assert (found.wrong, found.unproven) == ([], [])
    assert world.done == ["one"]


def test_an_audience_reads_what_solutions_type(instance: Instance) -> None:
    audience = FakeAudience()
    said = Solution("said", lambda lab: lab.fault("power-cut", lab.nodes[0]), fails=("one is done",))

    Prover(instance, instance.folder.steps[0], (said,), audience).before()

    assert "$ inv fault power-cut --node node1\n" in [event.text for event in audience.told(Typed)]


def test_a_wrong_solution_that_passes_is_told(instance: Instance) -> None:
    found = proof(instance, Solution("as good", doing("other"), fails=("one is done",), after=REFERENCE))

    assert told(found.wrong) == [("as good", Outcome.PASSED)]
    assert found.unproven == [("one", "one is done")]


def test_a_step_that_passes_before_it_is_performed_is_told(instance: Instance, world: World) -> None:
    world.done.append("one")

    cells = Prover(instance, instance.folder.steps[0], ()).before()

    assert [(cell.outcome, cell.good) for cell in cells] == [(Outcome.PASSED, False)]


def test_a_check_that_could_not_be_told_is_no_failure_of_a_wrong_solution(instance: Instance, world: World) -> None:
    world.looks_broken = True

    cells = Prover(instance, instance.folder.steps[0], ()).before()

    assert [(cell.outcome, cell.good) for cell in cells] == [(Outcome.UNKNOWN, False)]


def test_a_wrong_solution_of_a_step_that_no_check_is_about_is_its_authors_mistake(instance: Instance) -> None:
    with pytest.raises(LabError, match="'typo': no check's sentence has 'oen' in it"):
        proof(instance, Solution("typo", doing(), fails=("oen",)))


def test_prove_walks_a_lab_tells_what_is_unproven_and_leaves_nothing(inv: Inv, world: World, tmp_path: Path) -> None:
    (tmp_path / "labs/tiny/solutions.py").write_text(SOLUTIONS)

    code = inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12", "prove", "tiny")

    assert code == Exit.CHECK_FAILED
    assert "Unproven, as no wrong solution fails it: three: three is done" in inv.out
    assert inv.out.count("Unproven") == 1
    assert "0 cells are not as they should be, 1 checks unproven" in inv.err
    assert world.power == {}


def test_prove_tells_programs_each_cell(inv: Inv, world: World, tmp_path: Path) -> None:
    (tmp_path / "labs/tiny/solutions.py").write_text(SOLUTIONS)

    inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12", "prove", "tiny", "--json")

    read = json.loads(inv.out)
    assert (read["lab"], read["unproven"]) == ("tiny", [["three", "three is done"]])
    assert read["cells"][0] == {
        "part": "one",
        "solution": UNTOUCHED,
        "sentence": "one is done",
        "outcome": "failed",
        "seen": "done: []",
        "right": False,
    }


def test_solutions_of_a_step_that_is_not_there_are_refused(inv: Inv, world: World, tmp_path: Path) -> None:
    (tmp_path / "labs/tiny/solutions.py").write_text(SOLUTIONS.replace('"two"', '"tow"'))

    assert inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12", "prove", "tiny") != Exit.GOOD
    assert 'lab tiny has no step "tow"' in inv.err
    assert "up" not in world.calls
