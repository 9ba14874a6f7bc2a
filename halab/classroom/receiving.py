"""What a seat sends to the head is kept there, and its last checkpoint given back. This runs on the head.

What arrives is whole, or nothing of it is kept. What is of an earlier epoch than what is there is put aside: it comes
from a copy that was cut off.
"""

import gzip
import re
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from halab.classroom import classes, home
from halab.exams import collected
from halab.kit import trees
from halab.kit.errors import HalabError, LabError
from halab.kit.printable import printable
from halab.kit.scratch import end_in_order, scratch
from halab.kit.typed import INSTANCE, shown
from halab.walk import parcels

MEMBER = re.compile(r"(state|seat)\.json|attempts/[1-9][0-9]{0,5}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST = 2**30  # bytes of all attempts


class NotWhole(LabError):
    """What a seat sent was cut off. It will send it again."""


def put(what: str, of_class: str, instance: str, digest: str, arrive: Callable[[Path], object]) -> str:
    """Keep what a seat sends, once it is where `arrive` was told. Return what the seat is told."""
    place = classes.place(of_class)
    with scratch(place, "arriving") as arriving:
        file = arriving / "file"
        arrive(file)
        if not file.is_file() or home.digest(file) != digest:
            raise NotWhole("it did not arrive whole")
        if what == "checkpoint":
            counts = _keep_checkpoint(file, of_class, instance)
        else:
            _unpack(file, arriving / "instance")
            counts = collected.take(arriving / "instance", collected.learners_dir(of_class) / instance)
    return home.TAKEN if counts else home.OLDER


def give(of_class: str, instance: str, job: str, place: str) -> str:
    """Send the last checkpoint of a seat to where its job runs, if there is one. Return what the seat is told."""
    kept = classes.checkpoint_of(of_class, instance)
    if not kept.exists():
        return home.NOTHING
    digest = home.digest(kept)
    home.transmit(job, kept, place)
    return digest


def _keep_checkpoint(file: Path, of_class: str, instance: str) -> bool:
    seat = parcels.about(file).seat
    if seat is None:
        raise LabError(f"the checkpoint of {instance} does not tell which seat it is of")
    kept = classes.checkpoint_of(of_class, instance)
    kept.parent.mkdir(exist_ok=True)
    with FileLock(kept.with_name(f".{kept.name}.lock")):
        before = parcels.about(kept).seat if kept.exists() else None
        if not collected.replaces(before.epoch if before else None, seat.epoch):
            aside = kept.parent / "superseded" / f"{instance}-{seat.job}-{seat.restarts}{kept.suffix}"
            aside.parent.mkdir(exist_ok=True)
            file.replace(aside)
            return False
        file.replace(kept)
    return True


def _unpack(file: Path, directory: Path) -> None:
    """Put the attempts of an instance into a directory. Raises LabError for what is none of that."""
    left = MOST
    try:
        with gzip.open(file) as stream:
            for member in trees.members(stream):
                left -= member.size
                target = directory / member.name
                is_one = member.type in trees.PLAIN and MEMBER.fullmatch(member.name) and not target.exists()
                if not is_one or left < 0:
                    raise LabError(f"{shown(member.name)} is no file of an attempt, is there twice, or is too large")
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as made:
                    trees.read(stream, member.size, made)
    except parcels.NOT_WHOLE as error:
        raise LabError(f"attempts did not arrive whole: {error}") from None


def pack(instance_directory: Path, file: Path) -> None:
    """Write the attempts of an instance to a file, with its state and its seat."""
    paths = [instance_directory / "state.json", instance_directory / "seat.json"]
    paths += sorted((instance_directory / "attempts").glob("[1-9]*/[!.]*"))
    with tarfile.open(file, "w:gz", format=tarfile.GNU_FORMAT, compresslevel=parcels.FAST) as tar:
        for path in filter(Path.is_file, paths):
            tar.add(path, str(path.relative_to(instance_directory)), filter=trees.of_root)


def _arrive(job: str) -> Callable[[Path], object]:
    """Return what asks the seat, which listens, to send its file to this job, and waits until it has done so."""

    def arrive(file: Path) -> None:
        print(job, file, flush=True)
        sys.stdin.readline()  # or its end, when the seat is cut off

    return arrive


def main(does: str, what: str, of_class: str, instance: str, *rest: str) -> int:
    """Do what home.send or home.fetch asks for, and return the exit status. The last word is the number of the job."""
    try:
        if not INSTANCE.fullmatch(instance) or of_class not in classes.names():
            raise LabError(f"there is no class of {shown(of_class)} here")
        if does == "get":
            answer = give(of_class, instance, *rest[:2])
        else:
            answer = put(what, of_class, instance, rest[0], _arrive(rest[-1]))
    except HalabError as error:
        is_final = does == "put" and not isinstance(error, NotWhole)
        print(home.REFUSED if is_final else "", printable(str(error)), flush=True)
        return error.exit_code
    print(answer, flush=True)
    return 0


if __name__ == "__main__":
    end_in_order()
    sys.exit(main(*sys.argv[1:]))
