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

    with pytest.raises(LabError, match="which its listing has not, or not so"):
        vet(exported)


def test_a_device_is_refused(exported: Path) -> None:
    add(exported, "b", member("disk", type=tarfile.BLKTYPE, devmajor=8))

    with pytest.raises(LabError, match='"disk", which is a device'):
        vet(exported)


def test_a_member_that_no_listing_has_is_refused(exported: Path) -> None:
    with tarfile.open(exported / "node1.tar", "a") as tar:
        tar.addfile(member("more"))

    with pytest.raises(LabError, match='"more", which its listing has not'):
        vet(exported)


@pytest.mark.parametrize("size", [0, 100, 512, 1024, -1024, -1])
def test_an_archive_that_is_cut_short_is_refused(exported: Path, size: int) -> None:
    archive = exported / "node1.tar"
    content = archive.read_bytes()
    last = -(-len(content.rstrip(b"\0")) // 512) * 512  # where the two empty blocks begin
    archive.write_bytes(content[:size] if size >= 0 else content[: last + 1024 + size])

    with pytest.raises(LabError, match=r"cut short|no archive"):
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
        ("node1.json", lambda listing: listing.update({"x": ["f - - -", "one"]}), "cut short"),
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
