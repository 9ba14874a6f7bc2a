"""A terminal on a node, used as a person would: type a command, answer its prompts, read what it printed.

The shell's own prompt is replaced by a marker of control characters that contains the exit status. printf makes it from
an octal escape, so neither a typed command nor its output contains it by accident.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pexpect

from halab.kit.errors import LabError
from halab.kit.pace import Pace

COLUMNS, LINES = 200, 50
SHELL = ("bash", "--noprofile", "--norc", "--noediting", "-i")
ENVIRONMENT = {
    "TERM": "dumb",
    "LANG": "C.UTF-8",
    "COLUMNS": str(COLUMNS),
    "PAGER": "cat",
    "SYSTEMD_PAGER": "cat",
    "HISTFILE": "/root/.bash_history",
    "PS1": "",
    "PS2": "",
    "PROMPT_COMMAND": r"printf '\036%d\037' $?",
}
END = re.compile("\x1e(\\d+)\x1f")
BEGIN = 20.0  # seconds until a shell takes its first command
# Threads open consoles; from Python 3.12 on, filelock lets forkpty(3) fail while another thread forks
FORKING = threading.Lock()
CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Typed:
    """A command that was typed: what it printed, without control characters, and its exit status."""

    command: str
    output: str
    rc: int


class Screen:
    """Turns what a terminal is sent into what a person sees: whole lines, without control characters or markers.

    A line that is drawn again and again after a carriage return (a progress bar) is shown as it was in the end.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._line = ""

    def write(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._show(_visible(line) + "\n")

    def flush(self) -> None:
        """Do nothing. pexpect calls this after each write; an unfinished line stays back."""

    def end(self) -> None:
        """Show what is left of an unfinished line, for example a prompt."""
        if left := _visible(self._line):
            self._show(left)
        self._line = ""


class Console:
    """A terminal on which commands are typed. `show` is given what appears, line by line, as it appears."""

    def __init__(self, argv: Sequence[str], name: str, show: Callable[[str], None], pace: Pace) -> None:
        self._name = name
        self._pace = pace
        self._show = show
        self._screen = Screen(show)
        with FORKING:
            self._child: Any = pexpect.spawn(
                argv[0], list(argv[1:]), encoding="utf-8", codec_errors="replace", echo=False
            )
        self._child.delaybeforesend = None
        self._child.setwinsize(LINES, COLUMNS)
        self._read_to_end({}, within=BEGIN * pace.factor)
        self._child.sendline("stty -echo")
        self._read_to_end({}, within=BEGIN * pace.factor)
        self._child.logfile_read = self._screen

    def type(self, command: str, answers: Mapping[str, str], within: float) -> Typed:
        """Type a command and return what it printed and its exit status. Wait for its end at most `within` seconds.

        `answers` maps a regular expression, which a prompt matches, to the line that is typed at it and not shown.
        Raises LabError when the command does not end, or when the terminal does.
        """
        self._show(f"[root@{self._name} ~]# " + command.replace("\n", "\n> ") + "\n")
        # To bash, several lines in braces are one command, so there is one prompt, and one marker, at its end.
        self._child.sendline(f"{{ {command}\n}}" if "\n" in command else command)
        output, rc = self._read_to_end(answers, within * self._pace.factor)
        return Typed(command, output, rc)

    def close(self) -> None:
        self._child.close(force=True)

    def _read_to_end(self, answers: Mapping[str, str], within: float) -> tuple[str, int]:
        patterns: list[Any] = [END, pexpect.TIMEOUT, pexpect.EOF, *map(re.compile, answers)]
        replies = list(answers.values())
        printed = ""
        deadline = time.monotonic() + within
        while True:
            index = self._child.expect(patterns, timeout=max(0, deadline - time.monotonic()))
            self._screen.end()
            printed += self._child.before + (self._child.after if index > 2 else "")
            output = "\n".join(map(_visible, printed.split("\n")))
            if index == 0:
                return output, int(self._child.match.group(1))
            if index == 1:
                self._child.sendintr()
                last = (output.strip().splitlines() or ["nothing"])[-1]
                raise LabError(f"{self._name}: expected the command to end within {within:g} s; last line was {last!r}")
            if index == 2:
                raise LabError(f"{self._name}: the terminal was closed; is the node still on? try: inv status")
            self._child.sendline(replies[index - 3])


def _visible(line: str) -> str:
    """Return a line of the terminal as its last carriage return left it, without markers and control sequences."""
    return CONTROL.sub("", END.sub("", line).rstrip("\r").rpartition("\r")[2])
