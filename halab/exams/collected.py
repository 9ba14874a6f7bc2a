"""Attempts that came home from the seats of a class, on the machine that is the class's head.

class/<class>/learners/<instance>/                    state.json, seat.json and attempts/, as its instance had them
class/<class>/learners/<instance>/superseded/<epoch>/ attempts that no longer count, as the seat was given anew since

While a machine is cut off, a learner's instance may be there twice. What counts is what the seat of the newest epoch
has. It has also those earlier attempts that came with its checkpoint.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from halab.exams.grade import GRADE
from halab.instance.seat import NAME as SEAT
from halab.instance.seat import Epoch, read_seat
from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.paths import state_dir

STATE = "state.json"


def learners_dir(of_class: str) -> Path:
    """Return the directory with what came home from a class, of each of its instances by name."""
    return state_dir() / "class" / of_class / "learners"


def places() -> list[Path]:
    """Return the directory of each instance from which something came home, of all classes."""
    return sorted((state_dir() / "class").glob("*/learners/[!.]*"))


def replaces(kept: Epoch | None, arriving: Epoch) -> bool:
    """Return whether what arrives from a seat goes in the place of what is kept.

    What is of an earlier epoch never does: it comes from a copy that was cut off.
    """
    return kept is None or arriving >= kept


def counting(found: Mapping[Path, Epoch | None], newest: Epoch | None = None) -> Path | None:
    """Return which of a learner's directories counts: that of the newest epoch, of equal ones the first.

    One without a seat has no epoch, and counts where there is no other. None counts when all are older than `newest`,
    the epoch that the learner's seat has now.
    """
    beginning = Epoch(-1)
    if not found:
        return None
    best = max(found, key=lambda place: found[place] or beginning)
    return None if newest and (found[best] or beginning) < newest else best


def take(arrived: Path, home: Path) -> bool:
    """Put an instance's state and attempts, which have arrived in a directory, to those that are at home.

    Return whether they count: those of an earlier epoch than what is at home do not, and are left where they are. An
    attempt that is the same at home stays, with its signature. One that the newest seat has not, or has otherwise, is
    put aside. May be killed and done again. Raises LabError when it is not told which seat they are of.
    """
    seat = read_seat(arrived)
    if seat is None:
        raise LabError(f"{arrived} does not tell which seat it is of: there is no {SEAT}")
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home.parent / f".{home.name}.lock"):
        kept = read_seat(home)
        before = kept.epoch if kept else None
        if not replaces(before, seat.epoch):
            return False
        new, there = _graded(arrived), _graded(home)
        for number, place in there.items():
            if number not in new or not _same(place, new[number]):
                _put_aside(place, home / "superseded" / _words(before))
        for number, place in new.items():
            _put(place, home / "attempts" / number)
        write_atomically(home / SEAT, (arrived / SEAT).read_bytes())
        write_atomically(home / STATE, (arrived / STATE).read_bytes())
    return True


def _graded(directory: Path) -> dict[str, Path]:
    found = (directory / "attempts").glob("[0-9]*")
    return {place.name: place for place in found if place.name.isdecimal() and (place / GRADE).is_file()}


def _same(first: Path, second: Path) -> bool:
    return (first / GRADE).read_bytes() == (second / GRADE).read_bytes()


def _put(source: Path, target: Path) -> None:
    """Copy an attempt, whole or not at all, unless there is one."""
    if (target / GRADE).is_file():
        return
    shutil.rmtree(target, ignore_errors=True)
    unfinished = target.with_name(f".{target.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished, symlinks=True)
    unfinished.rename(target)


def _put_aside(place: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(directory / place.name, ignore_errors=True)
    place.rename(directory / place.name)


def _words(epoch: Epoch | None) -> str:
    return f"{epoch.job}-{epoch.restarts}" if epoch else "none"
