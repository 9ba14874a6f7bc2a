"""What somebody typed: the words of the command line, and values of its options."""

import re
import shlex
import sys

from halab.kit.errors import LabError
from halab.kit.printable import printable

SHOWN = 40  # characters of a wrong value that are told again


def words() -> list[str]:
    """Return the words after `inv`, without the option that ./inv adds."""
    return sys.argv[3:] if sys.argv[1:2] == ["--search-root"] else sys.argv[1:]


def command_line() -> str:
    """Return the command as a person types it, ready to be typed again."""
    return shlex.join(["inv", *words()])


def after_dashes() -> list[str]:
    """Return the words after the first `--`, each as it was typed."""
    return words()[words().index("--") + 1 :] if "--" in words() else []


def shown(value: str) -> str:
    """Return a wrong value as people are told of it: in quotes, and no longer than a line."""
    short = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
    return f'"{printable(short)}"'.replace("\n", "\u2424")  # a picture of a newline


def whole(option: str, value: str, least: int, most: int) -> int:
    """Return a whole number that was typed. Raises LabError when it is none, or not from `least` to `most`."""
    if re.fullmatch("[0-9]{1,9}", value) and least <= int(value) <= most:
        return int(value)
    raise LabError(f"{option} must be a whole number from {least} to {most}, not {shown(value)}")
