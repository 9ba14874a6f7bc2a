"""Labs: folders with a `lab.toml`, a README.md and numbered step files, which are read and checked as a whole."""

import importlib.util
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from halab.kit import toml
from halab.kit.errors import LabError
from halab.kit.files import read_small
from halab.kit.paths import LABS, short
from halab.kit.toml import suggestion
from halab.kit.typed import shown
from halab.spec.lab_code import EndsProgram, Result, apart, blamed, blaming, is_apart, line_in, reading
from halab.spec.models import LabSpec, Needs, Sequel
from halab.spec.paper import ExamFile, Paper, paper


@dataclass(frozen=True)
class Step:
    """One step of a lab. `perform` does it as a person would, `verify` states its checks; both are given a `Lab`."""

    name: str
    title: str
    prose: str
    path: Path
    perform: Callable[[Any], None]
    verify: Callable[[Any], None]


@dataclass(frozen=True)
class LabFolder:
    name: str
    path: Path
    spec: LabSpec
    steps: tuple[Step, ...]
    continues: "LabFolder | None" = None  # the lab whose finished cluster this one starts from
    cluster_nodes: int | None = None  # how many nodes, from the first on, are in that cluster; None means all
    paper: Paper | None = None  # set for an exam, which has tasks in place of steps

    def step(self, name: str) -> Step:
        """Return the step of that name. Raises LabError, which suggests the nearest name, when there is none."""
        names = [step.name for step in self.steps]
        if name in names:
            return self.steps[names.index(name)]
        raise LabError(f'lab {self.name} has no step "{name}", {suggestion(name, names)}')

    def with_nodes(self, count: int) -> "LabFolder":
        try:
            return replace(self, spec=self.spec.with_nodes(count))
        except ValueError as error:
            raise LabError(
                f"{short(self.path / 'lab.toml')} cannot have {count} nodes: {first_reason(error)}"
            ) from None


@dataclass(frozen=True)
class Entry:
    """A lab as it is listed. A broken one has no title."""

    name: str
    title: str = ""
    continues: str | None = None
    steps: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)
    broken: str = ""  # why it is broken


def root() -> Path:
    """Return the folder that holds the labs' folders."""
    return LABS


def names(folder: Path | None = None) -> list[str]:
    """Return the names of all labs, sorted. Exams are labs too."""
    root = folder or LABS
    files = {place.name: [place / "lab.toml", place / "exam.toml"] for place in root.glob("*") if place.is_dir()}
    return sorted(name for name, either in files.items() if any(map(os.path.lexists, either)))


def refuse_unknown(name: str, folder: Path | None = None) -> None:
    """Raise LabError, which suggests the nearest name, when there is no such lab."""
    if name not in names(folder):
        raise LabError(f"there is no lab {shown(name)}, {suggestion(name, names(folder))}")


def load(name: str, folder: Path | None = None) -> LabFolder:
    """Read a lab and all its steps. A child process reads them first (see `lab_code`).

    Raises LabError with file, place and reason.
    """
    if not is_apart():
        _apart(lambda: _load(name, folder) and None, name)
    return _load(name, folder)


def entry(name: str) -> Entry:
    """Return the lab as it is listed. A lab that cannot be read is listed too, with the reason in `broken`."""

    def read() -> Entry:
        lab = _load(name, None)
        continues = lab.continues.name if lab.continues else None
        return Entry(name, lab.spec.title, continues, tuple(step.name for step in lab.steps), lab.spec.needs)

    try:
        return _apart(read, name)
    except LabError as error:
        return Entry(name, broken=str(error))


def _apart(read: Callable[[], Result], name: str) -> Result:
    import_module("halab.conditions")  # nearly all steps import it: do so once here, not in each child
    return apart(read, f"lab {name}")


def _load(name: str, folder: Path | None) -> LabFolder:
    refuse_unknown(name, folder)
    path = (folder or LABS) / name
    if os.path.lexists(path / "exam.toml"):
        return _load_exam(name, path, folder)
    spec, sequel, continues = _read_lab(path / "lab.toml", folder)
    files = step_files(path)
    if not files:
        raise LabError(f"{short(path)} has no steps: expected files such as 10_install.py")
    steps = tuple(load_step(file) for file in files)
    names_so_far = {"start"}  # reserved for the checkpoint before all steps
    for step in steps:
        if step.name in names_so_far:
            raise LabError(f"{short(step.path)}: another step, or the checkpoint of bare nodes, is called {step.name}")
        names_so_far.add(step.name)
    return LabFolder(name, path, spec, steps, continues, sequel.cluster_nodes if sequel else None)


def _read_lab(file: Path, folder: Path | None) -> tuple[LabSpec, Sequel | None, LabFolder | None]:
    reading(file)
    content = toml.load(file)
    if "continues" not in content:
        return toml.check(content, file, LabSpec), None, None
    sequel = toml.check(content, file, Sequel)
    spec, before = _continue(sequel, file, folder)
    return spec, sequel, before


def _continue(sequel: Sequel, file: Path, folder: Path | None) -> tuple[LabSpec, LabFolder]:
    if sequel.continues not in names(folder):
        known = suggestion(sequel.continues, names(folder))
        raise LabError(f"{short(file)}: continues: there is no lab {shown(sequel.continues)}, {known}")
    place = (folder or LABS) / sequel.continues
    if (place / "exam.toml").is_file():
        raise LabError(f"{short(file)}: continues: {sequel.continues} is an exam")
    if (place / "lab.toml").is_file() and (other := toml.load(place / "lab.toml").get("continues")):
        raise LabError(f"{short(file)}: continues: {sequel.continues} goes on from {other} itself")
    before = _load(sequel.continues, folder)
    spec = before.spec.model_copy(update={"title": sequel.title, "needs": sequel.needs, "proven_on": sequel.proven_on})
    wanted = sequel.needs.nodes or (len(spec.nodes),)
    try:
        spec = spec if len(spec.nodes) in wanted else spec.with_nodes(wanted[0])
    except ValueError as error:
        raise LabError(f"{short(file)} cannot have {wanted[0]} nodes: {first_reason(error)}") from None
    if (count := sequel.cluster_nodes or 0) > len(spec.nodes):
        raise LabError(f"{short(file)}: cluster_nodes: there are no {count} nodes, only {len(spec.nodes)}")
    return spec, before


def _load_exam(name: str, path: Path, folder: Path | None) -> LabFolder:
    reading(path / "exam.toml")
    file = toml.read(path / "exam.toml", ExamFile)
    spec, before = _continue(file, path / "exam.toml", folder)
    module = import_file(path / "grade.py")
    begins_with = before if file.begins == "finished" else None
    return LabFolder(name, path, spec, (), begins_with, file.cluster_nodes, paper(file, path, module))


def first_reason(error: ValueError) -> str:
    """Return the first reason in a ValueError. Pydantic makes a long list of reasons."""
    problems = getattr(error, "errors", None)
    return str(problems()[0]["msg"]).removeprefix("Value error, ") if problems else str(error)


def step_files(lab: Path) -> list[Path]:
    """Return the lab's step files, in the order in which the steps are walked."""
    return sorted(lab.glob("[0-9]*_*.py"))


def step_name(file: Path) -> str:
    return file.stem.partition("_")[2]


def load_step(file: Path) -> Step:
    """Return the step in a file. Raises LabError with file, line and reason."""
    where, module = short(file), import_file(file)
    for function in ("perform", "verify"):
        if not callable(getattr(module, function, None)):
            raise LabError(f"{where}: expected a function {function}(lab), found none")
    title, _, prose = (inspect.getdoc(module) or "").partition("\n")
    if not title:
        raise LabError(f"{where}: expected a docstring, whose first line is the step's title")
    functions = (blaming(function, file) for function in (module.perform, module.verify))
    return Step(step_name(file), title, prose.strip(), file, *functions)


def import_file(file: Path) -> Any:
    """Import a step's file or an exam's grade.py, and return the module. Raises LabError with file, line and reason."""
    where = short(file)
    if not file.is_file():
        raise LabError(f"{where} is {'no regular file' if file.exists() else 'missing'}")
    read_small(file)
    module_spec = importlib.util.spec_from_file_location(f"halab_step_{file.stem}", file)
    if module_spec is None or module_spec.loader is None:
        raise LabError(f"{where}: Python finds no way to import it")
    module = importlib.util.module_from_spec(module_spec)
    try:
        with blamed(file):
            module_spec.loader.exec_module(module)
    except EndsProgram:
        raise
    except Exception as error:
        line = getattr(error, "lineno", None) or line_in(error, file)
        raise LabError(f"{where}, line {line}: it does not import: {type(error).__name__}: {error}") from error
    return module
