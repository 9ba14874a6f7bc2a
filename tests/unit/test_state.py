"""The state of an instance between two commands, its lock, and files that are never half written."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from halab.instance.state import OWNER, State, locked, read_state, write_state
from halab.instance.state import holder as held_by
from halab.kit.errors import Exit, LabError, Locked
from halab.kit.files import write_atomically
from halab.kit.paths import ROOT
from halab.kit.toml import read
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML

HOLDER = """
import sys, time
from pathlib import Path
from halab.instance.state import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
TORN = """
import os, signal, sys
from pathlib import Path
from halab.kit import files
Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomically(Path(sys.argv[1]), "new" * 10000)
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    file = tmp_path / "lab.toml"
    file.write_text(LAB_TOML)
    return State(lab="tiny", provider="fake", distro="debian12", spec=read(file, LabSpec))


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process, `inv`, that holds the lock of tmp_path/alice."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "alice"), "walk"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_second_holder_is_refused_with_the_owner(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(Locked) as caught, locked(tmp_path / "alice"):
        pass

    assert "instance alice is being changed by `inv" in str(caught.value)
    assert f"walk` (pid {holder.pid}, user " in str(caught.value)
    assert caught.value.exit_code == Exit.LOCKED


def test_a_killed_process_leaves_no_lock(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    with locked(tmp_path / "alice"):
        owner = (tmp_path / "alice" / "lock-owner").read_text()

    assert f"(pid {os.getpid()}, user " in owner


def test_who_holds_the_lock_is_told_as_it_was_typed_while_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["invoke", "--search-root", "/srv/halab", "up"])
    with locked(tmp_path / "alice"):
        assert (tmp_path / "alice" / OWNER).read_text().startswith("`inv up` (pid ")
    assert held_by(tmp_path / "alice") is None


def test_another_process_is_told_as_the_holder_until_it_ends(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    during = held_by(tmp_path / "alice")
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert during
    assert f"walk` (pid {holder.pid}, user " in during
    assert held_by(tmp_path / "alice") is None


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "alice"):
        raise ZeroDivisionError

    with locked(tmp_path / "alice"):
        pass


def test_two_instances_are_locked_apart(tmp_path: Path) -> None:
    with locked(tmp_path / "alice"), locked(tmp_path / "bob"):
        assert (tmp_path / "bob" / "lock-owner").exists()


def test_a_state_is_read_as_it_was_written(tmp_path: Path, state: State) -> None:
    walked = state.with_step("one", "passed").with_step("two", "failed").with_hints("two", 1)

    write_state(tmp_path, walked)

    assert read_state(tmp_path) == walked


def test_no_state_means_no_instance(tmp_path: Path) -> None:
    assert read_state(tmp_path / "nobody") is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"lab": 1}', b"\xff\xfe\x00binary"])
def test_an_unreadable_state_says_where_it_is_and_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)

    with pytest.raises(LabError, match=rf"{tmp_path}/state\.json is not readable .*; try: inv down"):
        read_state(tmp_path)


def test_a_step_that_is_done_again_keeps_the_hints_that_were_shown(state: State) -> None:
    again = state.with_step("one", "failed").with_hints("one", 2).with_step("one", "performing")

    assert (again.outcome("one"), again.steps["one"].hints_shown) == ("performing", 2)
    assert again.outcome("two") is None


def test_a_kill_before_the_rename_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "old")

    done = subprocess.run([sys.executable, "-c", TORN, str(file)], cwd=ROOT, check=False)

    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == "old"


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "file"
    write_atomically(file, "old")

    write_atomically(file, "new: Käse")

    assert file.read_text(encoding="utf-8") == "new: Käse"
    assert list(file.parent.iterdir()) == [file]
