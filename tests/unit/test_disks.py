"""Saving and restoring directories that stand in for the upper directories of two nodes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers.podman import foreign
from halab.providers.podman.archives import END
from halab.providers.podman.disks import Disks, differences


@pytest.fixture
def node(tmp_path: Path) -> Path:
    directory = tmp_path / "upper"
    (directory / "etc" / "app").mkdir(parents=True)
    (directory / "etc" / "app" / "a.conf").write_text("first")
    (directory / "etc" / "hosts").write_text("127.0.0.1 localhost")
    return directory


@pytest.fixture
def disks(tmp_path: Path, node: Path) -> Disks:
    return Disks(tmp_path / "disks", lambda: {"node1": str(node)})


def test_a_checkpoint_that_cannot_be_saved_whole_leaves_the_room_that_it_took(
    tmp_path: Path, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks.save("first", {"node1"})

    def no_room(about: object) -> str:
        raise OSError("no room")

    with monkeypatch.context() as full:
        full.setattr("halab.providers.podman.disks.json.dumps", no_room)
        with pytest.raises(OSError, match="no room"):
            disks.save("second", {"node1"})

    assert sorted(path.name for path in (tmp_path / "disks").iterdir()) == ["base", "first"]
    disks.save("second", {"node1"})


def content(directory: Path) -> dict[str, str]:
    """Return every path, with its mode and content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        kind = f"-> {path.readlink()}" if path.is_symlink() else path.read_text() if path.is_file() else "directory"
        found[str(path.relative_to(directory))] = f"{path.lstat().st_mode:o} {kind}"
    return found


def change_content(node: Path) -> None:
    (node / "etc" / "hosts").write_text("0.0.0.0 localhost!!")  # the same size


def change_content_and_put_mtime_back(node: Path) -> None:
    file = node / "etc" / "hosts"
    before = file.stat()
    file.write_text("0.0.0.0 localhost!!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_and_remove(node: Path) -> None:
    (node / "new dir").mkdir()
    (node / "new dir" / "-file\nwith\tstrange name").write_text("x")
    (node / "etc" / "hosts").unlink()


def replace_directory_by_file(node: Path) -> None:
    (node / "etc" / "app" / "a.conf").unlink()
    (node / "etc" / "app").rmdir()
    (node / "etc" / "app").write_text("a file now")


def replace_file_by_link_to_outside(node: Path) -> None:
    (node / "etc" / "hosts").unlink()
    (node / "etc" / "hosts").symlink_to("/etc/passwd")


def replace_directory_by_link(node: Path) -> None:
    (node / "etc" / "app").rename(node / "moved")
    (node / "etc" / "app").symlink_to("../moved")


def rename_directory(node: Path) -> None:
    (node / "etc").rename(node / "usr")


def change_mode(node: Path) -> None:
    (node / "etc" / "app").chmod(0o700)
    (node / "etc" / "hosts").chmod(0o600)


def remove_everything(node: Path) -> None:
    rename_directory(node)
    for path in sorted(node.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


CHANGES = [
    change_content,
    change_content_and_put_mtime_back,
    add_and_remove,
    replace_directory_by_file,
    replace_file_by_link_to_outside,
    replace_directory_by_link,
    rename_directory,
    change_mode,
    remove_everything,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_restore_undoes(disks: Disks, node: Path, change: Callable[[Path], None]) -> None:
    disks.save("one", {"node1"})
    before = content(node)
    change(node)
    assert change is change_mode or content(node) != before

    disks.restore("one")

    assert content(node) == before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_restore_goes_back_and_forth_between_checkpoints(
    disks: Disks, node: Path, change: Callable[[Path], None]
) -> None:
    disks.save("one", set())
    one = content(node)
    change(node)
    disks.save("two", set())
    two = content(node)

    disks.restore("one")
    assert content(node) == one
    disks.restore("two")
    assert content(node) == two
    disks.restore("one")
    assert content(node) == one


def test_a_file_that_was_not_touched_is_archived_once(disks: Disks, node: Path, tmp_path: Path) -> None:
    (node / "large").write_bytes(os.urandom(1_000_000))
    disks.save("one", set())
    change_content(node)

    disks.save("two", set())

    assert (tmp_path / "disks" / "one" / "node1.tar").stat().st_size > 1_000_000
    assert (tmp_path / "disks" / "two" / "node1.tar").stat().st_size < 100_000


def test_a_file_that_was_not_touched_is_not_written_by_restore(disks: Disks, node: Path) -> None:
    disks.save("one", set())
    inode = (node / "etc" / "app" / "a.conf").stat().st_ino
    change_content(node)

    disks.restore("one")

    assert (node / "etc" / "app" / "a.conf").stat().st_ino == inode


def test_hard_links_are_restored_without_each_other(disks: Disks, node: Path) -> None:
    (node / "first").hardlink_to(node / "etc" / "hosts")
    disks.save("one", set())
    before = content(node)
    (node / "etc" / "hosts").unlink()
    (node / "first").unlink()

    disks.restore("one")

    assert content(node) == before


@pytest.mark.parametrize("strange", [b"caf\xe9", b"a\rb", b"a\r\nb"])
def test_names_that_are_no_text_survive(disks: Disks, node: Path, strange: bytes) -> None:
    name = os.fsencode(str(node)) + b"/" + strange
    Path(os.fsdecode(name)).write_text("latin")
    disks.save("one", set())
    Path(os.fsdecode(name)).unlink()

    disks.restore("one")

    assert Path(os.fsdecode(name)).read_text() == "latin"


def test_forgetting_keeps_the_archives_that_a_checkpoint_still_needs(disks: Disks, node: Path) -> None:
    disks.save("one", set())
    change_content(node)
    disks.save("two", set())
    two = content(node)
    add_and_remove(node)
    disks.save("three", set())

    disks.keep_only({"two"})
    remove_everything(node)
    disks.restore("two")

    assert content(node) == two


def test_forgetting_removes_what_nothing_needs(disks: Disks, node: Path, tmp_path: Path) -> None:
    disks.save("one", set())
    for path in node.rglob("*"):
        path.touch()
    node.touch()
    disks.save("two", set())

    disks.keep_only({"two"})

    assert sorted(path.name for path in (tmp_path / "disks").glob("*/")) == ["two"]


def test_a_save_that_was_killed_is_swept_away(disks: Disks, tmp_path: Path) -> None:
    disks.save("one", set())
    unfinished = tmp_path / "disks" / ".two"
    unfinished.mkdir()

    disks.keep_only({"one"})

    assert not unfinished.exists()


def test_restore_tells_who_had_power(disks: Disks) -> None:
    disks.save("one", {"node1"})

    assert disks.restore("one") == ["node1"]


def test_a_saved_state_that_is_gone_is_told(disks: Disks) -> None:
    with pytest.raises(LabError, match="gone"):
        disks.restore("never")


def test_what_is_below_a_removed_directory_is_put_back_even_if_it_looks_the_same() -> None:
    there = {"": "d 1 - 1", "a": "d 9 - 9", "a/b": "f 3 1 3"}
    wanted = {"": "d 1 - 1", "a": "d 2 - 2", "a/b": "f 3 1 3"}

    remove, extract = differences(there, wanted)

    assert remove == ["a"]
    assert extract == ["a", "a/b"]


def test_an_exported_checkpoint_is_adopted_by_disks_of_another_instance(
    disks: Disks, node: Path, tmp_path: Path
) -> None:
    disks.save("one", {"node1"})
    one = content(node)
    other = tmp_path / "other"
    (other / "etc").mkdir(parents=True)
    (other / "etc" / "of its own").write_text("x")
    elsewhere = Disks(tmp_path / "elsewhere", lambda: {"node1": str(other)})

    disks.export("one", tmp_path / "exported")
    elsewhere.adopt("one", tmp_path / "exported")
    powered = elsewhere.restore("one")

    assert powered == ["node1"]
    assert content(other) == one
    change_content(other)
    elsewhere.save("two", set())
    elsewhere.restore("one")
    assert content(other) == one


@pytest.fixture
def elsewhere(tmp_path: Path) -> Disks:
    other = tmp_path / "other"
    (other / "etc").mkdir(parents=True)
    (other / "etc" / "of its own").write_text("x")
    return Disks(tmp_path / "elsewhere", lambda: {"node1": str(other)})


def strange_files(node: Path) -> None:
    """Give a node what archives have in ways of their own."""
    Path(os.fsdecode(os.fsencode(str(node)) + b"/caf\xe9")).write_text("latin")
    (node / ("long" * 60)).write_text("a name of more than 100 bytes")
    with (node / "sparse").open("wb") as sparse:
        sparse.seek(5_000_000)
        sparse.write(b"end")
    (node / "link").symlink_to("/etc/passwd")
    os.mkfifo(node / "fifo")
    os.setxattr(node / "etc", "user.note", b"kept")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_checkpoint_is_exported_with_what_it_needs_of_others_archives(
    disks: Disks, node: Path, tmp_path: Path, elsewhere: Disks, change: Callable[[Path], None]
) -> None:
    strange_files(node)
    disks.save("one", set())
    change(node)
    disks.save("two", {"node1"})
    two = content_but_for_pipes(node)

    disks.export("two", tmp_path / "exported")
    foreign.vet("two", tmp_path / "exported", ["node1"], {})
    elsewhere.adopt("two", tmp_path / "exported")

    assert elsewhere.restore("two") == ["node1"]
    assert content_but_for_pipes(tmp_path / "other") == two


def content_but_for_pipes(directory: Path) -> dict[str, str]:
    (directory / "fifo").unlink(missing_ok=True)  # which nobody could read from
    return content(directory)


def test_what_checkpoints_that_are_exported_together_share_is_archived_once(
    disks: Disks, node: Path, tmp_path: Path, elsewhere: Disks
) -> None:
    (node / "large").write_text("x" * 1_000_000)
    disks.save("one", set())
    one = content(node)
    add_and_remove(node)
    disks.save("two", set())
    change_content_of_app(node)
    disks.save("three", {"node1"})
    three = content(node)
    first, last = tmp_path / "first", tmp_path / "last"

    disks.export("one", first)
    disks.export("three", last, ["one"])

    foreign.vet("one", first, ["node1"], {})
    foreign.vet("three", last, ["node1"], {"one": first})
    assert (last / "node1.tar").stat().st_size < 100_000
    elsewhere.adopt("one", first)
    elsewhere.adopt("three", last)
    elsewhere.restore("three")
    assert content(tmp_path / "other") == three
    elsewhere.restore("one")
    assert content(tmp_path / "other") == one


def change_content_of_app(node: Path) -> None:
    (node / "etc" / "app" / "a.conf").write_text("second")


def test_an_archive_that_lacks_a_file_is_not_exported(disks: Disks, node: Path, tmp_path: Path) -> None:
    disks.save("one", set())
    archive = tmp_path / "disks" / "one" / "node1.tar"
    archive.write_bytes(END)

    with pytest.raises(LabError, match=r"node1.tar lacks 5 files"):
        disks.export("one", tmp_path / "exported")


def test_a_listing_that_another_machine_would_not_read_is_not_exported(
    disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks.save("one", set())
    monkeypatch.setattr("halab.providers.podman.disks.LARGEST", 100)

    with pytest.raises(LabError, match="node1 has 5 files, too many for another machine to take"):
        disks.export("one", tmp_path / "exported")
