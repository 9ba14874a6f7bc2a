"""Everything that can be found to be wrong with labs and exams without a cluster."""

import ast
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invoke.parser.context import ParserContext

from halab.authoring import needs, proofs, prose
from halab.authoring.prose import Known
from halab.authoring.stated import End, Stated, record
from halab.conditions.lab import Exam
from halab.exams import text
from halab.exams.draw import paper_of, source
from halab.faults.registry import FAULTS
from halab.kit.errors import LabError
from halab.kit.files import read_small
from halab.kit.paths import short
from halab.kit.toml import suggestion
from halab.providers import images
from halab.spec import distros, labs
from halab.spec.lab_code import apart, line_in
from halab.spec.labs import LabFolder, Step
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn, ExamFile

DRAWS = 200  # draws of each exam; what one draw in twenty has is missed in one exam of 30000

LINTING = 300.0  # seconds for one lab


@dataclass(frozen=True)
class Findings:
    """What is wrong, as sentences that begin with a file, and with a line if it is known.

    `notes` say what only grading can find.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings((*self.problems, *other.problems), (*self.notes, *other.notes))


def lint(names: Sequence[str], commands: Sequence[ParserContext]) -> Findings:
    """Return what is wrong with these labs. Raises LabError when there is no such lab."""
    for name in names:
        if name not in labs.names():
            raise LabError(f'there is no lab "{name}", {suggestion(name, labs.names())}')
    known = _known(commands)
    found = sum((_apart(name, known) for name in names), Findings())
    return Findings(tuple(dict.fromkeys(found.problems)), tuple(dict.fromkeys(found.notes)))


def lint_docs(commands: Sequence[ParserContext]) -> Findings:
    """Return what is wrong with the prose that is about no single lab: README.md and docs/, beside the labs."""
    root = labs.root().parent
    files = [file for file in (root / "README.md", *sorted(root.glob("docs/**/*.md"))) if file.is_file()]
    known = _known(commands)
    return Findings(tuple(problem for file in files for problem in _markdown(file, known)))


def _known(commands: Sequence[ParserContext]) -> Known:
    folders = [labs.root() / name for name in labs.names()]
    exams = [folder for folder in folders if (folder / "exam.toml").is_file()]
    steps = {
        folder.name: tuple(labs.step_name(file) for file in labs.step_files(folder))
        for folder in folders
        if folder not in exams
    }
    return Known(commands, steps, tuple(folder.name for folder in exams), tuple(FAULTS))


def _apart(name: str, known: Known) -> Findings:
    """Lint a lab in a process of its own, so that what it does there cannot affect the others."""
    try:
        apart(lambda: _is_loaded(name), f"labs/{name}")  # code that never ends is not waited for as long as the rest
        return apart(lambda: _lab(name, known), f"labs/{name}", within=LINTING)
    except LabError as error:
        return Findings((str(error),))


def _is_loaded(name: str) -> bool:
    """Return whether a lab and its solutions can be imported."""
    try:
        return bool(labs.load(name) and labs.import_file(labs.root() / name / "solutions.py"))
    except LabError:
        return False  # which is told with all that is wrong besides


def _lab(name: str, known: Known) -> Findings:
    folder = labs.root() / name
    known = replace(known, own=name)
    problems = [*_readme(folder, known)]
    for file in (*labs.step_files(folder), folder / "grade.py"):
        problems += _docstring(file, known)
    try:
        lab = labs.load(name)
        shapes = _shapes(lab)
    except LabError as error:
        return Findings((*_unreadable(folder, error), *problems))
    if wrong := needs.wrong(lab):
        return Findings((*wrong, *problems))
    if lab.paper is None:
        names = distros.fit_for(lab.spec.needs)
        stated = {step.name: _step(step, shapes, names, problems, known) for step in lab.steps}
        return Findings(tuple(problems or proofs.of_lab(lab, stated, _at)))
    found = _exam(lab, known)
    return Findings((*problems, *found.problems), found.notes)


def _unreadable(folder: Path, error: LabError) -> list[str]:
    """Return why a lab cannot be loaded (its first problem only), and what is wrong with each of its steps."""
    reasons = str(error).splitlines()
    for file in labs.step_files(folder):
        try:
            labs.load_step(file)
        except LabError as wrong:
            reasons.append(str(wrong))
    where = str(short(labs.root()))
    return [reason if reason.startswith(where) else f"{short(folder)}: {reason}" for reason in reasons]


def _readme(folder: Path, known: Known) -> list[str]:
    file = folder / "README.md"
    if not file.is_file():
        return [f"{short(file)}: missing; it tells what the lab is about"]
    return _markdown(file, known)


def _markdown(file: Path, known: Known) -> list[str]:
    try:
        markdown = read_small(file)
    except LabError as error:
        return [str(error)]
    return [_at(file, line + 1, wrong) for line, wrong in prose.dead(markdown, file, known)]


def _docstring(file: Path, known: Known) -> list[str]:
    """Return what is dead in a docstring. Loading the lab reports a docstring that cannot be read."""
    try:
        first = ast.parse(read_small(file)).body[0]
    except (LabError, ValueError, SyntaxError, IndexError, RecursionError, MemoryError):
        return []
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return []
    dead = prose.dead(first.value.value, file, known)
    return [_at(file, first.lineno + line, wrong) for line, wrong in dead]


def _step(
    step: Step, shapes: Sequence[LabSpec], names: Sequence[str], problems: list[str], known: Known
) -> list[Stated]:
    """Return the checks that a step states. What is wrong with the step is added to `problems`."""
    stated: list[Stated] = []
    for spec in shapes:
        for distro in names:
            _, end = record(step.path, spec, distro, step.perform)
            problems += _cut_short(step.path, "perform", end)
            checks, end = record(step.path, spec, distro, step.verify)
            problems += _cut_short(step.path, "verify", end)
            if not checks and end is None:
                problems.append(f"{short(step.path)}: verify states no check")
            stated += checks
    problems += _checks(step.path, stated, known)
    return stated


def _shapes(lab: LabFolder) -> list[LabSpec]:
    """Return the lab with each number of nodes that it allows."""
    counts = lab.spec.needs.nodes or (len(lab.spec.nodes),)
    return [lab.with_nodes(count).spec for count in counts]


def _cut_short(file: Path, function: str, end: End | None) -> list[str]:
    return [_at(file, end.line, f"{function} cannot be read without a cluster: {end.reason}")] if end else []


def _checks(file: Path, stated: Sequence[Stated], known: Known) -> Iterator[str]:
    """Yield what is wrong with checks. Each distro and each draw states them again."""
    for check in dict.fromkeys(stated):
        if not check.hints:
            yield _at(file, check.line, f'"{check.sentence}" has no hint, neither of its own nor of its condition')
        for hint in check.hints:
            yield from (_at(file, check.line, f"hint: {wrong}") for wrong in prose.dead_in_hint(hint, known))


def _exam(lab: LabFolder, known: Known) -> Findings:
    """Draw many times, and return what is wrong with the checks of these draws."""
    file = lab.path / "grade.py"
    names = distros.fit_for(lab.spec.needs)
    seen = [_sat(lab, f"learner{number}", names[number % len(names)]) for number in range(DRAWS)]
    sums: dict[str, str] = {}
    for sat in seen:
        for wrong in sat.sums:
            sums.setdefault(wrong, sat.drawn)  # one example will do
    problems = [problem for sat in seen for problem in sat.problems]
    problems += text.wrong(paper_of(lab), [sat.draw for sat in seen if sat.draw])
    problems += _checks(file, [check for sat in seen for check in sat.stated], known)
    problems += [f"{short(file)}: {wrong}, for example when {drawn} is drawn" for wrong, drawn in sums.items()]
    notes = [note for sat in seen for note in sat.notes]
    if not problems and not notes:
        problems += proofs.of_exam(lab, lambda draw: _recorded(lab, draw), _at)
    if not problems and not notes:
        different = len({sat.drawn for sat in seen})
        notes.append(
            f"{short(file)}: points add up in {DRAWS} draws, {different} of them different; "
            "those of others are counted when they are graded"
        )
    return Findings(tuple(problems), tuple(notes))


@dataclass(frozen=True)
class Sat:
    """What is wrong with the exam that one learner would sit."""

    drawn: str = ""
    draw: Draw | None = None
    stated: tuple[Stated, ...] = ()
    problems: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _sat(lab: LabFolder, learner: str, distro: str) -> Sat:
    paper, file = paper_of(lab), lab.path / "grade.py"
    try:
        (spec, drawn), again = (paper.draw(source(lab.name, learner, ""), lab.spec) for _ in range(2))
        written = json.dumps(drawn)
    except Exception as error:  # noqa: BLE001  # an author may have written anything
        return Sat(problems=(_at(file, line_in(error, file), f"draw: {type(error).__name__}: {error}"),))
    if again != (spec, drawn):
        return Sat(problems=(f"{short(file)}: draw: the same seed gives another draw; use `random` alone",))
    drawn = json.loads(written)  # as grading has it
    stated, problems, notes = [], [], []
    for name, function in (("look", paper.look), ("shake", paper.shake)):
        checks, end = record(file, spec, distro, _given(drawn, function))
        stated += checks
        if end and end.asks:
            what = f"{end.reason} by {name}: what it checks after that is looked at only when it is graded"
            notes.append(_at(file, end.line, what))
        else:
            problems += _cut_short(file, name, end)
    problems += _strays(file, stated, paper.file)
    sums = _sums(stated, paper.file, whole=not (problems or notes))
    return Sat(written, (spec, drawn), tuple(stated), tuple(problems), tuple(sums), tuple(notes))


def _recorded(lab: LabFolder, draw: Draw) -> list[Stated]:
    """Return all checks of one draw."""
    (spec, drawn), paper = draw, paper_of(lab)
    asked = (_given(drawn, paper.look), _given(drawn, paper.shake))
    return record(lab.path / "grade.py", spec, images.FALLBACK, *asked)[0]


def _given(drawn: Drawn, function: Callable[[Any, Drawn], None]) -> Callable[[Exam], None]:
    return lambda exam: function(exam, drawn)


def _strays(file: Path, stated: Sequence[Stated], exam: ExamFile) -> Iterator[str]:
    """Yield a problem for each check whose points go to no task."""
    names = [task.name for task in exam.tasks]
    for check in stated:
        if check.task and check.task not in names:
            yield _at(file, check.line, f'exam.toml has no task "{check.task}", {suggestion(check.task, names)}')
        elif check.points and not check.task:
            yield _at(file, check.line, "points of no task: state the check in `with exam.task(...)`")


def _sums(stated: Sequence[Stated], exam: ExamFile, whole: bool) -> Iterator[str]:
    """Yield a problem for each task whose points differ from the sum of its checks.

    If not all checks are known, only a sum that is too large is a problem.
    """
    for task in exam.tasks:
        points = sum(check.points for check in stated if check.task == task.name)
        if points > task.points or (whole and points < task.points):
            yield f"checks of {task.name} are worth {points} points, and the task {task.points}"


def _at(file: Path, line: int, what: str) -> str:
    return f"{short(file)}, line {line}: {what}"
