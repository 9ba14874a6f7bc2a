"""What it costs when a file on a node differs from its package's, and that an older mark then no longer counts."""

from pathlib import Path

import pytest

from halab.conditions.checks import Outcome
from halab.exams import attempts
from halab.exams.grading import Examination
from halab.exams.witness import Finding
from halab.exams.witness.look import Witness
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError
from halab.proof import REFERENCE, Solution
from halab.providers import Outside
from halab.walk import checkpoints
from halab.walk.checkpoints import GRADING
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import EXAM, begin_exam, graded, write_exam
from tests.unit.test_proof import doing, proof

CHEAP = EXAM.replace("minutes = 30", "minutes = 30\nreplaced_cost = 5")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folders of node1: what it wrote, and the tools root of its image."""
    upper, tools = tmp_path / "upper", tmp_path / "tools"
    for place in (upper, tools):
        (place / "usr/bin").mkdir(parents=True)
        (place / "usr/sbin").mkdir(parents=True)
        (place / "usr/bin/env").write_text("env")
    (tools / ".owners").write_text("coreutils\t/usr/bin/env\n")
    return upper, tools


@pytest.fixture
def program(world: World, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """/usr/bin/env of node1, which is that of its package."""
    upper, tools = folders
    world.outside = {"node1": Outside(tools, upper, tools, lambda: None)}
    monkeypatch.setattr("halab.exams.witness.watched.Ear", lambda instance: Deaf())
    return upper / "usr/bin/env"


class Deaf:
    """An ear for which no node is silent."""

    def silent(self, nodes: object) -> list[str]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def begun(tmp_path: Path, program: Path) -> Instance:
    begun = begin_exam(write_exam(tmp_path / "labs"))
    World.current.done += ["first", "second"]
    return begun


def test_nothing_is_graded_while_a_program_is_replaced(begun: Instance, world: World, program: Path) -> None:
    program.write_text("#!/bin/sh\necho all is well\n")
    calls = len(world.calls)

    grade = graded(begun)

    assert (grade.verdict, grade.points, grade.checks) == ("not graded", 0, ())
    assert grade.replaced == (
        "/usr/bin/env of node1 is not that of its package; "
        "put it back: apt-get install --reinstall coreutils; or: inv reset --to start",
    )
    assert world.calls[calls:] == []  # nothing that a node could notice


def test_what_is_replaced_while_grading_is_found_and_everything_is_put_back(
    begun: Instance, world: World, program: Path
) -> None:
    world.before_call = lambda call: program.write_text("fake") if call.startswith("save") else None

    grade = graded(begun)

    assert grade.verdict == "not graded"
    assert (len(grade.replaced), grade.checks) == (1, ())
    assert "shaken" not in world.done
    assert GRADING not in checkpoints.names(begun)


def test_an_earlier_mark_counts_again_only_when_all_is_put_back(begun: Instance, program: Path, inv: Inv) -> None:
    assert inv("lab", "--name", "test", "--instance", begun.name, "grade") == Exit.GOOD
    program.write_text("fake")

    refused = inv("grade")
    told, table = inv.err, (inv("marks", "test"), inv.out)[1]
    program.write_text("env")
    again = inv("finish")

    assert refused == Exit.LAB_BROKEN
    assert "no attempt counts until it is put back: /usr/bin/env of node1 is not that of its package" in told
    assert "not graded" in table
    assert again == Exit.GOOD
    [learner] = attempts.learners("test")
    assert learner.attempt
    assert (learner.attempt.number, learner.sitting.replaced) == (2, ())


def test_a_name_that_is_no_text_and_many_of_them_are_told_in_few_words(begun: Instance, program: Path) -> None:
    for number in range(60):
        (program.parent / f"../lib/\udcff\x1b{number}.so").resolve().parent.mkdir(exist_ok=True)
        (program.parent / f"../lib/\udcff\x1b{number}.so").write_text("")

    grade = graded(begun)
    attempts.keep(begun, grade, [], last=False)

    assert grade.replaced[-1] == "and 20 more"
    assert len(grade.replaced) == 41
    assert all(sentence.isprintable() for sentence in grade.replaced)


def test_an_exam_may_say_what_it_costs(tmp_path: Path, program: Path, world: World) -> None:
    begun = begin_exam(write_exam(tmp_path / "labs", toml=CHEAP))
    world.done += ["first", "second"]
    program.write_text("fake")

    grade = graded(begun)

    assert (grade.points, grade.replaced_cost, grade.verdict) == (5, 5, "passed")
    assert len(grade.replaced) == 1


def test_a_member_without_the_clusters_daemons_is_none(
    begun: Instance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Witness, "without_cluster", lambda self, members: [Finding("node1", "corosync", "x", "y")])

    assert graded(begun).replaced == ("corosync of node1 x; put it back: y; or: inv reset --to start",)


def test_a_cluster_that_was_started_for_the_grading_is_told_and_costs_nothing(
    begun: Instance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Witness, "without_daemons", lambda self: frozenset({"node1", "node2"}))
    monkeypatch.setattr(Examination, "count_members", lambda self: frozenset({"node1"}))

    grade = graded(begun)

    assert grade.noticed == ("the cluster of node1 was started only as it was graded",)
    assert (grade.verdict, grade.points) == ("passed", 10)


def test_a_proof_finds_what_a_wrong_solution_replaced_and_goes_no_further(begun: Instance, program: Path) -> None:
    def cheat(lab: object) -> None:
        program.write_text("fake")

    def honest(lab: object) -> None:
        program.write_text("env")
        doing("first", "second")(lab)

    cheats = Solution("cheat", cheat, replaces=("/usr/bin/env",))
    found = proof(begun, Solution(REFERENCE, honest), cheats)

    told = [(cell.sentence, cell.outcome, cell.good) for cell in found.cells if cell.solution == "cheat"]
    assert told == [("/usr/bin/env of node1 is not that of its package", Outcome.FAILED, True)]


def test_a_cheat_that_is_not_seen_is_told(begun: Instance) -> None:
    with pytest.raises(LabError, match="'cheat': /usr/bin/env was not seen to be replaced"):
        proof(begun, Solution("cheat", lambda lab: None, replaces=("/usr/bin/env",)))


def test_what_the_host_cannot_see_is_not_proven(begun: Instance, world: World) -> None:
    world.outside = {}

    found = proof(begun, Solution("cheat", write_nothing, replaces=("/usr/bin/env",)))

    assert [cell for cell in found.cells if cell.solution == "cheat"] == []


def write_nothing(lab: object) -> None:
    raise AssertionError("it is not performed")


def test_a_proof_accuses_a_right_solution_that_replaces_something(begun: Instance, program: Path) -> None:
    found = proof(begun, Solution(REFERENCE, lambda lab: write(program)))

    assert [cell.sentence for cell in found.wrong] == ["/usr/bin/env of node1 is not that of its package"]


def write(program: Path) -> None:
    program.write_text("fake")
