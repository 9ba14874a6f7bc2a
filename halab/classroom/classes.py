"""A class on the head: class/<lab>/ with its roster and class.json, what its seats are made with.

There is one class a lab at a time. Whatever came home is there, too: attempts in learners/, and checkpoints/.
"""

from pathlib import Path

from pydantic import ValidationError

from halab.classroom import naming, roster
from halab.classroom.roster import Learner
from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.paths import state_dir
from halab.kit.toml import suggestion

SETTINGS = "class.json"
ROSTER = "roster.csv"


class Settings(Frozen):
    """What seats are made with. `directory` has halab on each machine; `memory` is in MiB; `state_home` is where
    instances are on machines, if not in the usual place (XDG_STATE_HOME).
    """

    lab: str
    exam: bool
    directory: str
    memory: int
    seed: str | None = None
    practice: bool = False
    distro: str | None = None
    state_home: str | None = None

    @property
    def moves_by_itself(self) -> bool:
        """Whether a seat whose machine is lost is placed anew. An exam's never is: the instructor decides."""
        return not self.exam or self.practice


def place(of_class: str) -> Path:
    return state_dir() / "class" / of_class


def checkpoint_of(of_class: str, instance: str) -> Path:
    """Return where the last checkpoint of a seat is that came home."""
    return place(of_class) / "checkpoints" / f"{instance}.halab"


def names() -> list[str]:
    return sorted(file.parent.name for file in (state_dir() / "class").glob(f"*/{SETTINGS}"))


def keep(settings: Settings, learners: Path) -> None:
    """Remember a class, and its roster as it is in a file."""
    directory = place(settings.lab)
    write_atomically(directory / ROSTER, learners.read_bytes())
    write_atomically(directory / SETTINGS, settings.model_dump_json(indent=2))


def settings(of_class: str) -> Settings:
    file = place(of_class) / SETTINGS
    try:
        return Settings.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise LabError(f"there is no class of {of_class}; try: inv class up {of_class} --learners FILE") from None
    except ValidationError as error:
        raise LabError(f"{file} is not readable ({error.error_count()} problems)") from error


def learners(of_class: str) -> list[Learner]:
    return roster.read(place(of_class) / ROSTER)


def chosen(lab: str | None) -> str:
    """Return the class that is meant: the one that is named, or the only one. Raises LabError when that is unclear."""
    there = names()
    if lab is None and len(there) == 1:
        return there[0]
    if not there:
        raise LabError("there is no class; try: inv class up LAB --learners FILE")
    if lab is None:
        raise LabError(f"there are classes of {', '.join(there)}; say which: --lab NAME")
    if lab not in there:
        raise LabError(f"there is no class of {lab}, {suggestion(lab, there)}")
    return lab


def find(learner: str) -> tuple[str, Learner]:
    """Return a learner by name or by instance, and their class. Raises LabError when they are in none, or in several.

    Nobody has two seats at once: instances on a machine have the learners' names.
    """
    wanted = naming.instance_named(learner)
    found = [(name, one) for name in names() for one in learners(name) if one.instance == wanted]
    if not found:
        everybody = [one.name for name in names() for one in learners(name)]
        raise LabError(
            f"{learner} is in no class, {suggestion(learner, everybody) if everybody else 'as there is none'}"
        )
    return found[-1]
