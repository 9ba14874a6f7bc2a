"""Commands on a file system that takes no more: the test's own, in the test's own mount namespace."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from halab.kit import full_disk
from halab.kit.errors import Exit, LabError
from halab.kit.files import publish, write_atomically
from halab.kit.paths import ROOT

SETUP = """
set -e
mount -t tmpfs -o size=1m tmpfs "$XDG_STATE_HOME"
cd "$XDG_STATE_HOME"
mkdir halab sheets
echo '{selection}' > halab/selection.json
{full}
find . > ../before
set +e
"""
SELECTION = '{"lab": "failover", "instance": "mine", "provider": "podman", "distro": "debian12"}'
FULL = "cat /dev/zero > filling 2> /dev/null || :"
READ_ONLY = 'mount -o remount,ro "$XDG_STATE_HOME"'


def on(file_system: str, place: Path, command: str) -> tuple[int, str]:
    """Return exit status and output of `inv` with this command line. `place`, its state directory, is full."""
    inv = [sys.executable, "-m", "invoke", "--search-root", str(ROOT)]
    script = (
        f'{SETUP.format(full=file_system, selection=SELECTION)}"$@" {command}\ncode=$?\nfind . > ../after\nexit $code\n'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *inv],
        env={**os.environ, "XDG_STATE_HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.mark.rights
@pytest.mark.parametrize(
    ("file_system", "command", "remedy"),
    [
        (FULL, "lab --name split-brain", "make room there, or remove an instance"),
        (FULL, "up", "remove what is not needed there"),
        (
            FULL,
            "export exam-repair --for-learner sheets --learners alice,bob",
            "make room there, or remove an instance",
        ),
        (FULL, "make-key key", "make room there, or remove an instance"),
        (FULL, "start exam-repair --instance alice", "make room there, or remove an instance"),
        (READ_ONLY, "lab --name split-brain", "mount it to be written to"),
        (READ_ONLY, "up", "mount it to be written to"),
    ],
)
def test_a_command_that_has_to_write_says_where_and_what_to_do_and_leaves_nothing(
    place: Path, file_system: str, command: str, remedy: str
) -> None:
    code, said = on(file_system, place, command)

    assert code == Exit.LAB_BROKEN, said
    (sentence,) = [line for line in said.splitlines() if line.startswith("halab: ")]
    assert str(place) in sentence
    assert remedy in sentence
    before, after = ((place.parent / name).read_text().splitlines() for name in ("before", "after"))
    assert [path for path in after if path not in before and not path.startswith("./halab/instances")] == []


@pytest.mark.rights
@pytest.mark.parametrize("command", ["lab --instance mine show", "lab --instance another down"])
def test_what_need_not_write_works_on_a_full_disk(place: Path, command: str) -> None:
    code, said = on(FULL, place, command)

    assert code == Exit.GOOD, said


@pytest.mark.parametrize(
    "said", ["cp: error writing 'a': No space left on device", "tar: a.tar: Wrote only 1 of 10240 bytes"]
)
def test_what_a_program_says_of_a_full_disk_is_told_as_such(said: str) -> None:
    error = LabError(f"a program failed with exit status 2: {said}")

    told = full_disk.advice(error)

    assert told
    assert "inv lab --instance NAME down" in told
    assert full_disk.advice(LabError("node1 is not reachable: it is off")) is None


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_atomically(tmp_path / "state.json", "old")
    monkeypatch.setattr("os.fsync", no_room)

    with pytest.raises(OSError, match=f"'{tmp_path}/state.json'"):
        write_atomically(tmp_path / "state.json", "new")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.json", "old")]


def test_what_is_handed_out_may_be_read_as_the_umask_says_and_state_by_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        publish(tmp_path / "sheet.md", "for all")
        write_atomically(tmp_path / "state.json", "for me")
    finally:
        os.umask(before)

    assert (tmp_path / "sheet.md").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variable", "value"),
    [("XDG_STATE_HOME", "/proc/halab"), ("XDG_STATE_HOME", "/etc/passwd"), ("HOME", "/proc/halab")],
)
def test_a_directory_that_cannot_be_the_users_own_is_told_with_what_to_do(variable: str, value: str) -> None:
    environment = {key: val for key, val in os.environ.items() if not key.startswith("XDG_")}
    inv = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "lab", "--name", "failover"]

    done = subprocess.run(
        inv, env={**environment, variable: value}, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == Exit.LAB_BROKEN
    (sentence,) = done.stderr.splitlines()
    assert f"halab: {value}" in sentence
    assert "set HOME, or XDG_STATE_HOME, to a directory of your own" in sentence


def test_what_may_not_be_written_elsewhere_is_told_as_it_is() -> None:
    assert full_disk.advice(PermissionError(errno.EACCES, "Permission denied", "/somewhere/else")) is None
