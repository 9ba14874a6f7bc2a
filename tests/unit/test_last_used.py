"""Which instance a command is about: HALAB_INSTANCE, and what is asked after another terminal has selected one."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from halab.cli import audience, commands, last_used
from halab.cli.selection import Selection
from halab.instance.instance import instances_dir
from halab.kit.errors import Exit
from halab.kit.paths import state_dir
from tests.fakes import World
from tests.inv import Inv

NOTE = "from halab.cli import last_used; print(last_used.instance()); last_used.note({!r}); print(last_used.instance())"
SELECT = ("lab", "--provider", "fake", "--distro", "debian12")


class Terminals:
    """Stands for the terminal that a command is typed on. Who is asked there answers `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.answer, self.asked = "", "", 0
        monkeypatch.setattr(last_used, "_terminal", lambda: self.now)
        monkeypatch.setattr(last_used, "_is_open", lambda name: True)
        monkeypatch.setattr(audience, "_is_terminal", lambda: True)
        monkeypatch.setattr("sys.stdin", self)

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self.asked += 1
        return self.answer


@pytest.fixture
def inv(world: World, inv: Inv, monkeypatch: pytest.MonkeyPatch) -> Inv:
    """`inv`, with the instances alice and bob up."""
    monkeypatch.setattr(commands.host, "ensure", lambda tools, say: None)
    for name in ("alice", "bob"):
        assert inv(*SELECT, "--name", "tiny", "--instance", name, "up") == Exit.GOOD
    return inv


@pytest.fixture
def terminals(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> Terminals:
    """Alice's terminal used alice last, and then bob's selected bob."""
    terminals = Terminals(monkeypatch)
    for terminals.now in ("alice's", "bob's"):
        assert inv("lab", "--instance", terminals.now.removesuffix("'s")) == Exit.GOOD
    terminals.now = "alice's"
    return terminals


def there() -> set[str]:
    return {path.name for path in instances_dir().iterdir()}


def test_an_instance_is_selected_by_option_then_by_environment_then_by_what_was_kept(
    inv: Inv, monkeypatch: pytest.MonkeyPatch
) -> None:
    inv("lab", "--instance", "bob")
    monkeypatch.setenv("HALAB_INSTANCE", "alice")

    by_environment = inv.json("status")["instance"]
    by_option = inv.json("lab", "--instance", "bob", "status")["instance"]
    after_that = inv.json("status")["instance"]
    monkeypatch.delenv("HALAB_INSTANCE")
    kept = inv.json("status")["instance"]

    assert (by_environment, by_option, after_that, kept) == ("alice", "bob", "alice", "bob")


@pytest.mark.parametrize("kept", ["bob", "carol"])
def test_what_one_terminal_selects_for_its_own_instance_is_no_other_ones(
    inv: Inv, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    inv("lab", "--instance", kept)
    before = Selection.remembered()
    monkeypatch.setenv("HALAB_INSTANCE", "carol")

    inv(*SELECT, "--name", "other", "--nodes", "3")

    assert Selection.remembered() == Selection(
        lab="other", instance="carol", provider="fake", distro="debian12", nodes=3
    )
    assert inv("up", "down") == Exit.GOOD
    monkeypatch.delenv("HALAB_INSTANCE")
    assert Selection.remembered() == before


def test_an_option_says_that_it_is_for_this_command_line_only_where_the_environment_names_another(
    inv: Inv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALAB_INSTANCE", "alice")

    inv("lab", "--instance", "bob")

    assert inv.err == "This is for this command line only: HALAB_INSTANCE is alice.\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alcie", "halab: HALAB_INSTANCE: instance alcie is not up; try: inv up\n"),
        ("../x", 'halab: HALAB_INSTANCE: "../x" is no name for an instance: up to 41 of a-z'),
    ],
)
@pytest.mark.parametrize("command", ["status", "reset", "checkpoints"])
def test_an_unknown_name_in_the_environment_is_one_sentence(
    inv: Inv, monkeypatch: pytest.MonkeyPatch, name: str, said: str, command: str
) -> None:
    monkeypatch.setenv("HALAB_INSTANCE", name)

    assert inv(command) == Exit.LAB_BROKEN

    assert inv.err.startswith(said)
    assert inv.err.count("\n") == 1


def test_an_empty_name_in_the_environment_is_none(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    inv("lab", "--instance", "bob")
    monkeypatch.setenv("HALAB_INSTANCE", "")

    assert inv.json("status")["instance"] == "bob"


@pytest.mark.parametrize(
    ("command", "said"),
    [("down", "Removing instance bob, of lab tiny."), ("reset", "Instance bob, of lab tiny, goes back to start.")],
)
def test_what_destroys_names_the_instance_before_it_acts(inv: Inv, command: str, said: str) -> None:
    inv("lab", "--instance", "bob")

    inv(command)

    assert inv.out.splitlines()[0] == said


@pytest.mark.parametrize("command", [["down"], ["lab", "down"], ["reset"], ["fault", "freeze"], ["save", "mine"]])
def test_it_asks_when_another_terminal_has_selected_another_instance(
    inv: Inv, terminals: Terminals, command: list[str]
) -> None:
    for terminals.answer in ("n\n", "", "\n"):
        code = inv(*command)

        assert code == Exit.NOTHING_CHECKED
        assert "Another terminal has selected bob; the last one that was used here is alice." in inv.out
        assert f"`inv {command[-1] if command[-1] == 'down' else command[0]}` acts on instance bob." in inv.out
    assert (terminals.asked, there()) == (3, {"alice", "bob"})


def test_who_says_yes_is_not_asked_again(inv: Inv, terminals: Terminals) -> None:
    terminals.answer = "y\n"

    codes = [inv("reset"), inv("down")]

    assert (codes, terminals.asked, there()) == ([Exit.GOOD, Exit.GOOD], 1, {"alice"})


@pytest.mark.parametrize(
    "before",
    [["status"], ["lab", "--instance", "bob"], ["checkpoints"]],
)
def test_nobody_is_asked_who_has_used_it_since(inv: Inv, terminals: Terminals, before: list[str]) -> None:
    inv(*before)

    assert inv("down") == Exit.GOOD
    assert (terminals.asked, there()) == (0, {"alice"})


def test_nobody_is_asked_who_names_it(inv: Inv, terminals: Terminals, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inv("lab", "--instance", "bob", "down") == Exit.GOOD
    terminals.now = "carol's"
    inv("lab", "--instance", "carol")
    terminals.now = "alice's"
    monkeypatch.setenv("HALAB_INSTANCE", "alice")

    assert inv("down") == Exit.GOOD
    assert (terminals.asked, there()) == (0, set())


def test_nobody_is_asked_on_a_terminal_that_used_none_or_where_there_is_none(
    inv: Inv, terminals: Terminals, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminals.now = "dave's"
    assert inv("reset") == Exit.GOOD
    terminals.now = "alice's"
    monkeypatch.setattr(last_used, "_terminal", lambda: None)

    assert inv("down") == Exit.GOOD
    assert terminals.asked == 0


def test_a_terminal_is_known_while_it_is_open_and_leaves_nothing(tmp_path: Path) -> None:
    places = state_dir() / "terminals"
    places.mkdir(parents=True)
    (places / f".{os.getpid()}-1.abc").touch()  # of one that was killed as it wrote

    for name in ("alice", "bob"):
        child = pexpect.spawn(sys.executable, ["-c", NOTE.format(name)], encoding="utf-8", timeout=60)
        assert child.read().split() == ["None", name]
        child.wait()

    assert len(list(places.iterdir())) == 1
