"""What each Invoke task about exams does."""

import time
from pathlib import Path

from halab.cli.commands import up
from halab.cli.report import Report
from halab.cli.selection import Selection, current, refuse_name, select
from halab.conditions.checks import Outcome
from halab.exams import attempts, grading, reports, sheets, signing, sitting
from halab.exams.draw import paper_of
from halab.exams.reports import marks as class_marks
from halab.instance import by_hand
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import read_state
from halab.kit import consent
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.kit.files import publish
from halab.spec import labs
from halab.walk import bringup

PAUSE = 3.0  # seconds between two looks of `inv watch`


def start(exam: str, instance: str | None, seed: str | None, practice: bool) -> None:
    """Begin an exam: make its instance, break what it breaks, and tell what is to be done."""
    paper_of(labs.load(exam))
    _refuse_another_sitting(select(exam, instance, None, None, None, seed=seed), seed, practice)
    up()
    found, report = Instance.open(current().instance_name), Report()
    with found.lock():
        if not sitting.sitting_of(found).began and by_hand.may_have_worked(found):
            consent.go_on(report.say, f"{exam} begins with nodes of its own: what was done on these by hand is lost.")
        with report.progress(f"Preparing {exam}"):
            sitting.begin(found, practice)
    report.task_text(found)


def _refuse_another_sitting(selection: Selection, seed: str | None, practice: bool) -> None:
    """An exam that has begun goes on as it is, and not as somebody asks for now."""
    name = selection.instance_name
    known = read_state(instances_dir() / name)
    if known is None or known.sitting is None or known.sitting.began is None:
        return
    if seed not in (None, known.sitting.seed):
        raise LabError(f"{name} has begun with the seed {known.sitting.seed!r}, not {seed!r}; try: inv down")
    if practice and not known.sitting.practice:
        raise LabError(f"{name} has begun, and not as practice; try: inv down")


def grade(sign: str | None, json: bool) -> None:
    """Grade the exam as it stands, and keep that as an attempt; the work is as before afterwards."""
    _grade(sign, json, last=False)


def finish(sign: str | None, json: bool) -> None:
    """Hand the exam in: the last attempt."""
    _grade(sign, json, last=True)


def _grade(sign: str | None, json: bool, last: bool) -> None:
    instance, report = Instance.open(current().instance_name), Report(json)
    if sign:
        signing.private_key(Path(sign))  # one that is no key is told before minutes of grading
    with instance.lock():
        bringup.settle(instance, report.say)
        _say_what_grading_does(instance, report)
        result, outages = grading.grade(instance, report.marked)
        attempt = attempts.keep(instance, result, outages, last)
        files = reports.write_all(attempt)
        if sign:
            signing.sign(attempt.directory, Path(sign))
    report.attempt(attempt, files)
    if result.verdict == "not graded" and result.replaced:
        raise LabError(f"not graded, and no attempt counts until it is put back: {result.replaced[0]}")
    if result.verdict == "not graded":
        raise LabError("not graded: some checks could not be told, see ERROR above; no attempt is counted")
    if result.verdict == "failed":
        raise CheckFailed(f"{result.percent:g} per cent, and {result.pass_mark} are needed")


def _say_what_grading_does(instance: Instance, report: Report) -> None:
    """Before it begins; on a terminal it is asked whether to go on while somebody has a shell open."""
    sitting.open_sitting(instance)  # what is not graded is not lost either
    kept = "memory too" if instance.provider.saves_memory else "as on their disks: they boot, and what is not permanent"
    lost = "" if instance.provider.saves_memory else " (a firewall's runtime rules, a mount, what runs by hand) is gone"
    does = f"Grading breaks things and puts all nodes back as they are now, {kept}{lost}. Shells on them end."
    if shells := by_hand.open_shells(instance):
        consent.go_on(report.say, f"{does} There is one on {' and '.join(shells)}.")
    else:
        report.say(does)


def watch() -> None:
    """Tell which checks begin to pass, and which no longer do, until all pass or Ctrl-C; for practice only."""
    instance, report = Instance.open(current().instance_name), Report()
    if not sitting.sitting_of(instance).practice:
        raise LabError("only practice is watched; try: inv down, and inv start EXAM --practice")
    known: dict[str, Outcome] = {}
    report.say("Looking every few seconds at what can be told without breaking anything; Ctrl-C ends it.")
    while True:
        with instance.lock():
            bringup.settle(instance, report.say)
            marks = grading.look(instance)
        if not marks:
            raise NothingChecked("all that counts here is told by breaking something; try: inv grade")
        for mark in marks:
            if known.get(mark.sentence) is not mark.outcome:
                report.marked(mark)
        known = {mark.sentence: mark.outcome for mark in marks}
        if all(mark.outcome is Outcome.PASSED for mark in marks):
            break
        time.sleep(PAUSE)
    report.say("All of that passes; inv grade tells what is left when nodes fail.")


def export(exam: str, directory: str, learners: str, seed: str | None) -> None:
    """Write what learners are given, for the selected instance or for those that are named."""
    folder, selected = labs.load(exam), current()
    paper_of(folder)
    if not learners and selected.lab != exam:
        raise LabError(f"whose? name instances: --learners NAME,NAME; or select one: inv lab --name {exam}")
    names = learners.split(",") if learners else [selected.instance_name]
    if not learners and seed is None:
        seed = selected.seed or None
    for name in names:
        refuse_name(name)
    for file in sheets.write(folder, names, seed, Path(directory)):
        Report().say(f"Wrote {file}")


def make_key(file: str) -> None:
    """Make what attempts are signed with."""
    public = signing.make_key(Path(file))
    Report().say(f"{file} signs attempts: keep it to yourself. {public} tells whether they were changed: hand it out.")


def verify_report(directory: str, key: str) -> None:
    """Tell whether an attempt's directory is what was signed."""
    problems = signing.verify(Path(directory), Path(key))
    for problem in problems:
        Report().say(problem)
    if problems:
        raise CheckFailed(f"{directory} is not what was signed")
    Report().say(f"{directory} is what was signed with the key of {key}.")


def report(number: int, json: bool) -> None:
    """Tell again what an attempt came to, and make its reports anew from its grade; 0 is the last attempt."""
    instance, said = Instance.open(current().instance_name), Report(json)
    sitting.sitting_of(instance)
    with instance.lock():
        attempt = attempts.find(instance.directory, number)
        files = reports.write_all(attempt)
    for mark in attempt.grade.checks:
        said.marked(mark)
    said.attempt(attempt, files)


def marks(exam: str, csv: str | None, json: bool) -> None:
    """What everybody on this machine has in an exam, as a table, or as files."""
    tasks = [task.name for task in paper_of(labs.load(exam)).file.tasks]
    learners, report = attempts.learners(exam), Report(json)
    if not learners:
        raise NothingChecked(f"nobody on this machine has begun {exam}; try: inv start {exam}")
    if csv:
        file = Path(csv)
        failed = file.with_name(f"{file.stem}-failed.csv")
        publish(file, class_marks.as_csv([*class_marks.COLUMNS, *tasks], class_marks.table(learners, tasks)))
        publish(failed, class_marks.as_csv(class_marks.FAILED, class_marks.failed(learners)))
        report.say(f"Marks: {file}\nFailed checks: {failed}")
    if json or not csv:
        report.marks(learners, tasks)
