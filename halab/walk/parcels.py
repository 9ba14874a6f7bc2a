"""Parcels: what of an instance is taken to another machine, in one file (a tar archive, compressed by gzip).

halab.json                           first: what it is, and the instance's state
checkpoints/<number>/                checkpoint.json and nodes/, which are the provider's
kept/                                events.jsonl, recordings/, attempts/, measurements/

A file is made under another name, and gets its own when it is complete. Anybody may have made one that is read here.
"""

import gzip
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from halab.instance.seat import Seat
from halab.instance.state import State
from halab.kit import trees
from halab.kit.errors import LabError
from halab.kit.frozen import Frozen
from halab.kit.scratch import remove_left
from halab.kit.typed import shown
from halab.providers import Origin

FORMAT: Literal[1] = 1
ABOUT = "halab.json"
LARGEST = 16 * 2**20  # bytes of what is read as a whole
MOST = 100_000  # files
LONGEST, DEEPEST = 100, 6  # characters of a file's name, and parts of a path
PLACES = ("checkpoints", "kept")
SPARE = 2**30  # bytes of the disk that are left to others
FAST = 1  # how hard gzip tries: a machine waits for the file, and more makes it a tenth smaller
NOT_WHOLE = (trees.NoTree, EOFError, zlib.error, gzip.BadGzipFile)
Members = Iterator[tarfile.TarInfo]


class About(Frozen):
    """What a parcel is of: an instance with these checkpoints, of which it goes on at the last. `seat` is the
    seat that it was, if any.
    """

    format: Literal[1] = FORMAT
    made: AwareDatetime
    instance: str
    checkpoints: tuple[str, ...] = Field(min_length=1)
    origin: Origin
    seat: Seat | None = None
    state: State

    @property
    def checkpoint(self) -> str:
        return self.checkpoints[-1]


def about(file: Path) -> About:
    """Return what a parcel is of; only its beginning is read. Raises LabError for what is no parcel."""
    with _stream(file) as stream:
        return _about(file, trees.members(stream), stream)


def pack(directory: Path, what: About, file: Path) -> None:
    """Write a parcel of what is in a directory.

    Only who writes it may read it, as the state has an exam's seed. When it cannot be written, an OSError tells, and
    what was there before is left.
    """
    others = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    (directory / ABOUT).write_text(what.model_dump_json())
    remove_left(file.parent, file.name)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        made = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(made, "wb") as written:
            with (
                gzip.open(written, "wb", compresslevel=FAST) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
            ):
                for path in (Path(ABOUT), *map(_safe, others)):
                    tar.add(directory / path, str(path), filter=trees.of_root)
            written.flush()
            os.fsync(written.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def unpack(file: Path, directory: Path) -> About:
    """Put what is in a parcel into a directory, which is made here. Raises LabError for what is no whole parcel."""
    directory.mkdir()
    with _stream(file) as stream:
        members = trees.members(stream)
        what = _about(file, members, stream)
        for number, member in enumerate(members):
            if member.type not in trees.PLAIN:
                raise LabError(f"{file} has {shown(member.name)}, which is no file")
            if number >= MOST or member.size > shutil.disk_usage(directory).free - SPARE:
                raise LabError(f"{file} has more than there is room for here, at {shown(member.name)}")
            target = directory / _safe(Path(member.name))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except (FileExistsError, NotADirectoryError):
                raise LabError(f"{file} has {shown(member.name)} twice, or in a file") from None
            with os.fdopen(made, "wb") as copy:
                trees.read(stream, member.size, copy)
        while stream.read(trees.CHUNK):  # to the end of what was compressed, where its checksum is
            pass
    return what


@contextmanager
def _stream(file: Path) -> Iterator[trees.Readable]:
    """Yield what was compressed. Raises LabError when it turns out to be damaged while it is read."""
    try:
        with gzip.open(file) as stream:
            yield stream
    except NOT_WHOLE as error:
        raise LabError(f"{file} is no exported checkpoint, or is cut short or damaged: {error}") from None


def _about(file: Path, members: Members, stream: trees.Readable) -> About:
    member = next(members, None)
    if member is None or member.name != ABOUT or member.size > LARGEST:
        raise LabError(f"{file} is no exported checkpoint: it does not begin with {ABOUT}")
    content = io.BytesIO()
    trees.read(stream, member.size, content)
    try:
        format = json.loads(content.getvalue())["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LabError(f"{file} is no exported checkpoint: its {ABOUT} does not tell a format") from None
    if format != FORMAT:
        raise LabError(f"{file} has format {shown(str(format))}, of another version of halab; this one reads {FORMAT}")
    try:
        return About.model_validate_json(content.getvalue())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise LabError(f"{file} is of another version of halab, or damaged: {shown(where)}: {first['msg']}") from None


def _safe(path: Path) -> Path:
    """Return the path of a member. Raises LabError for one that is not below PLACES, or that nothing of halab has."""
    parts = path.parts
    wrong = [part for part in parts if part.startswith(".") or not part.isprintable() or len(part) > LONGEST]
    if wrong or len(parts) > DEEPEST or parts[:1] not in [(place,) for place in PLACES]:
        raise LabError(f"{shown(str(path))} can be in no exported checkpoint")
    return path
