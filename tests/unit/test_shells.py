"""How ssh runs commands on machines."""

import shlex
from pathlib import Path

import pytest

from halab.kit.process import end_daemons, find_daemons, run
from halab.kit.wait import wait
from halab.providers.vagrant.shells import Shells, followed, quoted

STAND_IN = ("sh", "-c", "sleep 60; :")  # it ignores further arguments

# a kept connection outlives the one who opened it; only in a test is that one still there to be warned
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.mark.parametrize(
    "argv", [["echo", "two words"], ["sh", "-c", "a && b; echo 'x'"], ["grep", "$HOME", "a*b"], ["printf", "%s\n", "ü"]]
)
def test_a_command_reaches_the_machine_word_by_word(argv: list[str]) -> None:
    assert shlex.split(quoted(argv)) == ["exec", *argv]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_settings_reach_the_command_and_nothing_of_the_machine_is_run_to_give_them(shell: str) -> None:
    line = quoted(["printenv", "PS1", "PATH"], {"PS1": "a 'b", "PATH": "/usr/bin:/bin"})
    fakes = "env() { echo fake; }; printenv() { echo fake; }; "

    assert run([shell, "-c", fakes + line]).stdout == "a 'b\n/usr/bin:/bin\n"


def test_what_is_known_of_machines_is_a_configuration_that_ssh_reads(tmp_path: Path) -> None:
    shells = Shells(tmp_path)

    shells.know({"node1": {"HostName": "10.0.0.9", "Port": "22", "IdentityFile": "/key"}})

    text = (tmp_path / "ssh.config").read_text()
    assert text.startswith("Host node1\n    HostName 10.0.0.9\n    Port 22\n    IdentityFile /key\n")
    assert "    User root\n" in text
    assert str(tmp_path / "ssh.config") in shells.argv("node1", 1, "true")


def kept(mark: str) -> set[str]:
    """Return the marks of kept connections. A program that was just started cannot be seen for a moment."""
    return set(wait(lambda: find_daemons(mark), bool, within=5, successes=1, interval=0.01).values())


def test_a_kept_connection_belongs_to_one_start_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halab.providers.vagrant.shells.SSH", STAND_IN)
    shells = Shells(tmp_path)
    mark = f"{tmp_path}/ssh"

    shells.keep_open("node1", 1)
    first = kept(mark)
    shells.keep_open("node1", 1)
    again = kept(mark)
    shells.keep_open("node1", 2)
    later = kept(mark)
    shells.hang_up("node1")

    assert first == again == {f"{mark}/node1/1"}
    assert later == {f"{mark}/node1/2"}
    assert find_daemons(mark) == {}


def test_hanging_up_leaves_other_machines_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halab.providers.vagrant.shells.SSH", STAND_IN)
    shells = Shells(tmp_path)
    for machine in ("node1", "node10"):
        shells.keep_open(machine, 1)
        kept(f"{tmp_path}/ssh/{machine}")

    shells.hang_up("node1")

    assert set(find_daemons(f"{tmp_path}/ssh").values()) == {f"{tmp_path}/ssh/node10/1"}
    end_daemons(f"{tmp_path}/ssh")


def test_what_is_followed_on_a_machine_is_ended_with_its_command() -> None:
    program = followed(["sh", "-c", "echo $$; echo wrong >&2; exec sleep 61.0624"])
    pid = int(program.output.readline())

    program.end()

    assert program.output.read() == b""
    wait(lambda: Path("/proc", str(pid)).exists(), lambda there: not there, within=5, successes=1, interval=0.01)
    program.end()
    program.output.close()
