"""Exported checkpoints that somebody made by hand, to have files put where none belong."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.kit.errors import LabError
from halab.providers.podman import foreign
from halab.providers.podman.disks import Disks


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    node = tmp_path / "upper"
    (node / "etc").mkdir(parents=True)
    (node / "etc" / "hosts").write_text("127.0.0.1 localhost")
    disks = Disks(tmp_path / "disks", lambda: {"node1": str(node)})
    disks.save("one", {"node1"})
    disks.export("one", tmp_path / "exported")
    return tmp_path / "exported"


def vet(exported: Path) -> None:
    foreign.vet("one", exported, ["node1"], {})


def change(file: Path, how: Callable[[Any], None]) -> None:
    content = json.loads(file.read_text())
    how(content)
    file.write_text(json.dumps(content))


def member(name: str, **about: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in about.items():
        setattr(made, key, value)
    return made


def add(exported: Path, kind: str, made: tarfile.TarInfo, path: str | None = None) -> None:
    """Have both the listing and the archive name one more file."""
    change(exported / "node1.json", lambda listing: listing.update({path or made.name: [f"{kind} - - -", "one"]}))
    with tarfile.open(exported / "node1.tar", "a") as tar:
        tar.addfile(made, io.BytesIO(bytes(made.size)))


def test_what_was_exported_is_as_it_should_be(exported: Path) -> None:
    add(exported, "f", member("etc/passwd", size=3))
    add(exported, "c", member("etc/removed", type=tarfile.CHRTYPE))

    vet(exported)


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/outside", "etc/../../outside", "etc//x", "./x", "etc/hosts/x", "no/x"]
)
def test_a_path_that_leads_elsewhere_is_refused(exported: Path, path: str) -> None:
    add(exported, "f", member(path), path)

    with pytest.raises(LabError, match="below no directory of it"):
        vet(exported)


def test_a_listing_that_has_the_directory_above_is_refused(exported: Path) -> None:
    add(exported, "d", member("..", type=tarfile.DIRTYPE))
    add(exported, "f", member("../outside"))

    with pytest.raises(LabError, match="below no directory of it"):
        vet(exported)


def test_a_path_below_a_link_is_refused(exported: Path) -> None:
    add(exported, "l", member("out", type=tarfile.SYMTYPE, linkname="/root"))
    add(exported, "f", member("out/x"))

    with pytest.raises(LabError, match='"out/x", which is below no directory'):
        vet(exported)


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("c", member("disk", type=tarfile.CHRTYPE, devmajor=1, devminor=1)),
        ("f", member("disk", type=tarfile.BLKTYPE, devmajor=8)),
        ("f", member("link", type=tarfile.LNKTYPE, linkname="/etc/shadow")),
        ("d", member("link", type=tarfile.SYMTYPE, linkname="/root")),
        ("f", member("etc/hosts")),  # twice
    ],
)
def test_a_member_that_is_not_what_the_listing_says_is_refused(
    exported: Path, kind: str, made: tarfile.TarInfo
) -> None:
    add(exported, kind, made)

    with pytest.raises(LabError, match=r"not in its listing, or not so|is a device|of a kind that no node"):
        vet(exported)


def test_attributes_longer_than_any_are_not_read(exported: Path) -> None:
    with (exported / "node1.tar").open("r+b") as archive:
        archive.write(resealed(header("x", tarfile.XHDTYPE), 124, b"%011o" % 2**32))
        archive.truncate(2**32 + 10_000)

    with pytest.raises(LabError, match="a header has 4294967296 bytes"):
        vet(exported)


def test_a_device_is_refused(exported: Path) -> None:
    add(exported, "b", member("disk", type=tarfile.BLKTYPE, devmajor=8))

    with pytest.raises(LabError, match='"disk", which is a device'):
        vet(exported)


def test_a_member_that_no_listing_has_is_refused(exported: Path) -> None:
    with tarfile.open(exported / "node1.tar", "a") as tar:
        tar.addfile(member("more"))

    with pytest.raises(LabError, match='"more" is in it, and not in its listing'):
        vet(exported)


def header(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **about: Any) -> bytes:
    """Return a member with a right checksum, and with its content."""
    made = member(name, type=kind, size=len(content), **about)
    return made.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def resealed(block: bytes, at: int, text: bytes) -> bytes:
    """Return a header with something else in it, and again with a right checksum."""
    changed = block[:at] + text + block[at + len(text) : 512]
    blank = changed[:148] + b" " * 8 + changed[156:]
    return changed[:148] + b"%06o\0 " % sum(blank) + changed[156:] + block[512:]


def record(key: str, value: str) -> bytes:
    text = f" {key}={value}\n"
    length = len(text) + len(str(len(text)))
    return f"{length + (len(str(length)) - len(str(len(text))))}{text}".encode()


DISK = header("etc/hosts", tarfile.BLKTYPE, devmajor=8)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"\1" * 512 + DISK, id="after what is no header"),
        pytest.param(bytes(512) + DISK, id="after an empty block"),
        pytest.param(bytes(1024) + DISK, id="after the end"),
        pytest.param(header("g", tarfile.XGLTYPE, record("path", "etc/hosts")) + DISK, id="after a global header"),
        pytest.param(header("x", tarfile.XHDTYPE, record("path", "a") + record("path", "b")) + header("c"), id="twice"),
        pytest.param(header("x", tarfile.XHDTYPE, record("path", "a")) * 2 + header("c"), id="two extended headers"),
        pytest.param(header("x", tarfile.XHDTYPE, record("path", "a")), id="an extended header at the end"),
        pytest.param(header("x", tarfile.XHDTYPE, record("GNU.sparse.name", "a")) + header("c"), id="half sparse"),
        pytest.param(header("x", tarfile.XHDTYPE, record("comment", "a")) + header("c"), id="something unknown"),
        pytest.param(header("x", tarfile.XHDTYPE, b"99 path=a\n") + header("c"), id="longer than it is"),
        pytest.param(header("x", tarfile.XHDTYPE, record("path", "a\0b")) + header("c"), id="a name with an end"),
        pytest.param(header("L", tarfile.GNUTYPE_LONGNAME, b"a\0") + header("c"), id="a long name of GNU's"),
        pytest.param(header("a", tarfile.GNUTYPE_SPARSE), id="a sparse file of old"),
        pytest.param(header("a", tarfile.LNKTYPE, linkname="etc/hosts"), id="a hard link"),
        pytest.param(header("a", tarfile.DIRTYPE, b"x"), id="a directory with content"),
        pytest.param(resealed(header("a", content=b"x"), 124, b"0000000_001"), id="a number with a dash"),
        pytest.param(resealed(header("a"), 345, b"etc"), id="a prefix"),
        pytest.param(resealed(header("a"), 257, b"ustar  \0"), id="another format"),
        pytest.param(resealed(header("a", tarfile.CHRTYPE), 337, b"0000001\0"), id="a device"),
        pytest.param(header("a")[:150] + b"1" + header("a")[151:], id="a wrong checksum"),
        pytest.param(resealed(header("a"), 124, b"00000010000"), id="more content than there is"),
    ],
)
def test_what_programs_read_in_different_ways_is_refused(exported: Path, more: bytes) -> None:
    archive = exported / "node1.tar"
    content = archive.read_bytes()
    archive.write_bytes(content[: -(-len(content.rstrip(b"\0")) // 512) * 512] + more + bytes(1024))
    change(
        exported / "node1.json", lambda listing: listing.update({name: ["f - - -", "one"] for name in ("a", "b", "c")})
    )

    with pytest.raises(LabError, match="not as tar makes it of a node's files"):
        vet(exported)


@pytest.mark.parametrize("size", [0, 100, 512, 1024, -1024, -1])
def test_an_archive_that_is_cut_short_is_refused(exported: Path, size: int) -> None:
    archive = exported / "node1.tar"
    content = archive.read_bytes()
    last = -(-len(content.rstrip(b"\0")) // 512) * 512  # where the two empty blocks begin
    archive.write_bytes(content[:size] if size >= 0 else content[: last + 1024 + size])

    with pytest.raises(LabError, match=r"cut short|does not end|not as tar makes it"):
        vet(exported)


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("about.json", lambda about: about.update(powered=["node2"]), "names nodes or checkpoints"),
        ("about.json", lambda about: about.update(sources=["../two"]), "names nodes or checkpoints"),
        ("about.json", lambda about: about.update(more=1), "has not what it should have"),
        ("node1.json", lambda listing: listing.pop(""), "has no root"),
        ("node1.json", lambda listing: listing.update({"x": ["f - - -", "two"]}), "in no archive"),
        ("node1.json", lambda listing: listing.update({"x": "f"}), "without what a listing tells"),
        ("node1.json", lambda listing: listing.update({"x": ["f - - -", "one"]}), 'node1.tar lacks "x"'),
        (
            "node1.json",
            lambda listing: listing.update({"etc": ["d 1 2 3", "one"]}),
            "nothing that a node's file can be",
        ),
    ],
)
def test_a_listing_that_says_something_else_is_refused(
    exported: Path, name: str, how: Callable[[Any], None], told: str
) -> None:
    change(exported / name, how)

    with pytest.raises(LabError, match=told):
        vet(exported)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"[]", b"\xff"])
def test_what_is_no_listing_at_all_is_refused(exported: Path, content: bytes) -> None:
    (exported / "node1.json").write_bytes(content)

    with pytest.raises(LabError, match=r"is no JSON|is no listing"):
        vet(exported)


def test_other_files_are_refused(exported: Path) -> None:
    (exported / "node2.tar").write_bytes(b"")

    with pytest.raises(LabError, match="its files are not those of node1"):
        vet(exported)
