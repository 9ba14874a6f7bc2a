"""What each Invoke task about exams does."""

from collections.abc import Sequence
from pathlib import Path

from halab.cli import last_used
from halab.cli.acting import acting_on_selected
from halab.cli.commands import bring_up
from halab.cli.refusals import number_of_attempt
from halab.cli.report import Report
from halab.cli.selection import Selection, current, instance_to_make, refuse_name, select
from halab.exams import actions, attempts, sheets, signing, text
from halab.exams.draw import paper_of
from halab.exams.reports import marks as class_marks
from halab.instance.instance import instances_dir
from halab.instance.state import read_state
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.spec import labs

PAUSE = 3.0  # seconds between two looks of `inv watch`


def start(exam: str, instance: str | None, seed: str | None, practice: bool) -> None:
    """Begin an exam: make its instance, break what it breaks, and tell what is to be done."""
    paper_of(labs.load(exam))
    selection = select(exam, instance, None, None, None, seed=seed)
    _refuse_another_sitting(selection, seed, practice)
    last_used.note(selection.instance_name)
    text.render(instance_to_make(selection))  # a text that cannot be shown is told before minutes of work
    bring_up("start")
    with acting_on_selected("start") as (found, audience):
        actions.start(found, audience, practice)
    Report().task_text(found)


def _refuse_another_sitting(selection: Selection, seed: str | None, practice: bool) -> None:
    """Raise LabError when an exam has begun with another seed, or not for practice, than is asked for now."""
    name = selection.instance_name
    known = read_state(instances_dir() / name)
    if known is None or known.sitting is None or known.sitting.began is None:
        return
    if seed not in (None, known.sitting.seed):
        raise LabError(f"{name} has begun with the seed {known.sitting.seed!r}, not {seed!r}; try: inv down")
    if practice and not known.sitting.practice:
        raise LabError(f"{name} has begun, and not as practice; try: inv down")


def grade(sign: str | None, json: bool) -> None:
    with acting_on_selected("grade", json) as (instance, audience):
        actions.grade(instance, audience, sign, last=False)


def finish(sign: str | None, json: bool) -> None:
    """Hand the exam in, as the last attempt."""
    with acting_on_selected("finish", json) as (instance, audience):
        actions.grade(instance, audience, sign, last=True)


def watch() -> None:
    with acting_on_selected("watch") as (instance, audience):
        actions.watch(instance, audience)


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
    """Make a key to sign attempts with."""
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


def report(attempt: str | None, json: bool) -> None:
    with acting_on_selected("report", json) as (instance, audience):
        actions.report(instance, audience, number_of_attempt(attempt) if attempt else 0)


def marks(exam: str, csv: str | None, json: bool) -> None:
    """Show what everybody on this machine has in an exam, as a table, or write it to files."""
    tasks = [task.name for task in paper_of(labs.load(exam)).file.tasks]
    learners, report = attempts.learners(exam), Report(json)
    if not learners:
        raise NothingChecked(f"nobody on this machine has begun {exam}; try: inv start {exam}")
    tell_marks(report, learners, tasks, csv, json)


def tell_marks(
    report: Report, learners: Sequence[attempts.Learner], tasks: Sequence[str], csv: str | None, json: bool
) -> None:
    """Show marks as a table, or write them to files, or both where the table is for programs."""
    if csv:
        for written, file in class_marks.write(Path(csv), learners, tasks).items():
            report.say(f"{written}: {file}")
    if json or not csv:
        report.marks(learners, tasks)
