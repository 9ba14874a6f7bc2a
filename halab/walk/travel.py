"""A checkpoint of an instance goes to another machine, and becomes an instance there.

`start` comes along, to which a learner can go back, and before which an instance is not whole. So does that of the last
step that is passed, from which the next one is done. Others do not.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from halab.conditions.checks import Outcome
from halab.instance import event_log
from halab.instance.instance import Instance
from halab.instance.seat import read_seat
from halab.instance.state import State
from halab.kit.errors import LabError
from halab.kit.recording import whole_lines
from halab.kit.typed import shown
from halab.measure import records
from halab.measure.report import Measurement
from halab.providers import Origin
from halab.walk import checkpoints, parcels
from halab.walk.checkpoints import GRADING, START, Checkpoint
from halab.walk.parcels import About

KEPT = ("recordings", "attempts", "measurements")  # directories of an instance that go along
FILES = re.compile("recordings/[^/]+|attempts/[1-9][0-9]{0,5}/.+|measurements/[^/]+/[^/]+")  # of these
OUTCOMES = ("performed", *Outcome)  # of a step at a checkpoint
MOST = 3  # checkpoints
LATEST = 2**33  # seconds since the epoch
EARLIER = f"{event_log.NAME}.1"  # where events are from before the log that is being written


def default(instance: Instance) -> str:
    """Return which checkpoint to take when nobody says which: an exam's newest, or that of the last passed step."""
    known = [name for name in checkpoints.names(instance) if name != GRADING]
    if START not in known:
        raise LabError(f"instance {instance.name} is only half up; try: inv up")
    if instance.folder.paper:
        return known[-1]
    return instance.last_passed.name if instance.last_passed else START


def export(instance: Instance, name: str, file: Path) -> None:
    """Write a checkpoint to a file, with all that is kept of the instance. Needs the lock.

    Raises LabError when there is no such checkpoint, or when the provider's cannot be taken away.
    """
    if name == GRADING:
        raise LabError("what is being graded cannot be taken away; wait for the end of the grading, or: inv up")
    checkpoint, origin = checkpoints.find(instance, name), instance.provider.origin()
    passed = [step.name for step in instance.folder.steps if _is_passed(checkpoint, step.name)]
    begins = [one for one in passed[-1:] if one in checkpoints.names(instance)]
    taken = [checkpoints.find(instance, one) for one in dict.fromkeys([START, *begins, name])]
    with _scratch(instance) as whole:
        for number, one in enumerate(taken):
            beside = [earlier.saved for earlier in taken[:number]]
            checkpoints.export(instance, one.name, whole / "checkpoints" / str(number), beside)
        _keep(instance, whole / "kept")
        what = About(
            made=datetime.now().astimezone(),
            instance=instance.name,
            checkpoints=tuple(one.name for one in taken),
            origin=origin,
            seat=read_seat(instance.directory),
            state=_as_of(instance.state, checkpoint),
        )
        parcels.pack(whole, what, file)


def refuse_other_nodes(instance: Instance, what: About, file: Path) -> None:
    """Raise LabError when a file's nodes are not those that the instance would have here: its checkpoints are
    differences to another image, or a node may take more of this machine.
    """
    _refuse_another_origin(instance.provider.origin(), what.origin, file)
    if what.state.spec.machine != instance.folder.spec.machine:
        raise LabError(f"{file} has nodes that may take more, or less, than those of lab {what.state.lab} here")


def _refuse_another_origin(here: Origin, there: Origin, file: Path) -> None:
    if here == there:
        return
    if here.distro != there.distro:
        raise LabError(f"{file} is of {here.distro}, and says that its image is of {shown(there.distro)}")
    if here.recipe != there.recipe:
        why = f"is of recipe {shown(there.recipe)}, here it is {here.recipe}; have the same halab on both machines"
    elif here.image != there.image:
        why = f"is {shown(_short(there.image))}, here it is {_short(here.image)}; copy that one here, with its pool"
    else:
        why = "is the same, but packages were added to one of the pools; add them to both: inv pool add"
    raise LabError(f"{file} cannot be used on this machine: its image of {here.distro} {why}")


def adopt(instance: Instance, what: About, file: Path) -> None:
    """Make an instance, of which there is nothing yet, from a file. Its nodes are still to be made, and restored.

    Needs the lock. Until all of it is there, the state says that it is to be removed. When it fails, nothing is left.
    Raises LabError when the file is not in the form that `export` gives it.
    """
    final = what.state.model_copy(update={"removing": False, "restoring": what.checkpoint, "faults": ()})
    instance.remember(final.model_copy(update={"removing": True}))
    try:
        with _scratch(instance) as scratch:
            whole = scratch / "whole"
            if parcels.unpack(file, whole) != what:
                raise LabError(f"{file} was changed while it was read; try again")
            try:
                _refuse_other_files(whole / "kept")
                _adopt_checkpoints(instance, what, whole)
            except LabError as error:
                raise LabError(f"{file} is not in the form of an exported checkpoint: {error}") from None
            for place in KEPT:
                if (whole / "kept" / place).is_dir():
                    (whole / "kept" / place).rename(instance.directory / place)
            if (whole / "kept" / event_log.NAME).is_file():
                (whole / "kept" / event_log.NAME).rename(instance.directory / EARLIER)
    except Exception:
        instance.down()
        raise
    instance.remember(final)


def _adopt_checkpoints(instance: Instance, what: About, whole: Path) -> None:
    if what.checkpoints[0] != START or len(what.checkpoints) > MOST:
        raise LabError(f"its checkpoints are not {START} and up to {MOST - 1} more")
    before: dict[str, Path] = {}
    for number, name in enumerate(what.checkpoints):
        directory = whole / "checkpoints" / str(number)
        checkpoint = _read(directory / "checkpoint.json")
        if checkpoint.name != name or checkpoint.saved in before or not re.fullmatch("[0-9a-f]{32}", checkpoint.saved):
            raise LabError(f"its checkpoint {number} is not {shown(name)}")
        _refuse_unknown(instance, checkpoint, whole / "kept" / "measurements")
        if name == what.checkpoint and _as_of(what.state, checkpoint) != what.state:
            raise LabError("its state is not that of its checkpoint")
        instance.provider.vet(checkpoint.saved, directory / "nodes", before)
        before[checkpoint.saved] = directory / "nodes"
    for number in range(len(what.checkpoints)):
        checkpoints.adopt(instance, whole / "checkpoints" / str(number))


def _read(file: Path) -> Checkpoint:
    if not file.is_file() or file.stat().st_size > parcels.LARGEST:
        raise LabError(f"{file.parent.name}/{file.name} is missing, or too large")
    try:
        return Checkpoint.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise LabError(f"{file.parent.name}/{file.name} has {error.error_count()} problems") from None


def _refuse_other_files(kept: Path) -> None:
    for path in kept.rglob("*"):
        name = str(path.relative_to(kept))
        if path.is_file() and name != event_log.NAME and not FILES.fullmatch(name):
            raise LabError(f"nothing is kept as {shown(name)}")


def _refuse_unknown(instance: Instance, checkpoint: Checkpoint, measurements: Path) -> None:
    """Raise LabError for a checkpoint with steps, nodes or measurements that the instance will not have."""
    folder, nodes = instance.folder, [node.name for node in instance.spec.nodes]
    steps = [step.name for step in folder.steps]
    if unknown := set(checkpoint.steps) - set(steps):
        raise LabError(f"lab {folder.name} has no step {shown(min(unknown))} here")
    if (folder.paper is None) != (instance.state.sitting is None):
        raise LabError(f"{folder.name} is an exam on one of the machines only")
    if checkpoint.name not in (START, *steps):
        checkpoints.refuse_name(checkpoint.name)
    if checkpoint.name == GRADING or any(record.outcome not in OUTCOMES for record in checkpoint.steps.values()):
        raise LabError("it is of something unfinished")
    kept = {place.name for place in measurements.glob("*") if (place / records.REPORT).is_file()}
    if set(checkpoint.measurements) - kept:
        raise LabError("it lacks some of its measurements")
    for name in checkpoint.measurements:
        try:
            Measurement.model_validate_json((measurements / name / records.REPORT).read_bytes())
        except ValidationError as error:
            raise LabError(f"its measurement {shown(name)} has {error.error_count()} problems") from None
    for node, log in checkpoint.events.items():
        if node not in nodes or not all(map(_is_order, log.splitlines())):
            raise LabError(f"it has no event log of a BMC for {shown(node)}")


def _is_order(line: str) -> bool:
    """Return whether a line is what a BMC was told, as `Instance.power_events` has it."""
    try:
        match json.loads(line):
            case {"time": int() | float() as time, "action": str(), "from": str()}:
                return 0 <= time < LATEST
    except (ValueError, RecursionError):
        pass
    return False


def _is_passed(checkpoint: Checkpoint, step: str) -> bool:
    return step in checkpoint.steps and checkpoint.steps[step].outcome == Outcome.PASSED


def _as_of(state: State, checkpoint: Checkpoint) -> State:
    """Return the state that an instance has which goes on at a checkpoint."""
    known = {"steps": checkpoint.steps, "measurements": checkpoint.measurements}
    return state.model_copy(update={**known, "faults": (), "fallbacks": (), "restoring": None})


def _keep(instance: Instance, target: Path) -> None:
    """Copy what is kept of an instance besides its nodes."""
    for place in KEPT:
        for path in (instance.directory / place).rglob("*"):
            name = path.relative_to(instance.directory)
            being_written = path.name.startswith(".")
            if path.is_file() and not path.is_symlink() and FILES.fullmatch(str(name)) and not being_written:
                copy = target / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(whole_lines(path.read_bytes()) if path.suffix == ".cast" else path.read_bytes())
    logs = [instance.directory / EARLIER, instance.directory / event_log.NAME]
    events = b"".join(whole_lines(log.read_bytes()) for log in logs if log.exists())
    target.mkdir(parents=True, exist_ok=True)
    (target / event_log.NAME).write_bytes(events[-event_log.FULL :])


@contextmanager
def _scratch(instance: Instance) -> Iterator[Path]:
    """Yield a directory of this instance to work in; one that a killed command has left is removed first."""
    scratch = instance.directory / "travel"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)  # recordings are nobody else's business
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]
