"""Giving a command that acts on an instance its audience, and the instance's event log beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

from halab.cli.audience import audience_for
from halab.cli.selection import current
from halab.instance.event_log import EventLog
from halab.instance.instance import Instance
from halab.kit.audience import Audience, Event


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
    instance = Instance.open(current().instance_name)
    with acting(command, instance, audience_for(json)) as audience:
        yield instance, audience
