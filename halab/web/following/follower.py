"""Following one instance for as long as somebody looks at it: what is told of it is the page's map."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from halab.instance.instance import Instance, instances_dir
from halab.instance.state import State, read_state
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.web.following.map import Seen, made
from halab.web.following.watch import Watch

LOOK = 0.25  # seconds between two looks at files
GATHERED = 0.02  # seconds in which several changes become one map
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Times:
    """What tells the state's file, and what BMCs wrote, from what they were before."""

    state: object = ...  # of no file
    orders: object = ...


class Follower:
    """Tells the map of the instance of that name, on the loop, when it begins and whenever it changes.

    The instance need not be up, and may be removed and made anew meanwhile. A follower takes no lock, and changes
    nothing. `latest` is the map that was told last.
    """

    def __init__(self, name: str, tell: Tell) -> None:
        self.latest: dict[str, Any] | None = None
        self._name = name
        self._directory = instances_dir() / name
        self._tell = tell
        self._spec: LabSpec | None = None
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin. Needs the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """End at once, with all that runs on nodes for this."""
        if self._task:
            self._task.cancel()
        if self._due:
            self._due.cancel()
        self._close()

    async def _run(self) -> None:
        loop, before = asyncio.get_running_loop(), Times()
        while True:
            now = await loop.run_in_executor(None, partial(_times, self._directory))
            if now.state != before.state:
                self._take(await loop.run_in_executor(None, partial(_read, self._directory)))
            elif now.orders != before.orders and self._watch:
                self._watch.take_orders()
            before = now
            await asyncio.sleep(LOOK)

    def _take(self, state: State | None) -> None:
        """Take note of the state that the instance has now; None when it is gone."""
        if state is None:
            self._close()
        elif self._watch and _same(self._watch.instance.state, state):
            self._watch.take(state)
        else:
            self._close()
            self._spec = state.spec
            self._watch = Watch(Instance(self._name, state), self._changed)
        self._changed()

    def _close(self) -> None:
        if self._watch:
            self._watch.close()
            self._watch = None

    def _changed(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(GATHERED, self._tell_map)

    def _tell_map(self) -> None:
        self._due = None
        gone = Seen(reason=f"instance {self._name} is not up")
        seen = self._watch.seen() if self._watch else gone
        if seen is None:
            return
        found = made(self._spec, seen)
        if self.latest is None or {**self.latest, "time": 0} != {**found, "time": 0}:
            self.latest = {**found, "time": time.time()}
            self._tell(self.latest)


def _same(one: State, other: State) -> bool:
    """Return whether the nodes of both are the same ones."""
    return all(getattr(one, key) == getattr(other, key) for key in ("provider", "distro", "spec", "disk_only"))


def _read(directory: Path) -> State | None:
    try:
        state = read_state(directory)
    except LabError:
        return None
    return None if state is None or state.removing else state


def _times(directory: Path) -> Times:
    logs = sorted(directory.glob("bmc/*.events")) + sorted(directory.glob("bmc/*.due"))
    return Times(_time(directory / "state.json"), [(log.name, _time(log)) for log in logs])


def _time(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
