"""What `tar` will find in a node's archive that anybody may have made.

Two programs can be made to see different files in one archive, as its format has grown in many ways (tar(5)). So a
header must be just as GNU tar writes it for a checkpoint (pax, with an extended header before each file), where all
programs agree, and the archive has nothing else.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from halab.kit.errors import LabError

BLOCK = 512  # bytes
LARGEST = 4 * 2**20  # bytes of an extended header: the attributes of one file
RECORD = 20 * BLOCK  # what `tar` fills with zeros at the end
KINDS = {b"0": "f", b"2": "l", b"3": "c", b"5": "d", b"6": "p"}  # find's letters (find(1), %y)
EXTENDED = b"x"
MAGIC = b"ustar\x0000"
SIZE, DEVICE, CHECKSUM = re.compile(rb"[0-7]{11}\0"), re.compile(rb"0{7}\0|\0{8}"), re.compile(rb"[0-7]{6}\0 ")
PAIR = re.compile(rb"([1-9][0-9]{0,7}) ([^=\0]+)=")
SPARSE = {b"GNU.sparse.major": rb"1", b"GNU.sparse.minor": rb"0", b"GNU.sparse.realsize": rb"[0-9]{1,18}"}
WHOLE_SPARSE = {*SPARSE, b"GNU.sparse.name"}
NAME = rb"[^\0]+"
KNOWN = {  # what an extended header may say, and how
    **SPARSE,
    **dict.fromkeys((b"path", b"linkpath", b"GNU.sparse.name"), NAME),
    **dict.fromkeys((b"uid", b"gid", b"size"), rb"[0-9]{1,18}"),
    **dict.fromkeys((b"mtime", b"atime", b"ctime"), rb"-?[0-9]{1,18}(\.[0-9]{1,9})?"),
    **dict.fromkeys((b"SCHILY.acl.access", b"SCHILY.acl.default"), NAME),
}
ATTRIBUTE = b"SCHILY.xattr."

Said = dict[bytes, bytes]


def members(archive: Path) -> Iterator[tuple[str, str]]:
    """Yield the path ("" for the directory that was archived) and the kind of each member, in their order.

    Raises LabError for what `tar` may read in another way, for devices, and for what is no whole archive.
    """
    with archive.open("rb") as file:
        said: Said = {}
        while (header := _exactly(file, BLOCK)).strip(b"\0"):
            size = _vetted(header)
            if header[156:157] == EXTENDED and not said:
                if not 0 < size <= LARGEST:
                    raise LabError(f"a header has {size} bytes")
                said = _pairs(_exactly(file, _padded(size))[:size])
                continue
            kind, content = KINDS.get(header[156:157]), int(said.get(b"size", size))
            if kind is None or (kind != "f" and (content or size or b"GNU.sparse.name" in said)):
                raise LabError("a member is of a kind that no node's file is archived as")
            yield _path(header, said, kind), kind
            _skip(file, _padded(content))
            said = {}
        rest = file.read(RECORD)
        if said or len(rest) < BLOCK or rest.strip(b"\0") or file.read(1):
            raise LabError("it does not end as an archive does")


def _vetted(header: bytes) -> int:
    """Return the size of what follows a header. Raises LabError when `tar` does not write such headers."""
    total = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    if not CHECKSUM.fullmatch(header, 148, 156) or int(header[148:154], 8) != total:
        raise LabError("the checksum of a header is wrong")
    if header[257:265] != MAGIC or not SIZE.fullmatch(header, 124, 136) or header[345:].strip(b"\0"):
        raise LabError("a header is in another form than tar's")
    if not (DEVICE.fullmatch(header, 329, 337) and DEVICE.fullmatch(header, 337, 345)):
        raise LabError("a member is a device")
    return int(header[124:135], 8)


def _pairs(text: bytes) -> Said:
    """Return what an extended header says, in which nothing may be said twice."""
    found: Said = {}
    at = 0
    while at < len(text):
        begin = PAIR.match(text, at)
        end = at + int(begin[1]) if begin else 0
        if begin is None or end <= begin.end() or text[end - 1 : end] != b"\n":
            raise LabError("an extended header cannot be read")
        key, value = begin[2], text[begin.end() : end - 1]
        form = rb"(?s:.*)" if key.startswith(ATTRIBUTE) else KNOWN.get(key)
        if key in found or form is None or not re.fullmatch(form, value):
            raise LabError(f"an extended header says {key.decode(errors='replace')!r}, twice or not as tar does")
        found[key] = value
        at = end
    if WHOLE_SPARSE & set(found) and (WHOLE_SPARSE - set(found) or {b"path", b"size"} & set(found)):
        raise LabError("an extended header tells of a sparse file otherwise than tar does")
    return found


def _path(header: bytes, said: Said, kind: str) -> str:
    name = said.get(b"GNU.sparse.name") or said.get(b"path") or header[:100].partition(b"\0")[0]
    path = name.decode("utf-8", "surrogateescape")
    return "" if path == "./" else path.removesuffix("/") if kind == "d" else path


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise LabError("it is cut short")
    return data


def _skip(file: IO[bytes], size: int) -> None:
    """Go on behind what a member has, all of which must be there."""
    if size:
        file.seek(size - 1, 1)
        _exactly(file, 1)
