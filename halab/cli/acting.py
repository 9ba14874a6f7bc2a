"""Giving a command that acts on an instance its audience, and the instance's event log beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

from halab.cli import last_used
from halab.cli.audience import audience_for
from halab.cli.selection import is_chosen, open_selected
from halab.instance.event_log import EventLog
from halab.instance.instance import Instance
from halab.kit.audience import Audience, Event, must_go_on

CHANGES = ("down", "reset", "grade", "finish", "walk", "next", "step", "solve", "save", "fault", "measure", "bmc")


class _Beside:
    """An audience, and an event log that is told the same."""

    def __init__(self, own: Audience, log: EventLog) -> None:
        self._own = own
        self._log = log

    def tell(self, event: Event) -> None:
        self._log.tell(event)
        self._own.tell(event)

    def go_on(self, lost: str) -> bool:
        self._log.go_on(lost)
        return self._own.go_on(lost)


@contextmanager
def acting(command: str, instance: Instance, own: Audience) -> Iterator[Audience]:
    with EventLog(instance.directory, command) as log:
        yield _Beside(own, log)


@contextmanager
def acting_on_selected(command: str, json: bool = False) -> Iterator[tuple[Instance, Audience]]:
    """Give a command the selected instance, too. Raises LabError when that is not up."""
    instance = open_selected()
    with acting(command, instance, audience_for(json)) as audience:
        ask_first(command, instance, audience)
        yield instance, audience


def ask_first(command: str, instance: Instance, audience: Audience) -> None:
    """Ask whether an instance is meant that another terminal has selected since this one last used another."""
    before = last_used.instance()
    if command in CHANGES and before not in (None, instance.name) and not is_chosen():
        changed = f"Another terminal has selected {instance.name}; the last one that was used here is {before}."
        must_go_on(audience, f"{changed} `inv {command}` acts on instance {instance.name}.")
    last_used.note(instance.name)
