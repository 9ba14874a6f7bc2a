"""Classes, as their instructor sees them: seats are given, listed, moved and taken away. Slurm is a stand-in."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from halab.classroom import classes, jobs, overview, seats, steps
from halab.classroom.roster import Learner
from halab.kit.errors import Exit, LabError
from halab.kit.process import CommandResult
from tests.fake_slurm import FakeSlurm
from tests.inv import Inv
from tests.unit.test_exams import write_exam

SEAT = 700  # MiB of the two nodes of `tiny`


Roster = Callable[..., str]


def test_each_learner_gets_a_seat_and_who_has_none_is_told_why(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    assert chosen("class", "up", "tiny", "--learners", roster("Ada Lovelace", "bob", "eve", "日本太郎")) == Exit.GOOD

    assert "Asked for 4 seats of 700 MiB for tiny; 1 wait now." in chosen.out
    told = chosen.json("class", "status")
    assert [(row["learner"], row["machine"] or row["reason"]) for row in told["learners"]] == [
        ("Ada Lovelace", "m1"),
        ("bob", "m1"),
        ("eve", "m2"),
        ("日本太郎", "Resources"),
    ]
    chosen("class", "status")
    assert "waits: Resources" in chosen.out


def test_a_class_is_brought_up_again_for_those_who_came_later(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))

    assert chosen("class", "up", "tiny", "--learners", roster("alice", "bob")) == Exit.GOOD

    assert "Asked for 1 seats of 700 MiB for tiny; 1 had one; 0 wait now." in chosen.out
    assert [job.name for job in slurm.jobs] == ["alice", "bob"]


def test_who_left_the_roster_keeps_the_seat_until_it_is_taken_away(
    chosen: Inv, slurm: FakeSlurm, roster: Roster
) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice", "bob"))

    assert chosen("class", "up", "tiny", "--learners", roster("alice")) == Exit.LAB_BROKEN

    assert "bob have seats and are not in" in chosen.err
    assert chosen("class", "down", "bob") == Exit.GOOD
    assert chosen("class", "up", "tiny", "--learners", roster("alice")) == Exit.GOOD


def test_nobody_has_two_seats(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))

    assert chosen("class", "up", "other", "--learners", roster("Alice")) == Exit.LAB_BROKEN

    assert "Alice has a seat in the class of tiny, and nobody has two at once" in chosen.err
    assert classes.names() == ["tiny"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("class", "up", "nonsense"), 'there is no lab "nonsense"'),
        (("class", "up", "tiny", "--seed", "s"), "--seed and --practice are for exams, and tiny is none"),
        (("class", "status"), "there is no class; try: inv class up LAB --learners FILE"),
        (("class", "do", "--", "check"), "for whom? name a learner, or say --all"),
        (("class", "do", "alice"), "the command comes after --"),
        (("class", "grade"), "for whom? name a learner, or say --all"),
        (("class", "ship", "alice"), "alice is in no class, as there is none"),
        (("class", "move", "alice"), "alice is in no class"),
        (("class", "down", "--lab", "tiny"), "there is no class"),
        (("class", "marks", "tiny"), "tiny is no exam"),
        (("class", "grade", "--all", "--sign", "/nonexistent"), '--sign: "/nonexistent" is not there'),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, words: tuple[str, ...], sentence: str
) -> None:
    needs = ("--learners", roster("alice")) if words[:2] == ("class", "up") else ()

    assert chosen(*words[:3], *needs, *words[3:]) == Exit.LAB_BROKEN

    assert sentence in chosen.err
    assert chosen.err.count("\n") == 1
    assert slurm.jobs == []


def test_an_exam_has_a_class_without_a_seed(chosen: Inv, slurm: FakeSlurm, roster: Roster, tmp_path: Path) -> None:
    write_exam(tmp_path / "labs")

    assert chosen("class", "up", "test", "--learners", roster("alice")) == Exit.GOOD

    assert classes.settings("test").seed is None


def test_a_bad_roster_is_refused_before_anybody_has_a_seat(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    assert chosen("class", "up", "tiny", "--learners", roster("alice", "Alice")) == Exit.LAB_BROKEN

    assert 'line 3: "Alice" is in line 2 already' in chosen.err
    assert (slurm.jobs, classes.names()) == ([], [])


def test_a_seat_tells_its_machine_all_that_it_is_made_with(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("O'Brien"))

    options = slurm.jobs[0].options
    assert {"--mem=700M", "--cpus-per-task=1", "--requeue", "--partition=seats", "--comment=seat tiny"} < set(options)
    line = next(option for option in options if option.startswith("--wrap="))
    assert line.endswith(''' 'O'"'"'Brien' "$SLURM_JOB_ID" "${SLURM_RESTART_COUNT:-0}"''')
    assert " -m halab.classroom.seat " in line


def test_seats_of_an_exam_are_never_moved_by_themselves(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    settings = classes.Settings(lab="tiny", exam=True, directory="/opt/halab", memory=SEAT, seed="s")
    practice = settings.model_copy(update={"practice": True})

    assert (settings.moves_by_itself, practice.moves_by_itself) == (False, True)


def test_who_could_not_be_given_a_seat_is_named_and_has_one_next_time(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(argv: Sequence[str], *, timeout: float = 10) -> str:
        if "--job-name=bob" in argv:
            raise LabError("sbatch failed with exit status 1: Job submit limit reached")
        return slurm.ask(argv, timeout=timeout)

    monkeypatch.setattr("halab.site.slurm.ask", full)
    assert chosen("class", "up", "tiny", "--learners", roster("alice", "bob", "eve")) == Exit.LAB_BROKEN
    assert "no seat could be asked for bob, eve: sbatch failed" in chosen.err
    monkeypatch.setattr("halab.site.slurm.ask", slurm.ask)

    assert chosen("class", "up", "tiny", "--learners", roster("alice", "bob", "eve")) == Exit.GOOD

    assert [job.name for job in slurm.jobs] == ["alice", "bob", "eve"]


def test_without_a_head_a_sentence_says_so(chosen: Inv, slurm: FakeSlurm, roster: Roster) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    slurm.silent = True

    assert chosen("class", "status") == Exit.LAB_BROKEN

    assert "the head does not answer `squeue`" in chosen.err


def test_of_two_seats_the_living_one_counts_and_then_the_later() -> None:
    def job(id: int, state: str, restarts: int = 0) -> str:
        cells = (str(id), "alice", state, "None", "m1", str(restarts), "seat tiny")
        return "".join(cell.ljust(width) for cell, width in zip(cells, jobs.COLUMNS.values(), strict=True))

    text = "\n".join([job(9, "NODE_FAIL"), job(7, "RUNNING"), job(5, "COMPLETED"), ""])

    found = jobs.parsed(text)

    assert [(one.id, one.kind, one.of_class, one.reason) for one in found] == [
        (9, "seat", "tiny", ""),
        (7, "seat", "tiny", ""),
        (5, "seat", "tiny", ""),
    ]
    assert max(found, key=lambda one: (not one.ended, one.epoch)).id == 7


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"is": "one", "passed": 1, "of": 2}, "one (1 of 2)"),
        ({"is": "at work", "points": 3, "of": 10, "attempts": 1}, "at work: 3 of 10 points"),
        ({"is": "at work", "attempts": 0}, "at work"),
        ({"error": "its file cannot be read"}, "its file cannot be read"),
        ({}, ""),
    ],
)
def test_how_far_somebody_is_is_told_in_words(told: dict[str, Any], shown: str) -> None:
    row = overview.Row(Learner("alice", "alice", {}), None, told, datetime(2026, 1, 1), "one")

    assert (row.where, row.state) == (shown, "no seat")


def test_how_far_a_copy_of_an_earlier_epoch_is_does_not_count(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice", "bob"))
    of = {"is": "one", "passed": 1, "of": 2, "restarts": 0}
    told = {"alice": {**of, "job": slurm.job("alice").id - 1}, "bob": {**of, "job": slurm.job("bob").id}}
    said = CommandResult((), 0, json.dumps({"seats": told, "end": "that is all"}), "")
    monkeypatch.setattr(steps, "run_beside", lambda *_, **__: said)

    rows = chosen.json("class", "status")["learners"]

    assert [row["progress"] and row["progress"]["is"] for row in rows] == [None, "one"]


def test_what_a_machine_did_not_tell_whole_is_not_known(
    chosen: Inv, slurm: FakeSlurm, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("class", "up", "tiny", "--learners", roster("alice"))
    monkeypatch.setattr(steps, "run_beside", lambda *_, **__: CommandResult((), 0, '{"seats": {}}', ""))
    assert chosen.json("class", "status")["learners"][0]["progress"] is None

    def late(*_: object, **__: object) -> None:
        raise LabError("late")

    monkeypatch.setattr(steps, "run_beside", late)
    assert chosen.json("class", "status")["learners"][0]["progress"] is None


def test_memory_is_of_all_nodes_and_their_provider(chosen: Inv) -> None:
    from halab.spec import labs

    spec = labs.load("tiny").spec

    assert seats.memory(spec, "podman") == SEAT
    assert seats.memory(spec, "vagrant") == 3500  # 2 * (1536 + 200), in whole steps
