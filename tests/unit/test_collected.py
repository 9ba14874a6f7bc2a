"""Which attempts count of a seat that was given anew, and what is kept of them on the head."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from halab.exams import attempts, collected
from halab.exams.collected import counting, replaces, take
from halab.exams.grade import GRADE, Grade
from halab.exams.signing import make_key, sign, verify
from halab.instance.instance import Instance
from halab.instance.seat import Epoch, Seat, read_seat, write_seat
from halab.instance.state import Sitting, write_state
from halab.kit.errors import LabError
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import begin_exam, write_exam
from tests.unit.test_signing import a_grade

FIRST, MOVED, LATER = Epoch(7), Epoch(7, 1), Epoch(12)


@pytest.fixture
def begun(world: World, tmp_path: Path) -> Instance:
    return begin_exam(write_exam(tmp_path / "labs"))


def from_seat(tmp_path: Path, begun: Instance, epoch: Epoch, *points: int) -> Path:
    """Return what arrives from a seat, with an attempt of each number of points."""
    directory = tmp_path / f"arrived {epoch.job} {epoch.restarts} {points}"
    for number, earned in enumerate(points, 1):
        place = directory / "attempts" / str(number)
        place.mkdir(parents=True)
        grade = a_grade().model_copy(update={"points": earned, "seat": epoch})
        (place / GRADE).write_text(grade.model_dump_json())
    directory.mkdir(exist_ok=True)
    write_seat(directory, Seat(learner="Ålice", job=epoch.job, restarts=epoch.restarts))
    sitting = Sitting(seed="7", drawn={}, attempts=len(points))
    write_state(directory, begun.state.model_copy(update={"sitting": sitting}))
    return directory


@pytest.fixture
def home() -> Path:
    return collected.learners_dir("test") / "alice-2"


def points_of(
    name: str = "alice-2", newest: Mapping[str, Epoch] = MappingProxyType({}), of_class: str | None = None
) -> int | None:
    """Return how many points count for a learner."""
    (learner,) = [one for one in attempts.learners("test", newest, of_class) if one.name == name]
    return learner.attempt.grade.points if learner.attempt else None


def test_a_later_job_is_a_later_epoch_and_so_is_a_restart_of_the_same() -> None:
    assert sorted([LATER, MOVED, FIRST]) == [FIRST, MOVED, LATER]
    assert Epoch(7, 99) < Epoch(8)


@pytest.mark.parametrize(
    ("kept", "arriving", "expected"),
    [(None, FIRST, True), (FIRST, FIRST, True), (FIRST, MOVED, True), (MOVED, FIRST, False), (LATER, MOVED, False)],
)
def test_what_arrives_late_from_an_earlier_epoch_replaces_nothing(
    kept: Epoch | None, arriving: Epoch, expected: bool
) -> None:
    assert replaces(kept, arriving) is expected


@pytest.mark.parametrize(
    ("epochs", "newest", "expected"),
    [
        ([], None, None),
        ([None], None, 0),
        ([None, FIRST], None, 1),
        ([MOVED, FIRST], None, 0),
        ([FIRST, FIRST], None, 0),
        ([FIRST, LATER, MOVED], None, 1),
        ([FIRST, MOVED], MOVED, 1),
        ([FIRST, MOVED], LATER, None),
        ([None], FIRST, None),
    ],
)
def test_only_what_the_newest_seat_has_counts(
    epochs: list[Epoch | None], newest: Epoch | None, expected: int | None
) -> None:
    found = {Path(str(number)): epoch for number, epoch in enumerate(epochs)}

    counts = counting(found, newest)

    assert counts == (None if expected is None else Path(str(expected)))


def test_an_attempt_tells_the_epoch_of_its_seat(begun: Instance) -> None:
    alone = attempts.keep(begun, a_grade(), [], last=False)
    write_seat(begun.directory, Seat(learner="Ålice", job=7, restarts=1))

    in_a_class = attempts.keep(begun, a_grade(), [], last=False)

    assert (alone.grade.seat, in_a_class.grade.seat) == (None, MOVED)
    assert '"seat": {\n    "job": 7,\n    "restarts": 1\n  }' in (in_a_class.directory / GRADE).read_text()


def test_a_grade_of_before_there_were_seats_is_read() -> None:
    older = a_grade().model_dump_json(exclude={"seat"})

    assert Grade.model_validate_json(older) == a_grade()


def test_what_came_home_is_in_the_marks(begun: Instance, tmp_path: Path, home: Path) -> None:
    assert take(from_seat(tmp_path, begun, FIRST, 3, 5), home)

    assert points_of() == 5
    assert sorted(learner.name for learner in attempts.learners("test")) == ["alice", "alice-2"]
    assert [learner.name for learner in attempts.learners("test", of_class="test")] == ["alice-2"]
    assert attempts.learners("test", of_class="another") == []


def test_attempts_of_a_copy_that_was_cut_off_do_not_count(begun: Instance, tmp_path: Path, home: Path) -> None:
    assert take(from_seat(tmp_path, begun, MOVED, 3), home)

    assert not take(from_seat(tmp_path, begun, FIRST, 3, 9, 10), home)

    assert points_of() == 3
    assert [place.name for place in (home / "attempts").iterdir()] == ["1"]
    assert read_seat(home) == Seat(learner="Ålice", job=7, restarts=1)


def test_attempts_that_the_newest_seat_has_not_are_put_aside(begun: Instance, tmp_path: Path, home: Path) -> None:
    take(from_seat(tmp_path, begun, FIRST, 3, 5, 9), home)

    assert take(from_seat(tmp_path, begun, MOVED, 3, 6), home)

    assert points_of() == 6
    assert sorted(place.name for place in (home / "attempts").iterdir()) == ["1", "2"]
    assert sorted(place.name for place in (home / "superseded" / "7-0").iterdir()) == ["1", "2", "3"]


def test_nothing_counts_while_the_newest_seat_has_sent_nothing(begun: Instance, tmp_path: Path, home: Path) -> None:
    take(from_seat(tmp_path, begun, FIRST, 3), home)

    assert points_of(newest={"alice-2": MOVED}) is None
    assert points_of(newest={"alice-2": FIRST, "another": LATER}) == 3


def test_an_instance_on_the_head_itself_counts_as_it_is_now(begun: Instance, tmp_path: Path) -> None:
    write_seat(begun.directory, Seat(learner="Ålice", job=7))
    attempts.keep(begun, a_grade().model_copy(update={"points": 8}), [], last=False)
    home = collected.learners_dir("test") / "alice"
    take(from_seat(tmp_path, begun, FIRST, 3), home)
    assert points_of("alice") == 8

    take(from_seat(tmp_path, begun, MOVED, 4), home)

    assert points_of("alice") == 4


def test_a_signature_that_was_made_at_home_stays(begun: Instance, tmp_path: Path, home: Path) -> None:
    public = make_key(tmp_path / "grader")
    take(from_seat(tmp_path, begun, FIRST, 3), home)
    sign(home / "attempts" / "1", tmp_path / "grader")

    assert take(from_seat(tmp_path, begun, FIRST, 3, 5), home)

    assert verify(home / "attempts" / "1", public) == []
    assert not (home / "attempts" / "2" / "manifest.sig").exists()
    assert points_of() == 5


def test_what_arrived_half_is_done_again(begun: Instance, tmp_path: Path, home: Path) -> None:
    (home / "attempts" / ".1").mkdir(parents=True)
    (home / "attempts" / "1").mkdir()
    arrived = from_seat(tmp_path, begun, FIRST, 3)
    (arrived / "attempts" / "2").mkdir()  # a grading that was killed there

    assert take(arrived, home)
    assert take(arrived, home)

    assert points_of() == 3
    assert [place.name for place in (home / "attempts").iterdir()] == ["1"]


def test_what_tells_no_seat_is_refused(begun: Instance, tmp_path: Path, home: Path) -> None:
    arrived = from_seat(tmp_path, begun, FIRST, 3)
    (arrived / "seat.json").unlink()

    with pytest.raises(LabError, match="does not tell which seat it is of"):
        take(arrived, home)


def test_a_seat_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "seat.json").write_text("{}")

    with pytest.raises(LabError, match=r"seat.json is not readable \(2 problems\)"):
        read_seat(tmp_path)


def test_inv_marks_shows_a_class(begun: Instance, tmp_path: Path, home: Path, inv: Inv) -> None:
    take(from_seat(tmp_path, begun, FIRST, 3), home)

    found = inv.json("marks", "test")

    assert "alice-2" in str(found)
