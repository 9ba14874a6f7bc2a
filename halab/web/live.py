"""What the page of one instance is told as it changes: the lesson, the map, events, who holds the lock, who asks."""

import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from halab.instance.instance import instances_dir
from halab.instance.state import holder
from halab.web.following.followers import Followers
from halab.web.guard import GuardedSocket
from halab.web.lesson import asks_for_help, lesson
from halab.web.tail import Tail
from halab.web.taught import AGAIN

LOOK = 0.25  # seconds between two looks at files, while somebody looks at the page
EVENTS = 0.1  # seconds between two looks at the event log
SEEN = ("state.json", "checkpoints", "attempts", "asks-for-help")  # what a lesson changes with
Times = tuple[object, ...]


class Watched:
    """The files of one instance for as long as somebody looks at its page: looked at once, however many look."""

    def __init__(self, name: str, forget: Callable[[], None]) -> None:
        self.directory = instances_dir() / name
        self._forget = forget
        self._pages: set[Live] = set()
        self._latest: dict[str, dict[str, Any]] = {}  # by kind, what each page has been told
        self._times: Times | None = None
        self._again = math.inf  # when a lab is read again that could not be
        self._task: asyncio.Task[None] | None = None

    def join(self, page: "Live") -> None:
        for message in self._latest.values():
            page.send(message)
        self._pages.add(page)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, page: "Live") -> None:
        self._pages.discard(page)
        if not self._pages:
            self._forget()
            if self._task:
                self._task.cancel()

    def tell(self, message: dict[str, Any]) -> None:
        """Tell every page, unless they know it already."""
        kind = message["kind"]
        if self._latest.get(kind) == message:
            return
        self._latest[kind] = message
        for page in list(self._pages):
            page.send(message)

    async def _run(self) -> None:
        while True:
            for message in await asyncio.to_thread(self._look):
                self.tell(message)
            await asyncio.sleep(LOOK)

    def _look(self) -> list[dict[str, Any]]:
        """Return what may have changed. Blocks as reading files does, and seconds where a lab is read."""
        found: list[dict[str, Any]] = [
            {"kind": "lock", "holder": holder(self.directory)},
            {"kind": "help", "asked": asks_for_help(self.directory)},
        ]
        times, now = times_of(self.directory), time.monotonic()
        if times != self._times or now > self._again:
            self._times = times
            found.append(lesson(self.directory))
            self._again = now + AGAIN if found[-1]["reason"] else math.inf
        return found


class Live(GuardedSocket):
    """The socket of one page. Events are read for it from where it has been."""

    def opened(self) -> None:
        name, after = self.path_kwargs["name"], self.get_query_argument("after", "")
        self._tail = Tail(instances_dir() / name, int(after) if after.isdecimal() and len(after) < 16 else None)
        everyone: dict[str, Watched] = self.application.settings["watched"]
        if name not in everyone:
            everyone[name] = Watched(name, lambda: everyone.__delitem__(name))
        self._watched = everyone[name]
        self._watched.join(self)
        self.tell_watched()
        followers: Followers = self.application.settings["followers"]
        self._follow_no_longer = followers.look(name, self.send)
        self._task = asyncio.get_running_loop().create_task(self._tell_events())

    def closed(self) -> None:
        self._task.cancel()
        self._follow_no_longer()
        self._watched.leave(self)
        self._tail.close()

    def tell_watched(self) -> None:
        """Tell how many watch the terminals of the instance."""
        self.send({"kind": "watched", "by": self.site.watched_by(self.path_kwargs["name"])})

    async def _tell_events(self) -> None:
        """Tell events as they come, and no faster than the page takes them."""
        while True:
            told = await asyncio.to_thread(self._tail.read) if self._tail.may_have_more() else []
            for one in told:
                await self.sent({"kind": "event", "event": _told(one.event), "at": one.at})
            if not told:
                await asyncio.sleep(EVENTS)


def _told(event: dict[str, Any]) -> dict[str, Any]:
    """Return what a page is told of an event: all but hints, which `inv hint` gives one by one."""
    return {key: value for key, value in event.items() if key != "hints"}


def times_of(directory: Path) -> Times:
    """Return what tells an instance's files from what they were."""
    found: list[object] = []
    for name in SEEN:
        try:
            there = (directory / name).stat()
            found.append((there.st_mtime_ns, there.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
