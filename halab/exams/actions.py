"""What `inv` does to an instance of an exam, once it is up.

Each function takes the instance's lock, tells the audience what happens, and raises HalabError when it ends badly.
"""

import time
from pathlib import Path

from halab.conditions.checks import Outcome
from halab.exams import attempts, grading, hints, reports, signing, sitting
from halab.exams.attempts import Attempt, Graded
from halab.exams.grade import Grade, Mark, Marked
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.kit.audience import Audience, Reported, Said, must_go_on, progress
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.walk import bringup

PAUSE = 3.0  # seconds between two looks of `inv watch`


def start(instance: Instance, audience: Audience, practice: bool) -> None:
    """Begin the exam, unless it has begun: break what it breaks."""
    exam = instance.folder.name
    with instance.lock():
        if not sitting.sitting_of(instance).began and by_hand.may_have_worked(instance):
            must_go_on(audience, f"{exam} begins with nodes of its own: what was done on these by hand is lost.")
        with progress(audience, f"Preparing {exam}"):
            sitting.begin(instance, practice)


def hint(instance: Instance, audience: Audience) -> None:
    """Give one more hint for the first check that does not pass, and count it."""
    with instance.lock():
        bringup.settle(instance, audience)
        audience.tell(Said(hints.give(instance)))


def grade(instance: Instance, audience: Audience, sign: str | None, last: bool) -> None:
    """Grade the exam as it stands, and keep that as an attempt, the last one if asked.

    The work is as before afterwards. `sign` is a file with a private key.
    """
    if sign:
        signing.private_key(Path(sign))  # one that is no key is told before minutes of grading
    with instance.lock():
        if last:
            audience.tell(Said(f"Handing in instance {instance.name}, of exam {instance.folder.name}."))
        bringup.await_stops(instance)
        bringup.settle(instance, audience)
        _say_what_grading_does(instance, audience)
        result, outages = grading.grade(instance, lambda mark: audience.tell(Marked(mark)))
        attempt = attempts.keep(instance, result, outages, last)
        files = _write_reports(attempt, audience)
        if sign:
            signing.sign(attempt.directory, Path(sign))
    audience.tell(Graded(attempt, files))
    _judge(result)


def report(instance: Instance, audience: Audience, number: int) -> None:
    """Tell again what an attempt came to, and make its reports anew from its grade; 0 is the last attempt."""
    sitting.sitting_of(instance)
    with instance.lock():
        attempt = attempts.find(instance.directory, number)
        files = _write_reports(attempt, audience)
    for mark in attempt.grade.checks:
        audience.tell(Marked(mark))
    audience.tell(Graded(attempt, files))


def watch(instance: Instance, audience: Audience) -> None:
    """Until all checks pass, tell which begin to pass and which no longer do. For practice only."""
    if not sitting.sitting_of(instance).practice:
        raise LabError("only practice is watched; try: inv down, and inv start EXAM --practice")
    known: dict[str, Outcome] = {}
    audience.tell(Said("Looking every few seconds at what can be told without breaking anything; Ctrl-C ends it."))
    while True:
        marks = _look(instance, audience)
        if not marks:
            raise NothingChecked("all that counts here is told by breaking something; try: inv grade")
        for mark in marks:
            if known.get(mark.sentence) is not mark.outcome:
                audience.tell(Marked(mark))
        known = {mark.sentence: mark.outcome for mark in marks}
        if all(mark.outcome is Outcome.PASSED for mark in marks):
            break
        time.sleep(PAUSE)
    audience.tell(Said("All of that passes; inv grade tells what is left when nodes fail."))


def _look(instance: Instance, audience: Audience) -> list[Mark]:
    with instance.lock():
        bringup.settle(instance, audience)
        return grading.look(instance)


def _write_reports(attempt: Attempt, audience: Audience) -> tuple[Path, ...]:
    files = tuple(reports.write_all(attempt))
    for file in files:
        audience.tell(Reported(file))
    return files


def _say_what_grading_does(instance: Instance, audience: Audience) -> None:
    """Say what grading does, before it begins. While somebody has a shell open, ask whether to go on."""
    sitting.open_sitting(instance)  # what is not graded is not lost either
    kept = "memory too" if instance.provider.saves_memory else "as on their disks: they boot, and what is not permanent"
    lost = "" if instance.provider.saves_memory else " (a firewall's runtime rules, a mount, what runs by hand) is gone"
    does = f"Grading breaks things and puts all nodes back as they are now, {kept}{lost}. Shells on them end."
    if shells := by_hand.open_shells(instance):
        must_go_on(audience, f"{does} There is one on {' and '.join(shells)}.")
    else:
        audience.tell(Said(does))


def _judge(result: Grade) -> None:
    """Raise an error for a grading that is not passed."""
    if result.verdict == "not graded" and result.replaced:
        raise LabError(f"not graded, and no attempt counts until it is put back: {result.replaced[0]}")
    if result.verdict == "not graded":
        raise LabError("not graded: some checks could not be told, see ERROR above; no attempt is counted")
    if result.verdict == "failed":
        raise CheckFailed(f"{result.percent:g} per cent, and {result.pass_mark} are needed")
