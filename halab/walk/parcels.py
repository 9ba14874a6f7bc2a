"""Parcels: what of an instance is taken to another machine, in one file (a tar archive, compressed by gzip).

halab.json                           first: what it is, and the instance's state
checkpoints/<number>/                checkpoint.json and nodes/, which are the provider's
kept/                                events.jsonl, recordings/, attempts/, measurements/

A file is made under another name, and gets its own when it is complete. Anybody may have made one that is read here.
"""

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from halab.instance.state import State
from halab.kit.errors import LabError
from halab.kit.frozen import Frozen
from halab.kit.typed import shown
from halab.providers import Origin

FORMAT: Literal[1] = 1
ABOUT = "halab.json"
LARGEST = 16 * 2**20  # bytes of what is read as a whole
LONGEST, DEEPEST = 60, 6  # characters of a file's name, and parts of a path
PLACES = ("checkpoints", "kept")
PIECE = 2**20  # bytes that are copied at once
FAST = 1  # how hard gzip tries: a machine waits for the file, and more makes it a tenth smaller
NOT_WHOLE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError)
Members = Iterator[tuple[tarfile.TarInfo, IO[bytes]]]


class About(Frozen):
    """What a parcel is of. `checkpoint` is where its instance goes on."""

    format: Literal[1] = FORMAT
    made: datetime
    instance: str
    checkpoint: str
    origin: Origin
    state: State


def about(file: Path) -> About:
    """Return what a parcel is of; only its beginning is read. Raises LabError for what is no parcel."""
    with _members(file) as members:
        return _about(file, members)


def pack(directory: Path, what: About, file: Path) -> None:
    """Write a parcel of what is in a directory.

    Only who writes it may read it, as the state has an exam's seed. When it cannot be written, an OSError tells, and
    what was there before is left.
    """
    others = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    (directory / ABOUT).write_text(what.model_dump_json())
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        ) as written:
            with gzip.open(written, "wb", compresslevel=FAST) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
                for path in (Path(ABOUT), *map(_safe, others)):
                    tar.add(directory / path, str(path))
            written.flush()
            os.fsync(written.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def unpack(file: Path, directory: Path) -> About:
    """Put what is in a parcel into a directory, which is made here. Raises LabError for what is no whole parcel."""
    directory.mkdir()
    with _members(file) as members:
        what = _about(file, members)
        for member, content in members:
            target = directory / _safe(Path(member.name))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                made = target.open("xb")
            except (FileExistsError, NotADirectoryError):
                raise LabError(f"{file} has {shown(member.name)} twice, or in a file") from None
            with made:
                shutil.copyfileobj(content, made, PIECE)
    return what


@contextmanager
def _members(file: Path) -> Iterator[Members]:
    """Yield the members of a parcel, each with its content, in order. After the last one all was read, and is whole."""

    def each(packed: gzip.GzipFile) -> Members:
        with tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                if content is None:
                    raise LabError(f"{file} has {shown(member.name)}, which is no file")
                yield member, content
        while packed.read(PIECE):  # to the end of what was compressed, where its checksum is
            pass

    try:
        with gzip.open(file) as packed:
            yield each(packed)
    except NOT_WHOLE as error:
        raise LabError(f"{file} is no exported checkpoint, or is cut short or damaged: {error}") from None


def _about(file: Path, members: Members) -> About:
    member, content = next(members, (None, None))
    if member is None or content is None or member.name != ABOUT or member.size > LARGEST:
        raise LabError(f"{file} is no exported checkpoint: it does not begin with {ABOUT}")
    text = content.read()
    try:
        format = json.loads(text)["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LabError(f"{file} is no exported checkpoint: its {ABOUT} does not tell a format") from None
    if format != FORMAT:
        raise LabError(f"{file} has format {shown(str(format))}, of another version of halab; this one reads {FORMAT}")
    try:
        return About.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise LabError(f"{file} is of another version of halab, or damaged: {where}: {first['msg']}") from None


def _safe(path: Path) -> Path:
    """Return the path of a member. Raises LabError for one that is not below PLACES, or that nothing of halab has."""
    parts = path.parts
    wrong = [part for part in parts if part.startswith(".") or not part.isprintable() or len(part) > LONGEST]
    if wrong or len(parts) > DEEPEST or parts[:1] not in [(place,) for place in PLACES]:
        raise LabError(f"{shown(str(path))} can be in no exported checkpoint")
    return path
