"""Checkpoints of an instance: the nodes' saved state (the provider's) with the step results and BMC event logs.

checkpoints/<name>.json      one file a checkpoint, written last; a saved state that no file names is garbage
"""

import re
import tempfile
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime

from halab.faults import registry
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.nodes import Node
from halab.instance.state import State, StepRecord
from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.parallel import for_each
from halab.kit.toml import suggestion
from halab.kit.typed import shown

START = "start"
GRADING = "grading"  # of a learner's work, while it is being graded


class Checkpoint(Frozen):
    """`saved` is the provider's identifier; the others are what the instance knew then."""

    name: str
    at: AwareDatetime
    saved: str
    steps: dict[str, StepRecord]
    measurements: tuple[str, ...]
    began: AwareDatetime | None = None  # where an exam begins: when it did
    events: dict[str, str]


def names(instance: Instance) -> list[str]:
    """Return the names of all checkpoints, oldest first."""
    return [checkpoint.name for checkpoint in everything(instance)]


def everything(instance: Instance) -> list[Checkpoint]:
    files = (instance.directory / "checkpoints").glob("[!.]*.json")
    found = [Checkpoint.model_validate_json(file.read_text()) for file in files]
    return sorted(found, key=lambda checkpoint: checkpoint.at)


def find(instance: Instance, name: str) -> Checkpoint:
    """Return a checkpoint. Raises LabError, which suggests the nearest name, when there is none of that name."""
    for checkpoint in everything(instance):
        if checkpoint.name == name:
            return checkpoint
    raise LabError(f'there is no checkpoint "{name}", {suggestion(name, names(instance))}')


def refuse_name(name: str) -> None:
    """Raise LabError for what cannot name a checkpoint of the learner's own."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
        raise LabError(f"{shown(name)} cannot name a checkpoint: up to 60 letters, digits, dashes and underscores")


def save(instance: Instance, name: str, state: State | None = None) -> None:
    """Save the cluster as it is, in place of an older checkpoint of that name. Needs the lock.

    `state` is what the instance will be remembered with, when that is not what it is now.
    """
    saved, known = uuid.uuid4().hex, state or instance.state
    boots = instance.provider.save(saved)
    checkpoint = Checkpoint(
        name=name,
        at=datetime.now().astimezone(),
        saved=saved,
        steps=known.steps,
        measurements=instance.state.measurements,
        began=known.sitting.began if known.sitting else None,
        events={node.name: instance.read_bmc_log(node.name) for node in instance.spec.nodes},
    )
    _write(instance, checkpoint)
    if name != GRADING:
        by_hand.forget(instance)
    _keep_only_known(instance)
    if boots:
        wait_booted(instance)


def restore(instance: Instance, name: str) -> None:
    """Bring the whole cluster back, healing whatever was broken, and wait until its nodes have booted.

    Needs the lock. Before anything is touched, the state says that a restore has begun; so when this is killed,
    `settle` does it again. A killed grading has left a checkpoint of the learner's work. Restoring any other one
    removes it, because to put that work back later would undo what was done since.
    """
    checkpoint = find(instance, name)
    if "absent" in instance.provider.power_states().values():
        raise LabError(f"instance {instance.name} is only half up; try: inv up")
    instance.remember(instance.state.model_copy(update={"restoring": name}))
    if name != GRADING and GRADING in names(instance):
        forget(instance, GRADING)
    registry.heal_outside(instance)
    with instance.bmcs_out_of_service():  # a node that a peer has fenced is off, or about to be powered on
        instance.provider.restore(checkpoint.saved)
        for node, log in checkpoint.events.items():
            write_atomically(instance.bmc_log(node), log)
    instance.start_bmcs()
    wait_booted(instance)
    if name != GRADING:
        by_hand.forget(instance)
    known = {"steps": checkpoint.steps, "measurements": checkpoint.measurements}
    instance.remember(instance.state.model_copy(update={**known, "restoring": None}))


def forget(instance: Instance, name: str) -> None:
    """Remove a checkpoint that is no longer needed. Needs the lock."""
    _file(instance, name).unlink(missing_ok=True)
    _keep_only_known(instance)


def export(instance: Instance, name: str, directory: Path, beside: Sequence[str] = ()) -> None:
    """Copy a checkpoint to a directory, whole or not at all. See Provider.export for what is exported `beside` it."""
    checkpoint = find(instance, name)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        unfinished = Path(scratch, "whole")
        instance.provider.export(checkpoint.saved, unfinished / "nodes", beside)
        (unfinished / "checkpoint.json").write_text(checkpoint.model_dump_json())
        unfinished.rename(directory)


def adopt(instance: Instance, directory: Path) -> None:
    """Make an exported checkpoint one of this instance's, which must be of the same lineage. Needs the lock."""
    checkpoint = Checkpoint.model_validate_json((directory / "checkpoint.json").read_text())
    instance.provider.adopt(checkpoint.saved, directory / "nodes")
    _write(instance, checkpoint)


def wait_booted(instance: Instance) -> None:
    """Wait for the nodes that have power."""
    powered = [name for name, state in instance.provider.power_states().items() if state == "on"]
    nodes = [Node(spec, instance.provider, lambda text: None) for spec in instance.spec.nodes if spec.name in powered]
    for_each(nodes, lambda node: node.wait_booted())


def _write(instance: Instance, checkpoint: Checkpoint) -> None:
    write_atomically(_file(instance, checkpoint.name), checkpoint.model_dump_json(indent=2))


def _file(instance: Instance, name: str) -> Path:
    return instance.directory / "checkpoints" / f"{name}.json"


def _keep_only_known(instance: Instance) -> None:
    instance.provider.keep_only({checkpoint.saved for checkpoint in everything(instance)})
