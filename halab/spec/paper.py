"""What an exam's folder says: exam.toml, the text of its tasks (README.md), and grade.py, which draws and checks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from halab.kit.errors import LabError
from halab.spec.lab_code import blaming
from halab.spec.models import Frozen, LabSpec, Sequel

Drawn = dict[str, Any]  # what grade.py drew; it survives being written as JSON
FUNCTIONS = ("draw", "begin", "look", "shake")


class Task(Frozen):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str = Field(min_length=1)
    points: int = Field(ge=1)


class ExamFile(Sequel):
    """What `exam.toml` says, and nothing else: a sequel of the lab whose nodes it uses."""

    begins: Literal["bare", "finished"] = "finished"  # with bare nodes, or with that lab's finished cluster
    pass_mark: int = Field(ge=1, le=100)  # per cent
    minutes: int = Field(ge=1)
    hint_cost: int | None = Field(default=None, ge=0)  # points for each hint; without it there are none
    # points that it costs when what runs on the nodes is not what their packages contain; without it, nothing is graded
    # until that is put back
    replaced_cost: int | None = Field(default=None, ge=0)
    recording: bool = True  # of shells that are opened with `inv ssh`
    tasks: tuple[Task, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tasks_have_names_of_their_own(self) -> Self:
        names = [task.name for task in self.tasks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tasks are called {min(twice)}")
        return self

    @property
    def points(self) -> int:
        return sum(task.points for task in self.tasks)


@dataclass(frozen=True)
class Paper:
    """`draw(random, spec)` returns the lab's spec for this learner, and what else is drawn; `begin(lab, drawn)` makes
    the start state. `look(exam, drawn)` states checks that only read, `shake(exam, drawn)` those that break things.
    """

    file: ExamFile
    text: Path
    draw: Callable[[Random, LabSpec], tuple[LabSpec, Drawn]]
    begin: Callable[[Any, Drawn], None]
    look: Callable[[Any, Drawn], None]
    shake: Callable[[Any, Drawn], None]


def paper(file: ExamFile, folder: Path, module: Any) -> Paper:
    """Raises LabError when grade.py lacks a function, or there is no task text."""
    for name in FUNCTIONS:
        if not callable(getattr(module, name, None)):
            raise LabError(f"{folder.name}/grade.py: expected a function {name}(), found none")
    text = folder / "README.md"
    if not text.is_file():
        raise LabError(f"{folder.name} has no README.md, which tells the learner what to do")
    return Paper(file, text, *(blaming(getattr(module, name), folder / "grade.py") for name in FUNCTIONS))
