"""The followers of the instances that somebody looks at: one for each, however many look, and none for the others."""

from collections.abc import Callable
from functools import partial
from typing import Any

from halab.web.following.follower import Follower, Tell


class Followers:
    """Needs the running loop."""

    def __init__(self) -> None:
        self._running: dict[str, Follower] = {}
        self._looking: dict[str, list[Tell]] = {}

    def look(self, name: str, tell: Tell) -> Callable[[], None]:
        """Have somebody told the map of an instance, now and whenever it changes. Return what ends that."""
        self._looking.setdefault(name, []).append(tell)
        if name not in self._running:
            self._running[name] = Follower(name, partial(self._tell, name))
            self._running[name].start()
        elif latest := self._running[name].latest:
            tell(latest)
        return partial(self._leave, name, tell)

    def _tell(self, name: str, told: dict[str, Any]) -> None:
        for tell in list(self._looking[name]):
            tell(told)

    def _leave(self, name: str, tell: Tell) -> None:
        looking = self._looking.get(name, [])
        if tell in looking:
            looking.remove(tell)
        if not looking and name in self._running:
            self._running.pop(name).stop()
            del self._looking[name]
