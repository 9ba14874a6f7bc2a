"""Proving graders, hints that cost points, and practice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.conditions.checks import Outcome
from halab.exams import hints
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError
from halab.proof import REFERENCE, UNTOUCHED, Proof, Solution
from halab.proof.exams import NOTHING, Prover
from halab.spec.labs import LabFolder
from tests.fakes import STEPS, World
from tests.inv import Inv
from tests.unit.test_exams import EXAM, GRADE, begin_exam, graded, write_exam

HINTS = EXAM.replace("minutes = 30", "minutes = 30\nhint_cost = 3")
LOOKS_AT_NOTHING = "def look(exam, drawn):\n    pass\n\n\n"


@pytest.fixture
def folder(world: World, tmp_path: Path) -> LabFolder:
    return write_exam(tmp_path / "labs")


@pytest.fixture
def begun(folder: LabFolder) -> Instance:
    return begin_exam(folder)


def doing(*names: str) -> Callable[[Any], None]:
    return lambda lab: World.current.done.extend(names)


def undoing(name: str) -> Callable[[Any], None]:
    return lambda lab: World.current.done.remove(name)


RIGHT = Solution(REFERENCE, doing("first", "second"))
HALF = Solution("half", doing("first"), fails=("second thing",))
UNDONE = Solution("undone", undoing("first"), fails=("first",), after=REFERENCE)


def proof(instance: Instance, *solutions: Solution) -> Proof:
    prover = Prover(instance, "draw 1", solutions)
    return Proof("test", [cell for solution in (NOTHING, *solutions) for cell in prover.try_out(solution)])


def test_a_grader_that_tells_right_from_wrong_is_proven(begun: Instance) -> None:
    found = proof(begun, RIGHT, HALF, UNDONE)

    assert {(cell.solution, cell.sentence, cell.outcome) for cell in found.cells} == {
        (UNTOUCHED, "the first thing is done", Outcome.FAILED),
        (UNTOUCHED, "the second thing is done", Outcome.FAILED),
        ("reference", "the first thing is done", Outcome.PASSED),
        ("reference", "the second thing is done", Outcome.PASSED),
        ("half", "the second thing is done", Outcome.FAILED),
        ("undone", "the first thing is done", Outcome.FAILED),
    }
    assert (found.wrong, found.unproven) == ([], [])


def test_a_check_that_no_wrong_solution_fails_is_unproven(begun: Instance) -> None:
    found = proof(begun, RIGHT, HALF)

    assert found.unproven == [("draw 1", "the first thing is done")]
    assert found.wrong == []


@pytest.mark.parametrize(
    ("solution", "sentence"),
    [
        (Solution(REFERENCE, doing("first")), "the second thing is done"),
        (Solution("wrong", doing("first", "second"), fails=("first",)), "the first thing is done"),
    ],
)
def test_a_cell_that_is_not_as_it_should_be_is_told(begun: Instance, solution: Solution, sentence: str) -> None:
    found = proof(begun, solution)

    assert [(cell.solution, cell.sentence) for cell in found.wrong] == [(solution.name, sentence)]


def test_a_wrong_solution_that_no_check_is_about_is_its_authors_mistake(begun: Instance) -> None:
    with pytest.raises(LabError, match="'typo': no check's sentence has 'thrid' in it"):
        proof(begun, Solution("typo", doing(), fails=("thrid",)))


def test_each_solution_starts_where_it_says(begun: Instance, world: World) -> None:
    seen: list[list[str]] = []

    def look(lab: Any) -> None:
        seen.append(list(world.done))

    proof(
        begun,
        RIGHT,
        Solution("from the start", look, fails=("first",)),
        Solution("from there", look, fails=("first",), after=REFERENCE),
    )

    assert seen == [[*STEPS, "broken"], [*STEPS, "broken", "first", "second"]]


def test_a_hint_is_counted_and_costs_what_the_exam_says(world: World, tmp_path: Path) -> None:
    begun = begin_exam(write_exam(tmp_path / "labs", toml=HINTS))
    world.done.append("second")

    told = hints.give(begun)
    grade = graded(begun)

    assert told.splitlines()[0] == "the first thing is done:"
    assert "Cost so far: 3 points." in told
    assert (grade.hints, grade.hints_cost, grade.points) == (1, 3, 1)


def test_an_exam_without_a_price_gives_no_hints(begun: Instance) -> None:
    with pytest.raises(LabError, match="test gives no hints"):
        hints.give(begun)


def test_hints_cost_nothing_in_practice(folder: LabFolder, world: World) -> None:
    begun = begin_exam(folder, practice=True)
    world.done.append("second")

    told = hints.give(begun)
    world.done.append("first")

    assert "Cost" not in told
    assert graded(begun).points == 10


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--seed", "8"), "alice has begun with the seed '', not '8'"),
        (("--practice",), "alice has begun, and not as practice"),
    ],
)
def test_an_exam_that_has_begun_goes_on_as_it_is(begun: Instance, inv: Inv, asked: tuple[str, ...], told: str) -> None:
    assert inv("start", "test", "--instance", begun.name, *asked) == Exit.LAB_BROKEN
    assert told in inv.err


def test_only_practice_is_watched(begun: Instance, inv: Inv) -> None:
    assert inv("lab", "--name", "test", "--instance", begun.name, "watch") == Exit.LAB_BROKEN
    assert "only practice is watched" in inv.err


def test_watching_tells_what_changes_until_all_passes(
    folder: LabFolder, world: World, inv: Inv, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin_exam(folder, practice=True)
    learner = iter([None, ["first"], [], ["first", "nothing odd"]])  # between two looks; nothing is done at first

    def work(seconds: float) -> None:
        if (mended := next(learner)) is not None:
            world.done[:] = mended

    monkeypatch.setattr("time.sleep", work)

    code = inv("lab", "--name", "test", "--instance", begun.name, "watch")

    told = [line.split()[0] for line in inv.out.splitlines() if "the first thing is done" in line]
    assert code == Exit.GOOD
    assert told == ["FAIL", "PASS", "FAIL", "PASS"]
    assert "shaken" not in world.done


def test_an_exam_that_only_breaks_things_has_nothing_to_watch(world: World, tmp_path: Path, inv: Inv) -> None:
    look = GRADE[GRADE.index("def look") : GRADE.index("def shake")]
    begun = begin_exam(write_exam(tmp_path / "labs", grade=GRADE.replace(look, LOOKS_AT_NOTHING)), practice=True)

    assert inv("lab", "--name", "test", "--instance", begun.name, "watch") == Exit.NOTHING_CHECKED
    assert "try: inv grade" in inv.err


@pytest.mark.parametrize("command", ["walk", "next", "check", "solve"])
def test_an_exam_has_no_steps_to_walk(begun: Instance, inv: Inv, command: str) -> None:
    assert inv("lab", "--name", "test", "--instance", begun.name, command) == Exit.LAB_BROKEN
    assert "test is an exam: it has tasks, and no steps" in inv.err
