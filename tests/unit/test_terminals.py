"""Which kind of terminal a shell is told of, where the descriptions of some are known, and of others are not."""

import os
import subprocess
from pathlib import Path

import pytest

from halab.instance.terminals import fitting


def told(place: Path, term: str) -> str:
    """Return the TERM that a shell gets, where `place` has descriptions besides those that this host has."""
    environment = {**os.environ, "TERMINFO": str(place), "TERM": term}
    shell = fitting(["sh", "-c", 'printf %s "$TERM"'])
    shown = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True, timeout=20)
    assert shown.stderr == ""
    return shown.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the description of one terminal that no distro has."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m/mine-256color").touch()
    return tmp_path


@pytest.mark.parametrize(
    "term", ["mine-256color", "xterm-256color", "xterm", "vt100", "dumb", "linux", "tmux-256color"]
)
def test_a_terminal_that_is_known_stays_what_it_is(place: Path, term: str) -> None:
    assert told(place, term) == term


@pytest.mark.parametrize(
    "term",
    [
        "no-such-terminal",
        "",
        ".",
        "..",
        "../../../etc/passwd",
        "m/mine-256color",
        "$(touch /tmp/made); *",
        "x y\nz",
        "'\"`\\",
        "ü",
        "x" * 5000,
    ],
)
def test_of_any_other_terminal_it_is_told_that_it_is_a_usual_one(place: Path, term: str) -> None:
    assert told(place, term) == "xterm-256color"


def test_the_shell_is_given_its_arguments_as_they_are_and_its_status_is_returned(place: Path) -> None:
    done = subprocess.run(
        fitting(["sh", "-c", 'echo "$@"; exit 7', "sh", "a b", "$HOME"]), capture_output=True, text=True
    )

    assert (done.stdout, done.returncode) == ("a b $HOME\n", 7)
