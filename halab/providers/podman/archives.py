"""One archive of parts of others, whose members are copied as they are, headers too."""

import tarfile
from collections.abc import Iterable, Set
from pathlib import Path
from tarfile import TarFile, TarInfo
from typing import IO

from halab.kit.errors import LabError

END = bytes(2 * tarfile.BLOCKSIZE)  # of an archive (tar(5))
PIECE = 2**20  # bytes that are copied at once


def merge(target: Path, parts: Iterable[tuple[Path, Set[str]]]) -> None:
    """Write an archive of the members that have these paths, of each archive. Raises LabError when some are missing."""
    with target.open("xb") as merged:
        for archive, paths in parts:
            left = set(paths)
            with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
                for member, end in _extents(tar):
                    if _path_of(member) in left:
                        left.remove(_path_of(member))
                        raw.seek(member.offset)
                        _copy(raw, merged, end - member.offset)
            if left:
                raise LabError(f"{archive} lacks {len(left)} files that it should have; try: inv down up")
        merged.write(END)


def _path_of(member: TarInfo) -> str:
    """Return a member's path as listings have it: that of the upper directory itself is empty."""
    return "" if member.name == "." else member.name


def _extents(tar: TarFile) -> list[tuple[TarInfo, int]]:
    """Return each member with the offset at which it ends."""
    members = tar.getmembers()
    offsets = [*(member.offset for member in members), tar.offset]
    return list(zip(members, offsets[1:], strict=True))


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count > 0 and (piece := source.read(min(count, PIECE))):
        target.write(piece)
        count -= len(piece)
