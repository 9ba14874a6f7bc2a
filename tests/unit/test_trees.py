"""Tar streams of files, also those that a hostile node might send."""

import contextlib
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from halab.kit import trees
from halab.kit.errors import LabError

Entry = tuple[str, bytes | str | None]  # name, and content; None for a directory, a text for a link to it


def stream(*entries: Entry | tarfile.TarInfo, whole: bool = True) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry, io.BytesIO(bytes(entry.size)))
                continue
            name, content = entry
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if content is None else 0o644
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    data = made.getvalue()
    return io.BytesIO(data if whole else data[: len(data) // 512 // 40 * 512 or 512])


def special(name: str, kind: bytes, linkname: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size, member.mode = kind, linkname, size, 0o4777
    member.devmajor, member.devminor = 1, 3
    return member


def everything(place: Path) -> dict[str, str]:
    """Return what is below a directory, without following links: contents of files, targets of links."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(place))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(place))] = path.read_text()
        elif not path.is_dir():
            found[str(path.relative_to(place))] = "special"
    return found


def test_a_tree_arrives_as_it_was_with_long_names_links_and_modes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    deep = tree / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    (tree / "empty").mkdir()
    (deep / "näme").write_bytes(b"x" * 1537)
    (tree / "run").write_text("#!/bin/sh\n")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("run")
    sent = subprocess.run(
        ["tar", "--create", "--format=gnu", f"--directory={tree}", "."], stdout=subprocess.PIPE, check=True
    ).stdout

    left_out = trees.receive(io.BytesIO(sent), tmp_path / "item")

    assert left_out == []
    assert everything(tmp_path / "item") == everything(tree)
    assert (tmp_path / "item" / "empty").is_dir()
    assert (tmp_path / "item" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize(
    "entries",
    [
        [("top", None), ("../outside", b"x")],
        [("top", None), ("top/../../outside", b"x")],
        [("top", None), ("/{outside}", b"x")],
        [("..", None), ("../outside", b"x")],
        [("top", None), ("top/link", "/{place}"), ("top/link/outside", b"x")],
        [("top", None), ("top/link", ".."), ("top/link/outside", b"x")],
        [("top", None), ("top/d", None), ("top/d/up", ".."), ("top/out", "d/up/..")],
        [("top", None), ("top/out", "../missing")],
        [("top", None), ("top/p/q", ".."), ("top/p/q/up", "../..")],
        [("top", None), special("top/null", tarfile.CHRTYPE), special("top/sda", tarfile.BLKTYPE)],
        [("top", None), special("top/fifo", tarfile.FIFOTYPE), special("top/hard", tarfile.LNKTYPE, "/etc/passwd")],
        [("top", None), special("top/sparse", tarfile.GNUTYPE_SPARSE), special("top/odd", b"Z", size=1000)],
        [("file", b"x"), ("file/below", b"x")],
        [("file", b"x"), ("file", b"y")],
        [("file", b"x"), ("other", b"y")],
        [("top", None), ("top/file", b"x"), ("top/file", "elsewhere")],
        [special("/dev/null", tarfile.CHRTYPE)],
        [("link", "/etc/passwd")],
    ],
)
def test_a_hostile_stream_writes_nothing_outside_and_makes_no_device(tmp_path: Path, entries: list[Entry]) -> None:
    place = tmp_path / "a" / "stage"
    place.mkdir(parents=True)
    filled = [
        (entry[0].format(outside=tmp_path / "outside"), entry[1].format(place=tmp_path))
        if isinstance(entry, tuple) and isinstance(entry[1], str)
        else entry
        for entry in entries
    ]

    with contextlib.suppress(LabError, OSError):
        trees.receive(stream(*filled), place / "item")

    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"stage"}
    assert {path.name for path in place.iterdir()} <= {"item"}
    item = place / "item"
    assert "special" not in everything(place).values()
    for path in [item, *item.rglob("*")]:
        assert not path.is_symlink() or path.resolve().is_relative_to(item)
        assert not os.path.lexists(path) or not path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)


def test_what_is_left_out_is_told_and_the_rest_arrives(tmp_path: Path) -> None:
    sent = stream(
        ("top", None),
        special("top/null", tarfile.CHRTYPE),
        ("top/out", "../.."),
        ("top/odd/../x", b"x"),
        special("top/odd", b"Z", size=1000),
        ("top/in", "file"),
        ("top/file", b"good"),
    )

    left_out = trees.receive(sent, tmp_path / "item")

    assert left_out == ["top/null", "top/out", "top/odd/../x", "top/odd"]
    assert everything(tmp_path / "item") == {"file": "good", "in": "-> file"}


def test_all_of_the_stream_is_read_so_that_its_writer_ends_well(tmp_path: Path) -> None:
    sent = io.BytesIO(stream(("file", b"x")).getvalue() + bytes(100_000))

    trees.receive(sent, tmp_path / "item")

    assert sent.read() == b""


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (io.BytesIO(), "ended before"),
        (io.BytesIO(b"x" * 5000), "no tar stream"),
        (stream(("top", b"x" * 60_000), whole=False), "ended before"),
        (stream(special("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**20)), "a name of 1048576 bytes"),
    ],
)
def test_a_stream_that_is_not_whole_is_refused(tmp_path: Path, sent: io.BytesIO, said: str) -> None:
    with pytest.raises(LabError, match=said):
        trees.receive(sent, tmp_path / "item")


def test_a_file_takes_the_place_of_a_file_and_keeps_its_mode(tmp_path: Path) -> None:
    item, final = tmp_path / "item", tmp_path / "final"
    item.write_text("new")
    final.write_text("old")
    final.chmod(0o600)
    (tmp_path / "link").symlink_to("final")

    trees.put(item, tmp_path / "link")

    assert (final.read_text(), final.stat().st_mode & 0o777) == ("new", 0o600)
    assert (tmp_path / "link").is_symlink()


def test_a_directory_is_merged_and_nothing_is_written_through_links_below_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("theirs")
    item, final = tmp_path / "item", tmp_path / "final"
    (item / "sub").mkdir(parents=True)
    (item / "sub/new").write_text("new")
    (item / "file").write_text("new")
    (final / "sub").mkdir(parents=True)
    (final / "sub/old").write_text("old")
    (final / "file").symlink_to(outside / "victim")

    trees.put(item, final)

    assert everything(final) == {"file": "new", "sub/new": "new", "sub/old": "old"}
    assert (outside / "victim").read_text() == "theirs"
    (item / "away").mkdir(parents=True, exist_ok=True)
    (final / "away").symlink_to(outside)
    with pytest.raises(LabError, match="away is there already, and is no directory"):
        trees.put(item, final)
