"""A new lab, or a new step, that works as it is. It is made completely or not at all, and overwrites nothing."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.paths import PROVISION, short
from halab.kit.templates import render
from halab.kit.toml import suggestion
from halab.kit.typed import shown
from halab.spec import labs
from halab.walk import checkpoints

TEMPLATES = PROVISION / "authoring"
STEPS = tuple(labs.step_name(Path(file.stem)) for file in sorted((TEMPLATES / "lab").glob("[0-9]*_*.py.j2")))
RESERVED = (checkpoints.START, checkpoints.GRADING)
LONGEST = 40  # characters of a name
LAST_NUMBER = 90  # steps are in the order of their file names, where 100 would come before 20


def new_lab(name: str) -> Path:
    """Make a lab of two steps that continues ha-web, and return its folder. Raises LabError when the name is taken."""
    refuse_name(name)
    place = labs.root() / name
    if place.exists():
        raise LabError(f"{short(place)} is there already; choose another name, or remove it first")
    with _workspace() as workspace:
        made = workspace / name
        made.mkdir()
        for template in sorted((TEMPLATES / "lab").glob("*.j2")):
            (made / template.stem).write_text(render(template, name=name))
        try:
            made.rename(place)
        except OSError as error:  # somebody was faster
            raise LabError(f"{short(place)} cannot be made: {error.strerror}") from error
    return place


def new_step(name: str, lab: str) -> Path:
    """Make the next step of a lab, and return its file. Raises LabError when the lab has a step of that name."""
    refuse_name(name)
    folder = labs.root() / lab
    if lab not in labs.names():
        raise LabError(f'there is no lab "{lab}", {suggestion(lab, labs.names())}')
    if (folder / "exam.toml").is_file():
        raise LabError(f"{lab} is an exam, which has tasks in exam.toml, and no steps")
    files = labs.step_files(folder)
    if there := [file for file in files if labs.step_name(file) == name]:
        raise LabError(f"{short(there[0])} is there already; choose another name")
    number = max((int(file.name.partition("_")[0]) for file in files), default=0) // 10 * 10 + 10
    if number > LAST_NUMBER:
        raise LabError(f"{lab} has no number left for {name}, as {files[-1].name} is its last step; renumber its files")
    place = folder / f"{number}_{name}.py"
    with _workspace() as workspace:
        made = workspace / place.name
        made.write_text(render(TEMPLATES / "step.py.j2", name=name))
        made.rename(place)
    return place


def refuse_name(name: str) -> None:
    """Raise LabError for what cannot name a lab or a step."""
    if name in RESERVED or not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        reserved = " and ".join(RESERVED)
        raise LabError(
            f"{shown(name)} is no name: at most {LONGEST} small letters, digits and single dashes, a letter first; "
            f"{reserved} are taken"
        )


@contextmanager
def _workspace() -> Iterator[Path]:
    """Make a folder for half-made work, beside labs/. Nobody takes it for a lab, and work can be renamed into labs/."""
    with tempfile.TemporaryDirectory(dir=labs.root().parent, prefix=".new-") as folder:
        yield Path(folder)
