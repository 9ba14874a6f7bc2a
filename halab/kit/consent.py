"""Saying what is about to be lost, and asking whether to go on where somebody is there to answer."""

import sys
from collections.abc import Callable

from halab.kit.errors import NothingChecked


def go_on(say: Callable[[str], None], lost: str) -> None:
    """Say what will be lost; on a terminal, ask. Raises NothingChecked when the answer is not yes.

    Where there is no terminal, as in scripts, it is said, and goes on.
    """
    say(lost)
    if not _is_terminal():
        return
    print("Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NothingChecked("nothing was done, as you do not want to go on")


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
