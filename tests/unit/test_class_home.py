"""What the head does with what comes home, and what a seat does with what it gets. Slurm is a copy here."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from halab.classroom import classes, home, leaving, progress, receiving, seat, shipping, watching
from halab.classroom.classes import Settings
from halab.exams import collected
from halab.instance.instance import Instance, instances_dir
from halab.instance.seat import Epoch, Seat, read_seat, write_seat
from halab.instance.state import write_state
from halab.kit.errors import LabError, Locked
from halab.kit.paths import ROOT
from halab.kit.wait import Clock
from halab.walk import checkpoints, parcels

SETTINGS = Settings(lab="tiny", exam=False, directory="/opt/halab", memory=700)


def send(what: str, of_class: str, instance: str, file: Path) -> bool:
    """Do as home.send does, on the head."""
    arrive = lambda place: shutil.copy(file, place)  # noqa: E731
    return receiving.put(what, of_class, instance, home.digest(file), arrive) == home.TAKEN


def fetch(of_class: str, instance: str, job: int, file: Path) -> bool:
    """Do as home.fetch does, on the head."""
    return receiving.give(of_class, instance, str(job), str(file)) != home.NOTHING


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A head, and a machine, both here; the class of `tiny`."""
    monkeypatch.setattr(home, "send", send)
    monkeypatch.setattr(home, "fetch", fetch)
    monkeypatch.setattr(home, "transmit", lambda job, file, place: shutil.copy(file, place))
    (tmp_path / "roster.csv").write_text("name\nalice\n")
    classes.keep(SETTINGS, tmp_path / "roster.csv")
    return tmp_path


def seated(instance: Instance, job: int = 7, restarts: int = 0) -> Instance:
    write_seat(instance.directory, Seat(learner="Alice", job=job, restarts=restarts))
    return instance


def kept(instance: str = "alice") -> Epoch | None:
    of = parcels.about(classes.checkpoint_of("tiny", instance)).seat
    return of.epoch if of else None


def test_what_is_of_an_earlier_epoch_is_put_aside(site: Path, instance: Instance) -> None:
    shipping.ship("tiny", seated(instance, 7, 1).name)
    later = classes.checkpoint_of("tiny", "tiny").read_bytes()

    assert not shipping.ship("tiny", seated(instance, 7, 0).name)

    assert classes.checkpoint_of("tiny", "tiny").read_bytes() == later
    assert (classes.place("tiny") / "checkpoints/superseded/tiny-7-0.halab").exists()
    assert shipping.ship("tiny", seated(instance, 8, 0).name)
    assert kept("tiny") == Epoch(8)


def test_a_checkpoint_without_a_seat_is_refused(site: Path, instance: Instance) -> None:
    with pytest.raises(LabError, match="does not tell which seat it is of"):
        shipping.ship("tiny", instance.name)


def test_nothing_is_shipped_while_somebody_works(site: Path, instance: Instance) -> None:
    seated(instance)

    with instance.lock(), pytest.raises(Locked):
        shipping.ship("tiny", instance.name)

    assert not classes.checkpoint_of("tiny", instance.name).exists()


def test_work_is_saved_where_a_seat_is_to_be_moved_and_comes_home_again_when_it_ends(
    site: Path, instance: Instance
) -> None:
    seated(instance)

    shipping.ship("tiny", instance.name, save=True)
    assert parcels.about(classes.checkpoint_of("tiny", "tiny")).checkpoint == shipping.MOVED
    shipping.ship("tiny", instance.name)  # as a seat's end does
    assert parcels.about(classes.checkpoint_of("tiny", "tiny")).checkpoint == shipping.MOVED


def test_attempts_come_home(site: Path, tmp_path: Path) -> None:
    directory = instances_dir() / "alice"
    (directory / "attempts/1").mkdir(parents=True)
    (directory / "attempts/1/grade.json").write_text("{}")
    (directory / "state.json").write_text("{}")
    write_seat(directory, Seat(learner="Alice", job=7))

    assert shipping.send_attempts("tiny", "alice")

    there = collected.learners_dir("tiny") / "alice"
    assert (there / "attempts/1/grade.json").read_text() == "{}"
    assert read_seat(there) == Seat(learner="Alice", job=7)


@pytest.mark.parametrize("name", ["../state.json", "/etc/passwd", "attempts/1/../../x", "attempts/0/x", "other.json"])
def test_attempts_are_unpacked_only_to_where_attempts_are(site: Path, tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad", "w:gz") as tar:
        tar.add(tmp_path / "roster.csv", name, recursive=False)
        tar.getmembers()[0].name = name

    with pytest.raises(LabError, match="is no file of an attempt"):
        home.send("attempts", "tiny", "alice", tmp_path / "bad")


def test_attempts_that_are_cut_short_are_refused(site: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "whole", "w:gz", format=tarfile.GNU_FORMAT) as tar:
        tar.add(tmp_path / "roster.csv", "state.json")
    (tmp_path / "bad").write_bytes((tmp_path / "whole").read_bytes()[:60])

    with pytest.raises(LabError, match="attempts did not arrive whole"):
        home.send("attempts", "tiny", "alice", tmp_path / "bad")


def test_a_link_among_attempts_is_refused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with tarfile.open(tmp_path / "bad", "w:gz") as tar:
        tar.add(tmp_path / "link", "attempts/1/grade.json")

    with pytest.raises(LabError, match="is no file of an attempt"):
        home.send("attempts", "tiny", "alice", tmp_path / "bad")


Done = list[tuple[str, ...]]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """The commands of inv that a seat runs."""
    said: Done = []
    monkeypatch.setattr(seat, "_inv", lambda settings, name, *words: said.append(words))
    return said


def test_a_new_seat_brings_its_lab_up(site: Path, done: Done) -> None:
    seat.make(SETTINGS, "alice", Seat(learner="Alice", job=7))

    assert done == [("lab", "--instance", "alice", "--name", "tiny", "up")]
    assert read_seat(instances_dir() / "alice") == Seat(learner="Alice", job=7)


def test_a_new_seat_of_an_exam_begins_it_with_the_seed(site: Path, done: Done) -> None:
    exam = SETTINGS.model_copy(update={"exam": True, "seed": "s 1", "practice": True, "distro": "debian12"})

    seat.make(exam, "alice", Seat(learner="Alice", job=7))

    start = ("start", "tiny", "--instance", "alice", "--seed", "s 1", "--practice")
    assert done == [("lab", "--instance", "alice", "--name", "tiny", "--distro", "debian12", *start)]


def test_a_seat_that_was_placed_anew_goes_on_from_what_was_shipped(
    site: Path, instance: Instance, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipping.ship("tiny", seated(instance).name)
    instance.down()

    seat.make(SETTINGS, instance.name, Seat(learner="Alice", job=7, restarts=1))

    assert [words[0] for words in done] == ["import-checkpoint"]
    assert done[0][2:] == ("--instance", "tiny")
    assert read_seat(instance.directory) == Seat(learner="Alice", job=7, restarts=1)


@pytest.mark.parametrize("restoring", [None, "one"])
def test_a_seat_goes_on_in_the_middle_of_a_step_but_not_half_restored(
    site: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch, restoring: str | None
) -> None:
    shipping.ship("tiny", seated(instance).name)
    state = instance.state.model_copy(update={"restoring": restoring})
    instance.down()

    def run(settings: Settings, name: str, *words: str) -> None:
        write_state(instance.directory, state)
        raise LabError("`inv import-checkpoint` failed with exit status 1")

    monkeypatch.setattr(seat, "_inv", run)
    if restoring:
        with pytest.raises(LabError, match="import-checkpoint"):
            seat.make(SETTINGS, instance.name, Seat(learner="Alice", job=7, restarts=1))
    else:
        seat.make(SETTINGS, instance.name, Seat(learner="Alice", job=7, restarts=1))


def test_what_is_here_of_the_newest_epoch_is_kept_and_completed(site: Path, instance: Instance, done: Done) -> None:
    shipping.ship("tiny", seated(instance).name)

    seat.make(SETTINGS, instance.name, Seat(learner="Alice", job=7, restarts=1))

    assert done == [("up",)]
    assert read_seat(instance.directory) == Seat(learner="Alice", job=7, restarts=1)


def test_what_is_here_of_an_earlier_epoch_than_what_was_shipped_is_removed(
    site: Path, instance: Instance, done: Done
) -> None:
    shipping.ship("tiny", seated(instance, 7, 1).name)
    seated(instance, 7, 0)

    seat.make(SETTINGS, instance.name, Seat(learner="Alice", job=7, restarts=2))

    assert [words[0] for words in done] == ["down", "import-checkpoint"]


def test_a_seat_that_ends_sends_what_it_has_and_goes(
    site: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    seated(instance)
    other = instances_dir() / "other"
    write_seat(other, Seat(learner="Other", job=8))
    ended: list[str] = []

    monkeypatch.setattr(leaving, "_down", lambda name: ended.append(name))

    assert [path.name for path in leaving.left_by(7)] == ["tiny"]
    leaving.leave(instance.directory)

    assert ended == ["tiny"]
    assert kept("tiny") == Epoch(7)
    assert read_seat(collected.learners_dir("tiny") / "tiny") == Seat(learner="Alice", job=7)


def test_how_far_somebody_is_is_read_from_files(instance: Instance) -> None:
    seated(instance)

    told = progress.of_machine()

    assert told == {"tiny": {"job": 7, "restarts": 0, "is": "start", "passed": 0, "of": len(instance.folder.steps)}}
    instance.remember(instance.state.with_step("one", "passed"))
    assert progress.of_machine()["tiny"]["is"] == "one"
    assert progress.read(json.dumps({"seats": told, "end": progress.END})) == told
    assert progress.read(json.dumps({"seats": told, "end": progress.END})[:-1]) is None


def test_nobody_is_told_to_be_at_a_step_who_cannot_work_yet(instance: Instance) -> None:
    instance.remember(instance.state.model_copy(update={"restoring": "one"}))
    assert progress.of_instance(instance.directory) == {"is": "being restored"}

    instance.remember(instance.state.model_copy(update={"restoring": None}))
    (instance.directory / "checkpoints/start.json").unlink()
    assert progress.of_instance(instance.directory) == {"is": "being made"}


def test_each_new_checkpoint_is_shipped_once_and_what_failed_again(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []
    slept: list[float] = []

    def ship(of_class: str, name: str) -> bool:
        assert (of_class, name) == ("tiny", instance.name)
        tried.append(len(tried) != 0)  # the first time somebody works
        return tried[-1]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            checkpoints.save(instance, "mine")
        if len(slept) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching, "_ship", ship)
    with pytest.raises(KeyboardInterrupt):
        watching.watch("tiny", instance.directory, Clock(sleep=sleep))

    assert tried == [False, True, True]
    assert slept[0] == watching.AGAIN


def test_a_seat_that_waits_takes_little_memory() -> None:
    script = "import sys, halab.classroom.watching; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert {"pydantic", "jinja2", "rich", "invoke", "halab.kit.process"}.isdisjoint(loaded.split())
