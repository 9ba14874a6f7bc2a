"""Seats that are moved, shipped from, lost and taken away. Slurm is a stand-in."""

from collections.abc import Callable

import pytest

from halab.classroom import actions, classes, jobs, shipping, steps
from halab.classroom.jobs import Job
from halab.kit.errors import Exit
from halab.kit.process import CommandResult
from tests.fake_slurm import FakeSlurm
from tests.inv import Inv

Roster = Callable[..., str]


def ship_arrives(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Have whatever is shipped arrive, and return the list of it."""
    asked: list[tuple[str, ...]] = []

    def run_beside(job: Job, settings: classes.Settings, module: str, *words: str, **_: float) -> CommandResult:
        asked.append((job.machine, module, *words))
        if module == "shipping":
            file = classes.checkpoint_of(settings.lab, job.name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(str(len(asked)))
        return CommandResult((), 0, "", "")

    monkeypatch.setattr(steps, "run_beside", run_beside)
    return asked


def test_where_a_machine_is_lost_practice_seats_are_placed_anew(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))

    slurm.lose("m1")

    row = chosen.json("class", "status")["learners"][0]
    assert (row["machine"], row["restarts"]) == ("m2", 1)


def test_a_moved_seat_goes_on_from_what_was_saved_then(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ship_arrives(monkeypatch)
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    before = slurm.job("alice").id

    assert chosen("class", "move", "alice", "--to", "m2") == Exit.GOOD

    assert asked[-1] == ("m1", "shipping", "tiny", "alice", shipping.SAVE)
    assert "alice goes on where the work was on m1" in chosen.out
    assert (slurm.job("alice").machine, slurm.job("alice").id > before) == ("m2", True)


def test_a_seat_whose_work_cannot_be_saved_is_left_where_it_is(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    before = slurm.job("alice").id

    assert chosen("class", "move", "alice") == Exit.LAB_BROKEN

    assert "the checkpoint did not come home: srun: error: cut off" in chosen.err
    assert slurm.job("alice").id == before


def lose_for_good(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    """Give alice a seat that is not placed anew, and lose its machine."""
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    slurm.job("alice").options = tuple(option for option in slurm.job("alice").options if option != "--requeue")
    slurm.lose("m1")


def test_at_the_end_of_a_class_what_is_left_on_a_machine_that_was_lost_is_removed_where_it_is_back(
    chosen: Inv, slurm: FakeSlurm, roster: Roster
) -> None:
    lose_for_good(chosen, slurm, roster)

    assert chosen("class", "down", "alice") == Exit.GOOD
    assert not any(asked.startswith("srun") for asked in slurm.asked)  # it is lost still
    slurm.down.clear()
    assert chosen("class", "down", "alice") == Exit.GOOD

    (leave,) = [asked for asked in slurm.asked if asked.startswith("srun")]
    assert "--nodelist=m1" in leave
    assert leave.endswith(f"-m halab.classroom.leaving {slurm.job('alice').id}")


def test_from_a_lost_machine_a_seat_moves_without_what_was_not_shipped(
    chosen: Inv, slurm: FakeSlurm, roster: Roster
) -> None:
    lose_for_good(chosen, slurm, roster)
    assert chosen.json("class", "status")["learners"][0]["state"] == "NODE_FAIL"

    assert chosen("class", "move", "alice") == Exit.GOOD

    assert "alice begins anew: nothing had come home from m1." in chosen.out
    assert actions.jobs.seats()["alice"].machine == "m2"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(("--to", "m1"), "alice sits on m1 already"), ((), "who has one tells: inv class status")],
)
def test_only_a_seat_moves_and_only_to_another_machine(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, words: tuple[str, ...], sentence: str
) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    if not words:
        slurm.jobs = []

    assert chosen("class", "move", "alice", *words) == Exit.LAB_BROKEN

    assert sentence in chosen.err


def test_everybody_has_the_last_checkpoint_shipped_and_who_has_not_is_named(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ship_arrives(monkeypatch)
    chosen("class", "up", "tiny", "--learners", roster("alice", "bob", "eve", "mallory"))

    assert chosen("class", "ship") == Exit.LAB_BROKEN

    assert sorted(words[3] for words in asked) == ["alice", "bob", "eve"]
    assert "mallory: the seat is pending" in chosen.err
    assert "not shipped: mallory" in chosen.err
    assert chosen("class", "ship", "alice") == Exit.GOOD


def test_a_class_ends_with_its_gradings_and_can_begin_anew(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_arrives(monkeypatch)
    chosen("class", "up", "tiny", "--learners", roster("alice", "bob"))
    chosen("class", "ship")
    slurm.ask(["sbatch", "--job-name=grade:bob", "--comment=grading tiny", "--mem=1M"])

    assert chosen("class", "down") == Exit.GOOD

    assert "The class of tiny has ended: 2 seats are taken away." in chosen.out
    assert (slurm.jobs, classes.names()) == ([], [])
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    assert not classes.checkpoint_of("tiny", "alice").exists()
    assert list(classes.place("tiny").glob("checkpoints-until-*/alice.halab"))


def test_who_lost_all_seats_goes_on_from_what_came_home(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_arrives(monkeypatch)
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    chosen("class", "ship")
    slurm.jobs = []  # Slurm has forgotten those that were lost

    assert chosen("class", "up", "tiny", "--learners", roster("alice")) == Exit.GOOD

    assert classes.checkpoint_of("tiny", "alice").exists()


def test_seats_that_stay_are_named(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    monkeypatch.setattr(actions, "LEAVING", 0)
    monkeypatch.setattr(jobs, "end", lambda ids: None)

    assert chosen("class", "down") == Exit.LAB_BROKEN

    assert "still there after 0 s: alice on m1" in chosen.err
    assert classes.names() == ["tiny"]
