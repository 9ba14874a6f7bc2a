"""The files of an exam: exam.toml, README.md with the text of the tasks, and grade.py, which draws and checks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from halab.kit.chance import Chance
from halab.kit.errors import LabError
from halab.kit.frozen import Frozen
from halab.spec.lab_code import blaming
from halab.spec.models import LabSpec, Sequel, Title

Drawn = dict[str, Any]  # what grade.py drew; it can be written as JSON and read back
Draw = tuple[LabSpec, Drawn]  # a learner's lab, and what else was drawn for them
FUNCTIONS = ("draw", "begin", "look", "shake")


class Task(Frozen):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: Title
    points: int = Field(ge=1, le=10_000)


class ExamFile(Sequel):
    """The keys that an `exam.toml` may have, and no others. An exam is a sequel of the lab whose nodes it uses."""

    begins: Literal["bare", "finished"] = "finished"  # bare nodes, or the finished cluster of that lab
    pass_mark: int = Field(ge=1, le=100)  # per cent
    minutes: int = Field(ge=1, le=100_000)
    hint_cost: int | None = Field(default=None, ge=0)  # points that each hint costs; if None, there are no hints
    # points that it costs when files on the nodes differ from what their packages contain; if None, nothing is graded
    # until they are put back
    replaced_cost: int | None = Field(default=None, ge=0)
    recording: bool = True  # whether shells opened with `inv ssh` are recorded
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
    """An exam, ready to be used: its file, the path of its text, and the four functions of its grade.py.

    `draw(random, spec)` returns the lab's spec for one learner, and whatever else is drawn. `begin(lab, drawn)` makes
    the start state. `look(exam, drawn)` states the checks that only read, `shake(exam, drawn)` those that break things.
    """

    file: ExamFile
    text: Path
    draw: Callable[[Chance, LabSpec], Draw]
    begin: Callable[[Any, Drawn], None]
    look: Callable[[Any, Drawn], None]
    shake: Callable[[Any, Drawn], None]


def paper(file: ExamFile, folder: Path, module: Any) -> Paper:
    """Return the exam in a folder. Raises LabError when its grade.py lacks a function, or when it has no README.md."""
    for name in FUNCTIONS:
        if not callable(getattr(module, name, None)):
            raise LabError(f"{folder.name}/grade.py: expected a function {name}(), found none")
    text = folder / "README.md"
    if not text.is_file():
        raise LabError(f"{folder.name} has no README.md, which tells the learner what to do")
    return Paper(file, text, *(blaming(getattr(module, name), folder / "grade.py") for name in FUNCTIONS))
