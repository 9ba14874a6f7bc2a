"""What somebody typed: the words of the command line, and values of its options."""

import itertools
import re
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from halab.kit.errors import LabError
from halab.kit.printable import printable

if TYPE_CHECKING:
    from invoke.parser.context import ParserContext

INSTANCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,40}")  # what can name an instance
SHOWN = 40  # characters of a wrong value that are told again
EVERYBODY = "*"  # the learner of commands of a class, where none is named
# What stands for an argument that may be left out: to Invoke, no positional one may
LEFT_OUT = {
    "forward": "vip",
    "class do": EVERYBODY,
    "class grade": EVERYBODY,
    "class finish": EVERYBODY,
    "class ship": EVERYBODY,
    "class down": EVERYBODY,
}
Options = Mapping[str, Collection[str]]  # of each command, those options that take a value


def words() -> list[str]:
    """Return the words after `inv`, without the option that ./inv adds."""
    return sys.argv[3:] if sys.argv[1:2] == ["--search-root"] else sys.argv[1:]


def command_line() -> str:
    """Return the command as a person types it, ready to be typed again."""
    return shlex.join(["inv", *words()])


def after_dashes() -> list[str]:
    """Return the words after the first `--`, each as it was typed."""
    return words()[words().index("--") + 1 :] if "--" in words() else []


def groups(commands: Iterable[str]) -> dict[str, list[str]]:
    """Return the first words of commands that have two, such as `class up`, each with what may follow it."""
    found: dict[str, list[str]] = {}
    for command in sorted(commands):
        first, _, second = command.partition(" ")
        if second:
            found.setdefault(first, []).append(second)
    return found


def options(contexts: Iterable["ParserContext"]) -> Options:
    """Return the options that take a value, of each command."""
    return {
        str(context.name): {flag for flag in _flags(context) if context.flags[flag].takes_value} for context in contexts
    }


def _flags(context: "ParserContext") -> Iterable[str]:
    return [*context.flags, *context.flags.aliases]  # those of one letter


def joined(words: Sequence[str], known: Options) -> list[str]:
    """Return the words of a line with each command of two words as one. Invoke has commands of one word only.

    What follows an option that takes a value is that value, and is left as it is.
    """
    seconds, valued = groups(known), {option for each in known.values() for option in each}
    found, left = [""], list(words)
    while left:
        word = left.pop(0)
        two = word in seconds and found[-1] not in valued and left[:1] and left[0] in seconds[word]
        found.append(f"{word} {left.pop(0)}" if two else word)
    return found[1:]


def completed(words: Sequence[str], known: Options) -> list[str]:
    """Return the words, with what stands for the argument of each command in LEFT_OUT where it is left out."""
    found: list[str] = []
    for place, word in enumerate(words):
        found.append(word)
        if word in LEFT_OUT:
            own = itertools.takewhile(lambda other: other not in known, words[place + 1 :])
            pairs = itertools.pairwise(["", *own])
            if not any(not now.startswith("-") and before not in known[word] for before, now in pairs):
                found.append(LEFT_OUT[word])
    return found


def shown(value: str) -> str:
    """Return a wrong value as people are told of it: in quotes, and no longer than a line."""
    short = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
    return f'"{printable(short)}"'.replace("\n", "\u2424")  # a picture of a newline


def whole(option: str, value: str, least: int, most: int) -> int:
    """Return a whole number that was typed. Raises LabError when it is none, or not from `least` to `most`."""
    if re.fullmatch("[0-9]{1,9}", value) and least <= int(value) <= most:
        return int(value)
    raise LabError(f"{option} must be a whole number from {least} to {most}, not {shown(value)}")
