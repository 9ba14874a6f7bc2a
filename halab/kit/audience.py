"""Whom a command tells what happens, as data, and whom it asks before something is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from halab.kit.errors import NothingChecked


@dataclass(frozen=True)
class Event:
    """One thing that happened. A room defines its own kinds beside the data that they carry."""

    kind: ClassVar[str]

    def data(self) -> dict[str, Any]:
        """Return what a program is told of it: text, numbers, paths, and lists and dictionaries of these."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Said(Event):
    """A sentence for whoever typed the command."""

    kind = "said"
    text: str


@dataclass(frozen=True)
class Begins(Event):
    """Something that takes a while begins. An Ends with the same words follows."""

    kind = "begins"
    doing: str


@dataclass(frozen=True)
class Ends(Event):
    """Something that took a while has ended, well or not."""

    kind = "ends"
    doing: str


@dataclass(frozen=True)
class Reported(Event):
    """A report, one file or a directory of files, was written."""

    kind = "reported"
    place: Path


class Audience(Protocol):
    """Who watches a command."""

    def tell(self, event: Event) -> None:
        """Take note of an event. Threads may call this."""

    def go_on(self, lost: str) -> bool:
        """Say what would be lost, and ask whether to go on, where somebody is there to answer; else go on."""


class Nobody:
    """An audience that takes no note, and goes on."""

    def tell(self, event: Event) -> None:
        pass

    def go_on(self, lost: str) -> bool:
        return True


NOBODY = Nobody()


def saying(audience: Audience) -> Callable[[str], None]:
    """Return a function that tells an audience sentences."""
    return lambda text: audience.tell(Said(text))


@contextmanager
def progress(audience: Audience, doing: str) -> Iterator[None]:
    """Tell an audience when the block begins and ends."""
    audience.tell(Begins(doing))
    try:
        yield
    finally:
        audience.tell(Ends(doing))


def must_go_on(audience: Audience, lost: str) -> None:
    """Ask an audience before something is lost. Raises NothingChecked when the answer is not yes."""
    if not audience.go_on(lost):
        raise NothingChecked("nothing was done, as you do not want to go on")
