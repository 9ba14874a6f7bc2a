"""Grading a class: attempts come home from the learners' machines, and are signed here. Slurm is a stand-in."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from halab.classroom import classes, grading, home
from halab.exams import collected, signing
from halab.exams.grade import GRADE
from halab.instance.instance import instances_dir
from halab.instance.seat import Seat, write_seat
from halab.instance.state import Sitting, write_state
from halab.kit.errors import Exit, LabError
from halab.site import files
from tests.fake_slurm import FakeSlurm
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import begin_exam, write_exam
from tests.unit.test_signing import a_grade

MIB = 700


class Site(FakeSlurm):
    """Has each grading done at once. `points` are what a learner earns; who has none there is not graded."""

    def __init__(self, points: dict[str, int]) -> None:
        super().__init__(m1=2 * MIB + 20)
        self.points = points
        self.graded = 0

    def ask(self, argv: Sequence[str], *, timeout: float = 10) -> str:
        answer = super().ask(argv, timeout=timeout)
        if argv[0] == "sbatch" and self.jobs[-1].comment.startswith("grading"):
            self._grade(self.jobs[-1].name.partition(":")[2])
            self.jobs[-1].state = "COMPLETED"
        return answer

    def _grade(self, name: str) -> None:
        if name not in self.points:
            return
        self.graded += 1
        seat, directory = self.job(name), collected.learners_dir("test") / name
        place = directory / "attempts" / str(self.graded)
        place.mkdir(parents=True)
        grade = a_grade()
        verdict = "passed" if self.points[name] >= 6 else "failed"
        new = {"points": self.points[name], "verdict": verdict, "at": grade.at + timedelta(minutes=self.graded)}
        (place / GRADE).write_text(grade.model_copy(update=new).model_dump_json())
        write_seat(directory, Seat(learner=name, job=seat.id, restarts=seat.restarts))
        state = self.state.model_copy(update={"sitting": Sitting(seed="7", drawn={}, attempts=self.graded)})
        write_state(directory, state)


@pytest.fixture
def site(chosen: Inv, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A class of the exam `test`: alice and bob have seats, eve waits."""
    files.on_head().mkdir(parents=True)
    (files.on_head() / "slurm.conf").touch()
    site = Site({"alice": 6, "bob": 2})
    site.state = begin_exam(write_exam(tmp_path / "labs")).state  # type: ignore[attr-defined]
    monkeypatch.setattr("halab.site.slurm.ask", site.ask)
    (tmp_path / "roster.csv").write_text("name\nalice\nbob\neve\n")
    assert chosen("class", "up", "test", "--learners", f"{tmp_path}/roster.csv", "--seed", "7") == Exit.GOOD
    return site


def test_seats_of_an_exam_stay_where_they_are(site: Site) -> None:
    assert "--no-requeue" in site.job("alice").options


@pytest.mark.parametrize("seed", [(), ("--seed", "8")])
def test_another_seed_is_another_class(chosen: Inv, site: Site, tmp_path: Path, seed: tuple[str, ...]) -> None:
    assert chosen("class", "up", "test", "--learners", f"{tmp_path}/roster.csv", *seed) == Exit.LAB_BROKEN

    assert "the class of test is up with another --seed" in chosen.err


def test_a_grading_goes_to_the_machine_of_the_seat_and_takes_a_grader(chosen: Inv, site: Site) -> None:
    assert chosen("class", "grade", "alice") == Exit.GOOD

    asked = next(asked for asked in site.asked if "grade:alice" in asked)
    assert "--nodelist=m1" in asked
    assert "--gres=grader:1" in asked
    assert f"halab.classroom.grading test alice grade {site.job('alice').id} " in asked
    assert "alice: 6/" in chosen.out


def test_everybody_is_graded_and_who_is_not_is_named(chosen: Inv, site: Site) -> None:
    assert chosen("class", "finish", "--all") == Exit.LAB_BROKEN

    assert "bob: 2/" in chosen.out
    assert "eve: the seat is pending" in chosen.out
    assert "not graded: eve" in chosen.err
    assert "finish:bob" in " ".join(site.asked)


def test_who_did_not_pass_is_named(chosen: Inv, site: Site) -> None:
    assert chosen("class", "grade", "bob") == Exit.CHECK_FAILED

    assert "not passed: bob" in chosen.err


def test_a_grading_of_which_nothing_came_home_is_none(chosen: Inv, site: Site) -> None:
    chosen("class", "grade", "alice")
    site.points = {}

    assert chosen("class", "grade", "alice") == Exit.LAB_BROKEN

    assert "alice: no attempt came home, and the grading is completed" in chosen.out


def test_what_came_home_is_signed_here(chosen: Inv, site: Site, tmp_path: Path) -> None:
    public = signing.make_key(tmp_path / "key")

    assert chosen("class", "grade", "alice", "--sign", str(tmp_path / "key")) == Exit.GOOD

    attempt = collected.learners_dir("test") / "alice/attempts/1"
    assert signing.verify(attempt, public) == []
    assert not any("key" in asked for asked in site.asked)


def test_grades_are_data_too(chosen: Inv, site: Site) -> None:
    told = chosen.json("class", "grade", "alice")

    assert [(one["learner"], one["grade"]["points"], one["why"]) for one in told] == [("alice", 6, None)]


def test_marks_are_of_what_came_home_from_the_newest_seats(chosen: Inv, site: Site, tmp_path: Path) -> None:
    chosen("class", "grade", "--all")
    assert [(row["learner"], row["points"]) for row in chosen.json("class", "marks", "test")] == [
        ("alice", 6),
        ("bob", 2),
    ]

    site.job("bob").restarts = 1
    site.silent = False

    marks = {row["learner"]: row["points"] for row in chosen.json("class", "marks", "test")}
    assert marks == {"alice": 6, "bob": None}
    site.silent = True  # then what came home is all that is known
    assert chosen("class", "marks", "test", "--csv", f"{tmp_path}/marks.csv") == Exit.GOOD
    assert "\nbob," in (tmp_path / "marks.csv").read_text()


def test_before_anything_came_home_there_are_no_marks(chosen: Inv, site: Site) -> None:
    assert chosen("class", "marks", "test") == Exit.NOTHING_CHECKED


Ran = list[str]


@pytest.fixture
def ran(site: Site, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """What a grading does on its machine, where alice sits."""
    said: Ran = []
    write_seat(instances_dir() / "alice", Seat(learner="alice", job=10))
    monkeypatch.setattr(grading.seat, "log_to", lambda name: None)
    monkeypatch.setattr(grading, "AGAIN", 0)
    return said


def of_inv(monkeypatch: pytest.MonkeyPatch, ran: Ran, *statuses: int) -> None:
    left = list(statuses)

    class Done:
        def __init__(self, argv: list[str], **_: object) -> None:
            ran.append(f"inv {argv[1]}")
            self.returncode = left.pop(0)

    monkeypatch.setattr(grading.subprocess, "run", Done)


def test_a_grading_waits_for_the_instance_and_for_the_head(
    site: Site, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_inv(monkeypatch, ran, Exit.LOCKED, Exit.CHECK_FAILED)
    answers: list[Exception | None] = [LabError("the head is silent"), None]

    def send(of_class: str, name: str) -> bool:
        ran.append("sends")
        if error := answers.pop(0):
            raise error
        return True

    monkeypatch.setattr(grading.shipping, "send_attempts", send)

    assert grading.main("test", "alice", "grade", "10") == Exit.CHECK_FAILED

    assert ran == ["inv grade", "inv grade", "sends", "sends"]


def test_a_grading_ends_where_the_head_will_never_take_its_attempt(
    site: Site, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_inv(monkeypatch, ran, Exit.GOOD)

    def send(of_class: str, name: str) -> bool:
        raise home.Refused("no such class")

    monkeypatch.setattr(grading.shipping, "send_attempts", send)

    assert grading.main("test", "alice", "grade", "10") == Exit.LAB_BROKEN


def test_nothing_is_graded_where_another_seat_is_now(site: Site, ran: Ran) -> None:
    assert grading.main("test", "alice", "grade", "9") == Exit.LAB_BROKEN

    assert ran == []


def test_a_class_that_is_gone_still_has_its_attempts(chosen: Inv, site: Site) -> None:
    chosen("class", "grade", "alice")

    assert chosen("class", "down") == Exit.GOOD

    assert classes.names() == []
    assert [row["learner"] for row in chosen.json("class", "marks", "test")] == ["alice"]
