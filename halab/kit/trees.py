"""Files and directories as tar streams: made for a node, and received from one that may send whatever it likes.

What is received is written into an empty directory of halab's own. There, nothing is opened through a link, as links
are made last, and only those that stay inside. Names with `..`, devices, and all else that is no plain file, directory
or link are left out. Nothing is held in memory but a name.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from halab.kit.errors import LabError

BLOCK = tarfile.BLOCKSIZE
CHUNK = 2**20
LONGEST = 65_536  # bytes of a name
LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: "name", tarfile.GNUTYPE_LONGLINK: "linkname"}
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
MOST = 100_000  # links, and names that are left out, as they are kept in memory
ENDED = "it ended before everything was there"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class NoTree(LabError):
    """A stream is no tar stream, or ends too soon."""


def send(item: Path, out: IO[bytes], name: str, end: str) -> None:
    """Write a file or a directory as a tar stream, in which it is called `name` and is root's.

    The last member is an empty file called `end`: what has it has everything.
    """

    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, errors="surrogateescape") as stream:
        stream.add(item, name, filter=of_root)
        stream.addfile(tarfile.TarInfo(end))


def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Make root the owner of a member that is to be written: nothing tells who has it here."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def receive(stream: Readable, place: Path) -> list[str]:
    """Write what a tar stream of one item holds to `place`, which must not exist; return the names left out.

    The first member is the item itself, and others are below it. It is a file or a directory. Raises LabError when the
    stream is none of such, or ends too soon.
    """
    top: PurePosixPath | None = None
    links: dict[Path, str] = {}
    left_out: list[str] = []
    for member in members(stream):
        name = PurePosixPath(member.name)
        if top is None:
            top = name
            if not (member.type in PLAIN or member.isdir()):
                raise LabError(f"{member.name} is neither a file nor a directory")
        below = _below(name, top)
        if len(links) + len(left_out) > MOST:
            raise LabError(f"it has more than {MOST} links and other things that are no files")
        if below is None or (not below.parts and place.exists()):
            left_out.append(str(name))
            read(stream, member.size, None)
            continue
        target = place.joinpath(*below.parts)
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif member.type in PLAIN:
            target.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                read(stream, member.size, file)
            target.chmod(_mode(member.mode))
        elif member.issym() and _stays_inside(below, member.linkname):
            links[target] = member.linkname
        else:
            left_out.append(str(name))
    stream.read(CHUNK)  # what fills the last record, so that its writer ends well
    if top is None:
        raise NoTree(ENDED)
    for link, to in links.items():
        if links.keys() & set(link.parents):  # then it would not be where its name says
            left_out.append(str(link.relative_to(place)))
        else:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(to)
    return left_out


def put(item: Path, final: Path) -> None:
    """Give a file or a directory its final name, in whose directory it is.

    A file takes the place of a file, or of what a link points to, and keeps the mode of that. A directory is merged
    into one that is there. Raises LabError where one would take the place of the other.
    """
    if final.is_symlink() and final.exists():
        final = final.resolve()
    if final.is_file() and item.is_file():
        item.chmod(stat.S_IMODE(final.stat().st_mode))
    _put(item, final)


def _put(item: Path, final: Path) -> None:
    """Do so without writing through a link: below the final name, what was received says what is written where."""
    there, is_tree = os.path.lexists(final), item.is_dir() and not item.is_symlink()
    if there and is_tree != (final.is_dir() and not final.is_symlink()):
        raise LabError(f"{final} is there already, and is {'no' if is_tree else 'a'} directory")
    if not there or not is_tree:
        item.replace(final)
        return
    for entry in sorted(item.iterdir()):
        _put(entry, final / entry.name)


def members(stream: Readable) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar stream (GNU format). Whoever takes one of a file `read`s its content.

    Raises NoTree.
    """
    long: dict[str, str] = {}
    while (block := _exactly(stream, BLOCK)).strip(b"\0"):
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise NoTree(f"it is no tar stream: {error}") from None
        if what := LONG_NAMES.get(member.type):
            if not 0 < member.size <= LONGEST:
                raise NoTree(f"it has a name of {member.size} bytes")
            text = _exactly(stream, _padded(member.size))[: member.size]
            long[what] = text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            continue
        if member.size < 0:
            raise NoTree("it has a file of less than nothing")
        member.name, member.linkname = long.get("name", member.name), long.get("linkname", member.linkname)
        if member.type not in PLAIN:
            if not (member.issym() or member.islnk() or member.isdir() or member.isdev()):  # these have no content
                read(stream, member.size, None)
            member.size = 0
        long = {}
        yield member


def read(stream: Readable, size: int, file: IO[bytes] | None) -> None:
    """Read the content of a member, and its padding, into a file, or (None) into nothing. Raises NoTree."""
    left = size
    while left:
        chunk = stream.read(min(left, CHUNK))
        if not chunk:
            raise NoTree(ENDED)
        left -= len(chunk)
        if file:
            file.write(chunk)
    if padding := _padded(size) - size:
        _exactly(stream, padding)


def _exactly(stream: Readable, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise NoTree(ENDED)
    return data


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _below(name: PurePosixPath, top: PurePosixPath) -> PurePosixPath | None:
    """Return a member's name below the item; None when it is elsewhere."""
    if not name.is_relative_to(top):
        return None
    below = name.relative_to(top)
    return None if ".." in below.parts or below.is_absolute() else below


def _stays_inside(below: PurePosixPath, linkname: str) -> bool:
    """Return whether a link points to something in the item, wherever other links on the way lead to, which do too.

    So `..` may only come first, where it leads out of real directories.
    """
    parts = PurePosixPath(linkname).parts
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return bool(parts) and not linkname.startswith("/") and ".." not in parts[up:] and up < len(below.parts)


def _mode(mode: int) -> int:
    """Return the mode that a file gets: who may read, write and run it, as the umask says."""
    umask = os.umask(0)
    os.umask(umask)
    return (mode & 0o777 | 0o600) & ~umask
