"""What is refused of a command by its words alone, before the first command of the line is run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from halab.cli import selection
from halab.faults import registry
from halab.kit.errors import LabError
from halab.kit.typed import shown, whole
from halab.measure import run
from halab.measure.run import MOST_RUNS
from halab.spec import distros, labs
from halab.spec.models import MOST_NODES
from halab.walk import actions, checkpoints

FAULT_OPTIONS = ("network", "groups", "percent", "ms")
LONGEST = 100  # characters of a seed
Given = dict[str, Any]


def refuse(command: str, given: Given) -> None:
    """Raise LabError when a command was given what it could do nothing with, whatever is selected and up."""
    if command in COMMANDS:
        COMMANDS[command](given)


def number_of_nodes(given: str) -> int:
    return whole("--nodes", given, 1, MOST_NODES)


def number_of_runs(given: str) -> int:
    return whole("--repeat", given, 1, MOST_RUNS)


def number_of_seconds(given: str | None) -> float | None:
    """Return what --below says, if it is given. Raises LabError when that is no number."""
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise LabError(f"--below must be a number of seconds, such as 5, not {shown(given)}") from None


def number_of_attempt(given: str) -> int:
    return whole("--attempt", given, 1, 999_999)


def fault_options(given: Mapping[str, str | None]) -> dict[str, str]:
    """Return those options that are a fault's own, as far as they were given."""
    return {name: value for name in FAULT_OPTIONS if (value := given[name]) is not None}


def file_to_read(what: str, given: str) -> Path:
    """Return the path of a file. Raises LabError when there is no such file, or when it is something else."""
    path = Path(given)
    if not _asks(path.is_file, what, given):
        raise LabError(f"{what}: {shown(given)} is {'no file' if path.exists() else 'not there'}")
    return path


def file_to_write(what: str, given: str) -> None:
    """Raise LabError when no file can be made there, or made anew."""
    path = Path(given)
    if _asks(path.exists, what, given) and not path.is_file():
        raise LabError(f"{what}: {shown(given)} is no file")
    directory_to_fill(what, str(path.parent))


def directory_to_fill(what: str, given: str) -> None:
    """Raise LabError when something else than a directory is there, or above it. None need be there."""
    path = Path(given)
    there = next(place for place in (path, *path.parents) if _asks(place.exists, what, given))
    if not there.is_dir():
        raise LabError(f"{what}: {shown(str(there))} is no directory")


def _asks(look: Callable[[], bool], what: str, given: str) -> bool:
    try:
        return look()
    except OSError as error:  # it is too long, a loop of links, or not to be looked at
        raise LabError(f"{what}: {shown(given)}: {error.strerror}") from None


def _lab(given: Given) -> None:
    _instance(given)
    if given["name"] is not None:
        selection.refuse_lab(given["name"], given["instance"])
    if given["provider"] is not None:
        selection.refuse_provider(given["provider"])
    if given["distro"] is not None:
        distros.load(given["distro"])
    if given["nodes"] is not None:
        number_of_nodes(given["nodes"])


def _instance(given: Given) -> None:
    if given["instance"] is not None:
        selection.refuse_name(given["instance"])


def _seed(given: Given) -> None:
    seed = given["seed"]
    if seed is not None and not (seed.isprintable() and len(seed) <= LONGEST):
        raise LabError(f"--seed must be a line of at most {LONGEST} characters, not {shown(seed)}")


def _exam(given: Given) -> None:
    labs.refuse_unknown(given["exam"])


def _start(given: Given) -> None:
    _exam(given)
    _instance(given)
    _seed(given)


def _fault(given: Given) -> None:
    registry.refuse(given["name"], given["node"], fault_options(given))


def _measure(given: Given) -> None:
    run.refuse(number_of_runs(given["repeat"]), given["writes"], number_of_seconds(given["below"]))
    _fault(given)


def _heal(given: Given) -> None:
    if given["fault"] is not None:
        registry.find(given["fault"])


def _save(given: Given) -> None:
    checkpoints.refuse_name(given["name"])


def _export_checkpoint(given: Given) -> None:
    file_to_write("FILE", given["file"])


def _import_checkpoint(given: Given) -> None:
    file_to_read("FILE", given["file"])
    _instance(given)


def _bmc(given: Given) -> None:
    actions.refuse_power(given["action"])


def _new(given: Given) -> None:
    from halab.authoring import new

    new.refuse_name(given["name"])


def _sign(given: Given) -> None:
    if given["sign"] is not None:
        from halab.exams import signing  # only who signs waits for cryptography

        signing.private_key(file_to_read("--sign", given["sign"]))


def _export(given: Given) -> None:
    _exam(given)
    _seed(given)
    for name in filter(None, given["learners"].split(",")):
        selection.refuse_name(name)
    directory_to_fill("--for-learner", given["for_learner"])


def _make_key(given: Given) -> None:
    file_to_write("FILE", given["file"])


def _verify_report(given: Given) -> None:
    directory_to_fill("DIRECTORY", given["directory"])
    file_to_read("--key", given["key"])


def _marks(given: Given) -> None:
    _exam(given)
    if given["csv"] is not None:
        file_to_write("--csv", given["csv"])


def _report(given: Given) -> None:
    if given["attempt"] is not None:
        number_of_attempt(given["attempt"])


def _class_up(given: Given) -> None:
    from halab.classroom import roster

    labs.refuse_unknown(given["lab"])
    _seed(given)
    if given["distro"] is not None:
        distros.load(given["distro"])
    roster.read(file_to_read("--learners", given["learners"]))


COMMANDS: dict[str, Callable[[Given], None]] = {
    "lab": _lab,
    "start": _start,
    "fault": _fault,
    "measure": _measure,
    "heal": _heal,
    "save": _save,
    "export-checkpoint": _export_checkpoint,
    "import-checkpoint": _import_checkpoint,
    "bmc": _bmc,
    "new-lab": _new,
    "new-step": _new,
    "grade": _sign,
    "finish": _sign,
    "export": _export,
    "make-key": _make_key,
    "verify-report": _verify_report,
    "marks": _marks,
    "class up": _class_up,
    "class grade": _sign,
    "class finish": _sign,
    "class marks": _marks,
    "report": _report,
}
