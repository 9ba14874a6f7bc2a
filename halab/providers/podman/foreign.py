"""An exported checkpoint that came from another machine: whether it has the form that `Disks.export` gives it.

Its files are put below a directory of the host, by the host's root. So nothing may lead out of there, and no file may
be a device of the host. What is in the files only the node sees.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from halab.kit.errors import LabError
from halab.kit.typed import shown
from halab.providers.podman.disks import LARGEST, NOWHERE
from halab.providers.podman.members import KINDS, members

Listed = dict[str, tuple[str, str]]  # path -> its kind, and the checkpoint whose archive has it


def vet(checkpoint: str, directory: Path, nodes: Collection[str], beside: Mapping[str, Path]) -> None:
    """Raise LabError unless all of a checkpoint has its form. Those `beside` it were looked at before."""
    wanted = {"about.json", *(f"{node}.{kind}" for node in nodes for kind in ("json", "tar"))}
    if {path.name for path in directory.iterdir()} != wanted:
        raise LabError(f"its files are not those of {' and '.join(sorted(nodes))}")
    about = _read(directory / "about.json")
    if not isinstance(about, dict) or set(about) != {"powered", "sources"}:
        raise LabError("about.json has not what it should have")
    if not (_are_of(about["powered"], nodes) and _are_of(about["sources"], {checkpoint, *beside})):
        raise LabError("about.json names nodes or checkpoints that are not there")
    for node in nodes:
        _vet_node(node, checkpoint, directory, beside)


def _vet_node(node: str, checkpoint: str, directory: Path, beside: Mapping[str, Path]) -> None:
    listed = _listed(directory / f"{node}.json")
    others = {name: _listed(place / f"{node}.json") for name, place in beside.items()}
    if listed.get("", ("",))[0] != "d":
        raise LabError(f"the listing of {node} has no root")
    for path, (kind, source) in listed.items():
        if path and (not _leads_down(path) or listed.get(path.rpartition("/")[0], ("",))[0] != "d"):
            raise LabError(f"the listing of {node} has {shown(path)}, which is below no directory of it")
        if source != checkpoint and others.get(source, {}).get(path) != (kind, source):
            raise LabError(f"the listing of {node} has {shown(path)}, which is in no archive")
    _vet_archive(
        directory / f"{node}.tar", {path: kind for path, (kind, source) in listed.items() if source == checkpoint}
    )


def _vet_archive(archive: Path, kinds: dict[str, str]) -> None:
    """Raise LabError unless an archive has exactly these paths, each once, and of its kind."""
    left = dict(kinds)
    try:
        for path, kind in members(archive):
            if left.pop(path, None) != kind:
                raise LabError(f"{shown(path)} is in it, and not in its listing, or not so")
    except LabError as error:
        raise LabError(f"{archive.name} is not as tar makes it of a node's files: {error}") from None
    if left:
        raise LabError(f"{archive.name} lacks {shown(min(left))}")


def _listed(file: Path) -> Listed:
    content = _read(file)
    if not isinstance(content, dict):
        raise LabError(f"{file.name} is no listing")
    found = {}
    for path, entry in content.items():
        if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry)):
            raise LabError(f"{file.name} has {shown(path)} without what a listing tells")
        kind = entry[0].removesuffix(NOWHERE)
        if entry[0] == kind or kind not in KINDS.values():
            raise LabError(f"{file.name} has {shown(path)}, which is a device, or nothing that a node's file can be")
        found[path] = (kind, entry[1])
    return found


def _leads_down(path: str) -> bool:
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def _are_of(found: object, known: Collection[str]) -> bool:
    return isinstance(found, list) and all(isinstance(name, str) and name in known for name in found)


def _read(file: Path) -> Any:
    if file.stat().st_size > LARGEST:
        raise LabError(f"{file.name} is larger than any that halab writes")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LabError(f"{file.name} is no JSON: {error}") from None
