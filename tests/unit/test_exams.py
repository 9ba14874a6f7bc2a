"""Exams: what is drawn, how points add up, and that nobody gets a zero for a broken lab or a killed grading."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from halab.conditions.checks import CheckResult, Outcome
from halab.exams import attempts, grading, sitting
from halab.exams.draw import draw, source
from halab.exams.grade import Grade, Mark
from halab.instance.instance import Instance
from halab.instance.state import Sitting, State
from halab.kit.audience import NOBODY
from halab.kit.errors import LabError
from halab.spec import labs
from halab.spec.labs import LabFolder
from halab.walk import bringup, checkpoints
from halab.walk.checkpoints import GRADING
from tests.fakes import STEPS, FakeAudience, World, done

EXAM = """\
title = "An exam to test with"
continues = "tiny"
pass_mark = 50
minutes = 30

[[tasks]]
name = "first"
title = "Do the first thing"
points = 6

[[tasks]]
name = "second"
title = "Do the second thing"
points = 4
"""
GRADE = """\
from tests.fakes import World, done


def draw(random, spec):
    return spec, {"wanted": random.choice(["good", "better"])}


def begin(lab, drawn):
    World.current.done.append("broken")


def look(exam, drawn):
    with exam.task("first"):
        exam.check("the first thing is done", done("first"), points=6)
        exam.check("nothing is odd", done("nothing odd"))


def shake(exam, drawn):
    World.current.done.append("shaken")
    with exam.task("second"):
        exam.check("the second thing is done", done("second"), points=POINTS)
"""


def write_exam(folder: Path, toml: str = EXAM, grade: str = GRADE, points: int = 4) -> LabFolder:
    exam = folder / "test"
    exam.mkdir()
    (exam / "exam.toml").write_text(toml)
    (exam / "README.md").write_text("Do both things.\n")
    (exam / "grade.py").write_text(grade.replace("POINTS", str(points)))
    return labs.load("test", folder)


def begin_exam(folder: LabFolder, practice: bool = False) -> Instance:
    """Begin the exam in a folder on the instance `alice`, and return that."""
    World.current.ipmi = "Chassis Power is on"
    spec, seat = draw(folder, folder.spec, "alice", "")
    instance = Instance("alice", State(lab="test", provider="fake", distro="debian12", spec=spec, sitting=seat))
    bringup.up(instance, NOBODY)
    sitting.begin(instance, practice)
    return instance


@pytest.fixture
def begun(world: World, tmp_path: Path) -> Instance:
    """An exam that has begun."""
    return begin_exam(write_exam(tmp_path / "labs"))


def graded(instance: Instance, said: Callable[[Mark], None] = lambda mark: None) -> Grade:
    return grading.grade(instance, said)[0]


def test_a_draw_is_the_same_for_the_same_exam_instance_and_seed() -> None:
    drawn = [source("repair", "alice", "7").random() for _ in range(2)]

    assert drawn[0] == drawn[1]
    assert source("repair", "bob", "7").random() != drawn[0]
    assert source("repair", "alice", "8").random() != drawn[0]
    assert source("build", "alice", "7").random() != drawn[0]


def test_repair_draws_five_causes_and_over_many_learners_all_there_are() -> None:
    folder = labs.load("exam-repair")

    drawn = [draw(folder, folder.spec, f"learner{number}", "1")[1].drawn for number in range(30)]

    assert {len(set(one["causes"])) for one in drawn} == {5}
    assert len({cause for one in drawn for cause in one["causes"]}) >= 12
    assert {one["node"] for one in drawn} == {"node1", "node2"}


def test_what_an_exam_breaks_is_in_the_checkpoint_that_a_learner_can_go_back_to(begun: Instance, world: World) -> None:
    assert begun.state.sitting
    assert begun.state.sitting.began
    world.done.append("mended")

    checkpoints.restore(begun, checkpoints.START)

    assert world.done == [*STEPS, "broken"]


def test_beginning_again_breaks_nothing_more(begun: Instance, world: World) -> None:
    sitting.begin(begun, practice=False)
    begun.remember(begun.state.model_copy(update={"sitting": begun.state.sitting.model_copy(update={"began": None})}))
    sitting.begin(begun, practice=False)  # killed after the checkpoint was written, before the state remembered it

    assert world.done == [*STEPS, "broken"]
    assert begun.state.sitting.began


def test_points_are_for_what_is_done_and_nothing_is_changed(begun: Instance, world: World) -> None:
    world.done.append("first")
    before, kept = list(world.done), checkpoints.names(begun)
    said: list[Mark] = []

    grade = graded(begun, said.append)
    again = graded(begun)

    assert (grade.points, grade.of, grade.percent, grade.verdict) == (6, 10, 60.0, "passed")
    assert [(task.points, task.of) for task in grade.tasks] == [(6, 6), (0, 4)]
    assert [mark.outcome for mark in said] == [Outcome.PASSED, Outcome.FAILED, Outcome.FAILED]
    assert world.done == before
    assert checkpoints.names(begun) == kept
    alike = {"seconds": 0.0}  # how long each took may differ
    assert [mark.model_copy(update=alike) for mark in again.checks] == [
        mark.model_copy(update=alike) for mark in grade.checks
    ]


def test_checks_wait_together_for_what_is_not_done_until_something_is_done_again(
    begun: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "LEAST", 0.1)
    exam = grading.Examination(begun)
    exam.begin()

    for sentence in ("waits", "has waited"):
        exam.check(sentence, done("never"), within=1.5)
    exam.afresh()
    exam.check("waits again", done("never"), within=1.5)
    exam.close()

    assert [result.seconds >= 1.4 for result in exam.results] == [True, False, True]


@pytest.mark.parametrize(("saves_memory", "cut"), [(True, ["power off node1", "power off node2"]), (False, [])])
def test_nodes_that_boot_as_they_are_put_back_are_not_booted_twice(
    begun: Instance, world: World, saves_memory: bool, cut: list[str]
) -> None:
    world.saves_memory = saves_memory
    exam = grading.Examination(begun)
    exam.begin()
    world.calls.clear()

    exam.boot_all()
    exam.check("looks", done("one"))
    exam.close()

    assert world.calls[0] == "restore"
    assert sorted(call for call in world.calls if call.startswith("power off")) == cut


def test_a_warning_costs_nothing(begun: Instance, world: World) -> None:
    world.done += ["first", "second"]

    grade = graded(begun)

    assert (grade.points, grade.percent) == (10, 100.0)
    assert [mark.outcome for mark in grade.checks if mark.points == 0] == [Outcome.FAILED]


def test_checks_that_do_not_add_up_are_the_authors_mistake(world: World, tmp_path: Path, begun: Instance) -> None:
    (tmp_path / "labs" / "test" / "grade.py").write_text(GRADE.replace("POINTS", "3"))
    instance = Instance("alice", begun.state)

    with pytest.raises(LabError, match="checks of second are worth 3 points, and the task 4"):
        graded(instance)
    assert GRADING not in checkpoints.names(instance)


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        (lambda world: world.power.update(node2="off"), "not graded: node2 is off"),
        (lambda world: setattr(world, "unreachable", True), "not graded: node1 cannot be reached"),
        (lambda world: setattr(world, "ipmi", "Unable to establish session"), "not graded: the BMC of node1"),
    ],
)
def test_a_broken_lab_is_not_graded(
    begun: Instance, world: World, breaks: Callable[[World], None], reason: str
) -> None:
    breaks(world)

    with pytest.raises(LabError, match=reason):
        graded(begun)


def test_a_check_that_cannot_be_told_is_no_zero_and_no_attempt(begun: Instance, world: World) -> None:
    world.looks_broken = True

    grade = graded(begun)
    attempts.keep(begun, grade, [], last=True)

    assert grade.verdict == "not graded"
    assert begun.state.sitting
    assert (begun.state.sitting.attempts, begun.state.sitting.finished) == (0, None)


def test_a_grading_that_was_killed_is_put_back_by_the_next_command(begun: Instance, world: World) -> None:
    world.done.append("first")
    checkpoints.save(begun, GRADING)
    world.done.append("shaken")
    audience = FakeAudience()

    bringup.settle(begun, audience)

    assert world.done == [*STEPS, "broken", "first"]
    assert GRADING not in checkpoints.names(begun)
    assert "The grading was interrupted" in audience.said[0]


def test_a_beginning_that_was_killed_once_it_was_saved_is_only_remembered(begun: Instance, world: World) -> None:
    assert begun.state.sitting
    began = begun.state.sitting.began
    forgotten = begun.state.sitting.model_copy(update={"began": None})
    begun.remember(begun.state.model_copy(update={"sitting": forgotten}))
    world.done.append("work")

    sitting.begin(begun, practice=False)

    assert begun.state.sitting
    assert begun.state.sitting.began == began
    assert world.done[-1] == "work"
    checkpoints.restore(begun, checkpoints.START)
    assert "work" not in world.done


def test_what_was_handed_in_is_not_graded_again(begun: Instance) -> None:
    attempts.keep(begun, graded(begun), [], last=True)

    with pytest.raises(LabError, match="was handed in"):
        graded(begun)


def test_an_exam_that_has_not_begun_is_not_graded(begun: Instance) -> None:
    waiting = Sitting(seed="", drawn={})
    begun.remember(begun.state.model_copy(update={"sitting": waiting}))

    with pytest.raises(LabError, match="has not begun"):
        graded(begun)


@pytest.mark.parametrize(
    ("toml", "grade", "reason"),
    [
        (EXAM.replace("pass_mark", "passmark"), GRADE, "unknown key"),
        (EXAM.replace('"second"', '"first"'), GRADE, "two tasks are called first"),
        (EXAM, GRADE.replace("def shake", "def shakes"), "expected a function shake"),
        (EXAM, "import nothing_there", "it does not import"),
        (EXAM.replace('"tiny"', '"test"'), GRADE, "continues: test is an exam"),
    ],
)
def test_a_wrong_exam_is_refused(world: World, tmp_path: Path, toml: str, grade: str, reason: str) -> None:
    with pytest.raises(LabError, match=reason):
        write_exam(tmp_path / "labs", toml, grade)


def test_a_grade_survives_being_written_and_tells_who_was_late() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    folder = labs.load("exam-repair")
    assert folder.paper
    mark = Mark.of("causes", 60, CheckResult("it is mended", Outcome.PASSED, "", "", (), 0.1))

    grade = Grade.of_marks(
        exam="exam-repair",
        instance="alice",
        sitting=Sitting(seed="1", drawn={}, began=began),
        paper=folder.paper.file,
        marks=[mark],
        at=began + timedelta(minutes=folder.paper.file.minutes + 1),
        seconds=1,
    )

    assert grade.late
    assert (grade.points, grade.verdict) == (60, "failed")
    assert Grade.model_validate_json(grade.model_dump_json()) == grade
