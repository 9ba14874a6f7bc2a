"""How soon the map of the page shows what happens, and what it costs to follow an instance: a part of bench/page.py.

By itself: `.venv/bin/python -m bench.page_map INSTANCE`, as root, on an instance of ha-web that was walked through.
"""

import asyncio
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halab.conditions import online, served_by_owner
from halab.conditions.checks import Outcome, evaluate
from halab.instance.instance import Instance
from halab.measure import events
from halab.walk.lab import Lab
from halab.web.following.follower import Follower

VIP = "virtual_ip"
ROUNDS = 3
IDLE = 60.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")
Map = dict[str, Any]


class Looking:
    """Somebody who looks at the map of an instance: each map, with the time at which it was told."""

    def __init__(self, instance: Instance) -> None:
        self._maps: list[tuple[float, Map]] = []
        self._follower = Follower(instance.name, lambda told: self._maps.append((time.time(), told)))

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        self._follower.start()
        try:
            yield
        finally:
            self._follower.stop()

    async def at(self, shown: Callable[[Map], bool], since: float) -> float:
        """Return when something was on the map first, since a time. Wait for it for two minutes at most."""
        async with asyncio.timeout(120):
            while not (found := [at for at, told in self._maps if at >= since and shown(told)]):
                await asyncio.sleep(0.02)
        return found[0]


def follow(instance: Instance) -> dict[str, list[float]]:
    """Return seconds from a node's end to the map, and from Pacemaker's own line about a resource's move to the map,
    each several times; and the share of a processor that an idle instance takes while somebody looks at it.
    """
    return asyncio.run(_follow(instance))


async def _follow(instance: Instance) -> dict[str, list[float]]:
    looking, lab = Looking(instance), Lab(instance)
    found: dict[str, list[float]] = {"cut": [], "move": [], "idle": []}
    await asyncio.to_thread(_whole, lab)
    with looking.meanwhile():
        for _ in range(ROUNDS):
            found["move"].append(await _move(instance, lab, looking))
            await asyncio.to_thread(_whole, lab)
        for _ in range(ROUNDS):
            found["cut"].append(await _cut(instance, lab, looking))
            await asyncio.to_thread(_whole, lab)
        await asyncio.sleep(10)
        before = _processor_seconds()
        await asyncio.sleep(IDLE)
        found["idle"].append((_processor_seconds() - before) / IDLE)
    return found


async def _move(instance: Instance, lab: Lab, looking: Looking) -> float:
    home = await asyncio.to_thread(lab.where, VIP)
    other, began = lab.others(home)[0].name, time.time()
    await asyncio.to_thread(lab.ask, "pcs", "node", "standby", home.name)
    shown = await looking.at(lambda told: _runs_on(told, other), began)
    said = await asyncio.to_thread(events.collect, instance, began)
    await asyncio.to_thread(lab.ask, "pcs", "node", "unstandby", home.name)
    return shown - next(event.at for event in said if (event.kind, event.resource) == ("started", VIP))


async def _cut(instance: Instance, lab: Lab, looking: Looking) -> float:
    victim, began = (await asyncio.to_thread(lab.where, VIP)).name, time.time()
    plug = instance.provider.open_power(victim)
    assert plug is not None  # noqa: S101
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(_end_of, plug)
        await asyncio.to_thread(instance.cut_power, victim)
        ended = waiting.result()
    os.close(plug)
    shown = await looking.at(lambda told: _power_of(told, victim) == "off", began)
    await asyncio.to_thread(instance.power_on, victim)
    return shown - ended


def _end_of(plug: int) -> float:
    waiting = select.poll()
    waiting.register(plug, select.POLLIN)
    waiting.poll()
    return time.time()


def _whole(lab: Lab) -> None:
    for condition in (online(), served_by_owner(VIP)):
        result = evaluate("", condition, lab, within=120)
        if result.outcome is not Outcome.PASSED:
            sys.exit(f"the cluster is not whole: {result.seen}")


def _power_of(told: Map, node: str) -> str:
    return next(str(one["power"]) for one in told["nodes"] if one["name"] == node)


def _runs_on(told: Map, node: str) -> bool:
    resources = next(one["resources"] for one in told["nodes"] if one["name"] == node)
    return any((one["id"], one["state"]) == (VIP, "started") for one in resources)


def _processor_seconds() -> float:
    """Return what this process, and what it keeps on nodes, has used of the processors (proc(5), /proc/PID/stat)."""
    mine = os.times()
    kept = [pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]
    return mine.user + mine.system + mine.children_user + mine.children_system + sum(map(used_by, kept))


def used_by(pid: str) -> float:
    """Return the seconds of a processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS  # also of programs on the node that it has waited for


if __name__ == "__main__":
    for what, seconds in follow(Instance.open(sys.argv[1])).items():
        print(what, *(f"{one:.3f}" for one in seconds))
