"""The console, on a real bash of this machine."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from halab.instance.console import ENVIRONMENT, SHELL, Console, Screen
from halab.kit.errors import LabError
from halab.kit.pace import Pace

Open = Callable[[], Console]
AT_ONCE = """\
import os, time
os.register_at_fork(before=lambda: time.sleep(0.2))  # so that each forks while the other one does
import filelock
from halab.instance.console import ENVIRONMENT, SHELL, Console
from halab.kit.pace import Pace
from halab.kit.parallel import for_each
os.environ.update(ENVIRONMENT)
for_each(["node1", "node2"], lambda name: Console(SHELL, name, lambda text: None, Pace()).close())
"""


class Terminal:
    """A console that tests share, and what each one of them was shown."""

    def __init__(self, home: Path, factor: float = 1) -> None:
        settings = {**ENVIRONMENT, "PATH": "/usr/bin:/bin", "HOME": str(home), "HISTFILE": str(home / "history")}
        argv = ["env", "-i", *(f"{key}={value}" for key, value in settings.items()), *SHELL]
        self.pieces: list[str] = []
        self.console = Console(argv, "node1", self.pieces.append, Pace(factor))

    @property
    def shown(self) -> str:
        return "".join(self.pieces)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    yield terminal
    terminal.console.close()


@pytest.fixture
def terminal(shared: Terminal) -> Terminal:
    shared.pieces.clear()
    return shared


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Terminal]:
    """A console for a test that spoils it."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.console.close()


@pytest.mark.skipif(not shutil.which("script"), reason="script, a terminal in a terminal, is not installed here")
def test_a_terminal_behind_the_terminal_does_not_echo_either(tmp_path: Path) -> None:
    settings = {**ENVIRONMENT, "PATH": "/usr/bin:/bin", "HISTFILE": str(tmp_path / "history")}
    inner = ["script", "--quiet", "--flush", "--command", " ".join(SHELL), "/dev/null"]
    argv = ["env", "-i", *(f"{key}={value}" for key, value in settings.items()), *inner]
    console = Console(argv, "node1", lambda text: None, Pace())

    typed = console.type("echo hello", {}, within=30)
    console.close()

    assert typed.output == "hello\n"


@pytest.mark.parametrize(("command", "rc"), [("true", 0), ("false", 1), ("(exit 77)", 77), ("no-such-command", 127)])
def test_the_exit_status_is_read(terminal: Terminal, command: str, rc: int) -> None:
    typed = terminal.console.type(command, {}, within=30)

    assert typed.rc == rc


def test_output_comes_without_echo_prompt_or_marker(terminal: Terminal) -> None:
    typed = terminal.console.type("echo hello; echo world >&2", {}, within=30)

    assert typed.output == "hello\nworld\n"


def test_a_learner_sees_prompt_command_and_output(terminal: Terminal) -> None:
    terminal.console.type("echo hello", {}, within=30)

    assert terminal.shown == "[root@node1 ~]# echo hello\nhello\n"


def test_the_shell_keeps_its_variables_and_directory_between_commands(terminal: Terminal) -> None:
    terminal.console.type("cd /usr && greeting=hi", {}, within=30)

    typed = terminal.console.type('echo "$greeting from $PWD"', {}, within=30)

    assert typed.output == "hi from /usr\n"


def test_a_hidden_prompt_is_answered_and_the_answer_is_not_shown(terminal: Terminal) -> None:
    command = 'read -s -p "Password: " word; echo; echo "${#word} letters"'

    typed = terminal.console.type(command, {"Password: ": "geheim"}, within=30)

    assert typed.output == "Password: \n6 letters\n"
    assert "geheim" not in terminal.shown
    assert "Password: " in terminal.shown


def test_two_prompts_are_answered_each_with_its_own_line(terminal: Terminal) -> None:
    command = 'read -p "Name: " name; read -sp "Retype name: " again; echo; echo "$name/$again"'

    typed = terminal.console.type(command, {"Retype name: ": "two", "^Name: ": "one"}, within=30)

    assert typed.output.splitlines()[-1] == "one/two"


def test_the_text_of_the_marker_is_no_end_of_a_command(terminal: Terminal) -> None:
    command = r"echo '\0360\037' '^^0^_' $PROMPT_COMMAND; (exit 3)"

    typed = terminal.console.type(command, {}, within=30)

    assert r"\0360\037" in typed.output
    assert typed.rc == 3


def test_a_megabyte_of_output_is_read_whole(terminal: Terminal) -> None:
    typed = terminal.console.type("head -c 1000000 /dev/zero | tr '\\0' x | fold -w 100", {}, within=20)

    assert typed.output.replace("\n", "") == "x" * 1_000_000


def test_a_here_document_is_typed_as_one_command(terminal: Terminal) -> None:
    typed = terminal.console.type("cat <<EOF\none\n\ttwo\nEOF", {}, within=30)

    assert typed.output == "one\n\ttwo\n"
    assert terminal.shown.startswith("[root@node1 ~]# cat <<EOF\n> one\n> \ttwo\n> EOF\n")


def test_a_here_document_longer_than_the_terminals_buffer_arrives_whole(terminal: Terminal) -> None:
    lines = "\n".join(f"{number:060}" for number in range(200))

    typed = terminal.console.type(f"cat <<EOF\n{lines}\nEOF", {}, within=30)

    assert typed.output == f"{lines}\n"


def test_several_lines_are_one_command_with_one_end(terminal: Terminal) -> None:
    several = terminal.console.type("echo one\necho two\n(exit 4)", {}, within=30)
    following = terminal.console.type("echo three", {}, within=30)

    assert (several.output, several.rc) == ("one\ntwo\n", 4)
    assert following.output == "three\n"


def test_utf_8_goes_both_ways(terminal: Terminal) -> None:
    typed = terminal.console.type("echo 'Käse → 日本'", {}, within=30)

    assert typed.output == "Käse → 日本\n"


def test_bytes_that_are_no_utf_8_do_not_end_the_console(terminal: Terminal) -> None:
    typed = terminal.console.type(r"printf 'a\377b\n'", {}, within=30)

    assert typed.output == "a\ufffdb\n"


def test_output_without_a_newline_at_its_end_is_kept_apart_from_the_marker(terminal: Terminal) -> None:
    typed = terminal.console.type("printf unfinished", {}, within=30)

    assert typed.output == "unfinished"
    assert terminal.shown.endswith("unfinished")


def test_a_progress_bar_is_seen_as_it_was_in_the_end(terminal: Terminal) -> None:
    typed = terminal.console.type(r"printf ' 10%%\r 50%%\r100%%\ndone\n'", {}, within=30)

    assert typed.output == "100%\ndone\n"
    assert terminal.shown.endswith("100%\ndone\n")


def test_colours_are_left_out(terminal: Terminal) -> None:
    typed = terminal.console.type(r"printf '\033[1;31mred\033[0m\n'", {}, within=30)

    assert typed.output == "red\n"


def test_a_command_that_does_not_end_is_an_error_with_the_last_line(fresh: Terminal) -> None:
    with pytest.raises(LabError, match=r"node1: expected the command to end within 0\.5 s; last line was 'waiting'"):
        fresh.console.type("echo begun; echo waiting; sleep 60", {}, within=0.5)


def test_a_prompt_that_comes_again_for_ever_does_not_stretch_the_deadline(fresh: Terminal) -> None:
    started = time.monotonic()

    with pytest.raises(LabError, match=r"expected the command to end within 0\.3 s"):
        fresh.console.type('while read -p "Password: " word; do sleep 0.05; done', {"Password: ": "wrong"}, within=0.3)

    assert time.monotonic() - started < 3


def test_a_closed_terminal_is_an_error_that_says_what_to_do(fresh: Terminal) -> None:
    with pytest.raises(LabError, match=r"node1: the terminal was closed; .*inv status"):
        fresh.console.type("exit", {}, within=30)


def test_a_command_on_a_slow_node_is_given_more_time(tmp_path: Path) -> None:
    slow = Terminal(tmp_path, factor=100)

    typed = slow.console.type("sleep 0.1; echo slow", {}, within=0.05)
    slow.console.close()

    assert typed.output == "slow\n"


def screened(*pieces: str) -> list[str]:
    shown: list[str] = []
    screen = Screen(shown.append)
    for piece in pieces:
        screen.write(piece)
    screen.end()
    return shown


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        (("one\r\ntwo\r\n",), ["one\n", "two\n"]),
        (("on", "e\r", "\ntw", "o\n"), ["one\n", "two\n"]),
        (("10%\r", "99%\r", "100%\r\n"), ["100%\n"]),
        (("Password: ",), ["Password: "]),
        (("out\r\n\x1e0", "\x1f"), ["out\n"]),
        (("no newline\x1e12\x1f",), ["no newline"]),
        (("\x1b[?25l\x1b[32mok\x1b[0m\x07\r\n",), ["ok\n"]),
        (("a\tb\n",), ["a\tb\n"]),
    ],
)
def test_the_screen_shows_what_a_person_sees(pieces: tuple[str, ...], seen: list[str]) -> None:
    shown = screened(*pieces)

    assert shown == seen


def test_terminals_can_be_opened_at_the_same_moment() -> None:
    """It can fail only on Python 3.12 and later, where filelock watches forks."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False, timeout=30)

    assert (done.returncode, done.stderr) == (0, "")
