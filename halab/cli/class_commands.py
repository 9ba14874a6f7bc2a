"""What each Invoke task about a class does."""

import sys
import threading
from contextlib import suppress
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from halab.classroom import actions, classes, forwarding, gradings, jobs, overview, seats
from halab.classroom.classes import Settings
from halab.classroom.gradings import Result
from halab.classroom.overview import Row
from halab.classroom.roster import Learner
from halab.cli.exam_commands import tell_marks
from halab.cli.report import Report
from halab.cli.selection import default_provider
from halab.cli.terminal import Terminal, dump
from halab.exams import attempts, signing
from halab.exams.draw import paper_of
from halab.kit import pty, typed
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.kit.parallel import for_each
from halab.spec import labs

AT_ONCE = 32  # commands that run for --all side by side


def up(lab: str, learners: str, seed: str | None, practice: bool, distro: str | None) -> None:
    """Give each learner of a roster a seat."""
    folder = labs.load(lab)
    if folder.paper is None and (seed is not None or practice):
        raise LabError(f"--seed and --practice are for exams, and {lab} is none")
    provider = next(iter(folder.spec.needs.providers), None) or default_provider()[0]
    settings = Settings(
        lab=lab,
        exam=folder.paper is not None,
        directory=seats.directory(),
        memory=seats.memory(folder.spec, provider),
        seed=seed,
        practice=practice,
        distro=distro,
        state_home=seats.state_home(),
    )
    given = actions.up(settings, Path(learners))
    had = f"; {len(given.had)} had one" if given.had else ""
    waits = sum(job.state == "PENDING" for job in jobs.seats(lab).values())
    Report().say(f"Asked for {len(given.new)} seats of {settings.memory} MiB for {lab}{had}; {waits} wait now.")
    Report().say("Who sits where, and why somebody waits: inv class status")


def status(lab: str | None, json: bool) -> None:
    of_class = classes.chosen(lab)
    rows = overview.rows(of_class)
    if json:
        dump({"class": of_class, "learners": [row.as_data() for row in rows]})
        return
    table = Table()
    for heading in ("Learner", "Instance", "Machine", "Seat", "Where", "Shipped"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, _cells(row)))
    Terminal.on(sys.stdout).print(table)


def _cells(row: Row) -> tuple[str, ...]:
    machine = row.job.machine if row.job else ""
    shipped = f"{row.checkpoint}, {row.shipped:%F %T}" if row.shipped else ""
    return row.learner.name, row.learner.instance, machine, row.state, row.where, shipped


def ssh(learner: str, node: str) -> None:
    """Open a shell on a node of a learner; it is recorded on the learner's machine."""
    seat = forwarding.find(learner, Report().say)
    words = ["ssh", node, *(["--", *typed.after_dashes()] if typed.after_dashes() else [])]
    if typed.after_dashes() or not pty.on_terminal():
        raise SystemExit(forwarding.run(seat, words, forwarding.show))
    nonce = forwarding.new_nonce()
    trailer = forwarding.Trailer(nonce)
    forwarding.use_site()
    pty.run_apart(forwarding.argv(seat, words, nonce, terminal=True), shown=trailer.feed)
    raise SystemExit(forwarding.believed(seat, words, trailer.end()[1]))


def do(learner: str, everybody: bool, lab: str | None) -> None:
    """Run a command of inv for a learner, or for everybody who has a seat, side by side."""
    words = typed.after_dashes()
    if not words:
        raise LabError("the command comes after --, as in: inv class do alice -- check")
    if not everybody:
        _refuse_nobody(learner)
        raise SystemExit(forwarding.main(learner, words))
    of_class = classes.chosen(lab)
    there = {name: job for name, job in jobs.seats(of_class).items() if job.state == "RUNNING"}
    chosen = [one for one in classes.learners(of_class) if one.instance in there]
    if not chosen:
        raise NothingChecked(f"nobody has a seat in the class of {of_class}")
    statuses: dict[str, int] = {}
    for begin in range(0, len(chosen), AT_ONCE):
        for_each(chosen[begin : begin + AT_ONCE], lambda one: statuses.update({one.name: _do_for(one, words)}))
    if failed := [f"{one.name} ({statuses[one.name]})" for one in chosen if statuses[one.name]]:
        print(f"halab: not 0: {', '.join(failed)}", file=sys.stderr)
    raise SystemExit(max(statuses.values()))


_one_line = threading.Lock()


def _do_for(learner: Learner, words: list[str]) -> int:
    """Run a command for a learner; each line of what it prints begins with the learner's name."""
    left = b""

    def show(data: bytes) -> None:
        nonlocal left
        *lines, left = (left + data).split(b"\n")
        for line in lines:
            _print_line(learner, line)

    try:
        seat = forwarding.find(learner.instance, lambda sentence: None)
        status = forwarding.run(seat, words, show, listens=False, with_errors=True)
    except LabError as error:
        left, status = left + str(error).encode(), int(error.exit_code)
    if left:
        _print_line(learner, left)
    return status


def _print_line(learner: Learner, line: bytes) -> None:
    with _one_line:
        forwarding.show(f"{learner.name}: ".encode() + line + b"\n")


def grade(learner: str, everybody: bool, sign: str | None, lab: str | None, json: bool, last: bool) -> None:
    of_class, chosen = _those(learner, lab, everybody)
    paper_of(labs.load(of_class))
    if sign:
        signing.private_key(Path(sign))  # one that is no key is told before minutes of grading
    tell = _told_as_json if json else _told
    results = gradings.grade(of_class, chosen, last, Path(sign) if sign else None, tell)
    if json:
        dump([_as_data(result) for result in results])
    if missing := [result.learner.name for result in results if result.attempt is None]:
        raise LabError(f"not graded: {', '.join(missing)}")
    failed = [result.learner.name for result in results if result.attempt and result.attempt.grade.verdict != "passed"]
    if failed:
        raise CheckFailed(f"not passed: {', '.join(failed)}")


def _told(result: Result) -> None:
    print(_summary(result), flush=True)


def _told_as_json(result: Result) -> None:
    print(_summary(result), file=sys.stderr, flush=True)


def _summary(result: Result) -> str:
    if result.attempt is None:
        return f"{result.learner.name}: {result.why}"
    grade = result.attempt.grade
    return f"{result.learner.name}: {grade.points}/{grade.of}, {grade.verdict}; {result.attempt.directory}"


def _as_data(result: Result) -> dict[str, object]:
    grade = result.attempt.grade.model_dump(mode="json") if result.attempt else None
    return {"learner": result.learner.name, "grade": grade, "why": result.why or None}


def marks(exam: str, csv: str | None, json: bool) -> None:
    """Show what everybody of a class has in an exam, from what came home, as a table, or write it to files."""
    tasks = [task.name for task in paper_of(labs.load(exam)).file.tasks]
    epochs = {}
    with suppress(LabError):  # without its head the class still has what came home
        epochs = {name: job.epoch for name, job in jobs.seats(exam).items() if not job.ended}
    learners, report = attempts.learners(exam, epochs, exam), Report(json)
    if not learners:
        raise NothingChecked(f"no attempt at {exam} came home; try: inv class grade --all")
    tell_marks(report, learners, tasks, csv, json)


def ship(learner: str, lab: str | None) -> None:
    of_class, chosen = _those(learner, lab, everybody=learner == typed.EVERYBODY)
    failed = actions.ship(of_class, chosen)
    for name, why in failed.items():
        print(f"{name}: {why}", file=sys.stderr)
    if failed:
        raise LabError(f"not shipped: {', '.join(failed)}")
    Report().say(f"The last checkpoints of {len(chosen)} learners are on the head.")


def move(learner: str, to: str | None) -> None:
    of_class, one = classes.find(learner)
    Report().say(actions.move(of_class, one, to))


def down(learner: str, lab: str | None) -> None:
    if learner != typed.EVERYBODY:
        of_class, one = classes.find(learner)
        actions.down(of_class, [one])
        Report().say(f"{one.name} has no seat any more; what there was came home.")
        return
    of_class = classes.chosen(lab)
    taken = actions.down(of_class, None)
    Report().say(
        f"The class of {of_class} has ended: {taken} seats are taken away. {classes.place(of_class)} has the rest."
    )


def _refuse_nobody(learner: str) -> None:
    if learner == typed.EVERYBODY:
        raise LabError("for whom? name a learner, or say --all")


def _those(learner: str, lab: str | None, everybody: bool) -> tuple[str, list[Learner]]:
    """Return a class, and whom of it a command is about: a learner who is named, or all who have a seat."""
    if not everybody:
        _refuse_nobody(learner)
        of_class, one = classes.find(learner)
        return of_class, [one]
    of_class = classes.chosen(lab)
    there = {name for name, job in jobs.seats(of_class).items() if not job.ended}
    if not (chosen := [one for one in classes.learners(of_class) if one.instance in there]):
        raise NothingChecked(f"nobody has a seat in the class of {of_class}")
    return of_class, chosen
