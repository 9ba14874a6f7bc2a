"""Watching one instance's nodes, without being noticed: their power, journals, BMCs, cables, and what they know of
their cluster.

A power cut is told by the kernel. The cluster is asked after its daemons have said something, or every ten seconds; who
has the VIP, after something that may have moved it. All that blocks is done by threads.
"""

import asyncio
import math
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from halab.cli.status import StatusReport, vip_owners
from halab.cli.status import why_off as why_by_itself
from halab.instance.cluster import INSTANCE, ClusterStatus
from halab.instance.instance import Instance
from halab.instance.state import State
from halab.kit.errors import HalabError
from halab.measure.events import Event
from halab.walk.lab import Lab
from halab.web.following.again import Again
from halab.web.following.asking import Asking
from halab.web.following.journal import COMMAND, Journal
from halab.web.following.map import ClusterSeen, Seen, why_off

Result = TypeVar("Result")
SOON = 0.5  # seconds between two looks at the cluster, or for the VIP's owners, at least
LATER = 1.0  # seconds after which more may have changed of what tells nothing of itself
SELDOM = 10.0  # seconds between two looks at what nothing has happened to
LOOK = 0.25  # seconds between two looks at whether a node has power again
BUSY = 20  # times as long as a look took is waited for the next one: podman takes a while to tell that there is none
THREADS = 6  # which wait for nodes
AGAIN = 2.0  # seconds until a journal is followed again that has ended before its node
VIP_MOVES = ("started", "stopped", "failed")  # kinds of events about a resource


class Watch:
    """`changed` is called on the loop whenever something is seen that was not before."""

    def __init__(self, instance: Instance, changed: Callable[[], None]) -> None:
        self.instance = instance
        self._changed = changed
        self._nodes = [node.name for node in instance.spec.nodes]
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"watch {instance.name}")
        self._asking = Asking(instance)
        self._plugs: dict[str, int] = {}  # of nodes that have power: see Provider.open_power
        self._boots = dict.fromkeys(self._nodes, 0)  # how often each was found to have power
        self._journals: dict[str, Journal] = {}
        self._told: dict[str, str] = {}  # what the provider last said of each node's power
        self._seen: dict[str, Any] = {}  # fields of Seen
        self._cluster = Again(self._look_at_cluster, SOON, SOON, SELDOM)
        self._arp = Again(self._look_for_owners, SOON, LATER, math.inf)
        self._around = Again(self._look_around, LATER, LATER, SELDOM)
        self._why = Again(self._look_why_off, LATER, 2 * LATER, math.inf)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = False
        self._go(self._look_for_power())

    def seen(self) -> Seen | None:
        """Return all that was seen; None before it is known which nodes have power."""
        return Seen(power=self._power(), faults=self.instance.state.faults, **self._seen) if self._begun else None

    def take(self, state: State) -> None:
        """Take note of the state that the instance has now."""
        faults, self.instance.state = self.instance.state.faults, state
        self._around.want()
        self._cluster.want()
        self._why.want()
        if faults != state.faults:
            self._arp.want()

    def take_orders(self) -> None:
        """Take note that BMCs were told something."""
        self._why.want()

    def close(self) -> None:
        """Stop at once. What runs on nodes is ended, without waiting for that."""
        for task in self._tasks:
            task.cancel()
        for plug in self._plugs.values():
            self._loop.remove_reader(plug)
            os.close(plug)
        self._plugs.clear()
        for journal in self._journals.values():
            journal.stop()
        threading.Thread(target=self._leave).start()

    def _leave(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for node in self._nodes:
            self.instance.provider.leave(node)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_thread(self, act: Callable[[], Result]) -> Result:
        return await self._loop.run_in_executor(self._threads, act)

    def _note(self, **fields: object) -> None:
        self._seen |= fields
        self._changed()

    async def _look_for_power(self) -> None:
        while True:
            began = self._loop.time()
            for node in self._nodes:
                if node not in self._plugs:
                    plug = await self._in_thread(partial(self.instance.provider.open_power, node))
                    if plug is not None:
                        self._has_power(node, plug)
            if not self._begun:
                self._begun = True
                for each in (self._cluster, self._arp, self._around, self._why):
                    each.want()
                    self._go(each.run())
            await asyncio.sleep(max(LOOK, BUSY * (self._loop.time() - began)))

    def _has_power(self, node: str, plug: int) -> None:
        self._plugs[node] = plug
        self._loop.add_reader(plug, self._lost_power, node)
        self._boots[node] += 1
        self._go(self._follow(node, self._boots[node]))
        self._changed()
        self._power_changed()

    def _lost_power(self, node: str) -> None:
        plug = self._plugs.pop(node)
        self._loop.remove_reader(plug)
        os.close(plug)
        self._note(owners=tuple(owner for owner in self._seen.get("owners", ()) if owner != node))
        if journal := self._journals.pop(node, None):
            journal.stop()
        self._go(self._in_thread(partial(self.instance.provider.leave, node)))
        self._power_changed()

    def _power_changed(self) -> None:
        for each in (self._cluster, self._arp, self._around, self._why):
            each.want()

    async def _follow(self, node: str, boot: int) -> None:
        """Follow a node's journal for as long as it has the power that it has now."""
        while self._boots[node] == boot and node in self._plugs:
            try:
                followed = await self._in_thread(partial(self.instance.provider.follow, node, COMMAND))
            except (HalabError, OSError):
                await asyncio.sleep(AGAIN)
                continue
            ended = asyncio.Event()
            journal = Journal(node, followed, partial(self._said, node), ended.set)
            if self._boots[node] != boot or node not in self._plugs:
                journal.stop()
                return
            self._journals[node] = journal
            await ended.wait()
            await asyncio.sleep(AGAIN)

    def _said(self, node: str, events: list[Event]) -> None:
        self._cluster.want()
        cluster: ClusterSeen | None = self._seen.get("cluster")
        vip = cluster.vip_resources if cluster else ()
        for event in events:
            if event.kind == "lost":
                self._asking.prefer(node)
            is_vip = not vip or INSTANCE.sub("", event.resource) in vip
            if event.kind in ("lost", "fenced") or (event.kind in VIP_MOVES and is_vip):
                self._arp.want()

    def _power(self) -> dict[str, str]:
        def of(node: str) -> str:
            told = self._told.get(node)
            if node in self._plugs:
                return "frozen" if told == "frozen" else "on"
            return "absent" if told == "absent" else "off"

        return {node: of(node) for node in self._nodes}

    async def _look_at_cluster(self) -> None:
        power = self._power()
        powered = [node for node in self._nodes if power[node] == "on"]
        try:
            cluster = await self._in_thread(partial(self._asking.look, powered))
        except (HalabError, OSError) as error:
            self._note(cluster=None, reason=str(error))
            return
        before: ClusterSeen | None = self._seen.get("cluster")
        self._note(cluster=cluster, reason="")
        if before and _places(before, before.status) != _places(cluster, cluster.status):
            self._arp.want()

    async def _look_for_owners(self) -> None:
        if self._plugs:
            try:
                owners = await self._in_thread(lambda: vip_owners(Lab(self.instance)))
            except (HalabError, OSError):
                return
            self._note(owners=tuple(owner for owner in owners if owner in self._plugs))

    async def _look_around(self) -> None:
        """Look at what tells nothing of itself: nodes that are frozen or gone, BMCs and cables."""
        try:
            told = await self._in_thread(self.instance.provider.power_states)
            dead = await self._in_thread(self.instance.dead_bmcs)
            pulled = await self._in_thread(self._pulled)
        except (HalabError, OSError, ValueError):
            return
        thawed = [node for node in self._nodes if self._told.get(node) == "frozen" != told.get(node)]
        self._told = told
        self._note(dead_bmcs=frozenset(dead), pulled=pulled)
        if thawed:
            self._cluster.want()

    def _pulled(self) -> frozenset[tuple[str, str]]:
        cables = [
            (fault.node, fault.options.get("network", "lan"))
            for fault in self.instance.state.faults
            if fault.name == "link-down"
        ]
        return frozenset(cable for cable in cables if not self.instance.provider.has_carrier(*cable))

    async def _look_why_off(self) -> None:
        off = [node for node in self._nodes if node not in self._plugs]
        try:
            self._note(why_off={node: await self._in_thread(partial(self._why_off, node)) for node in off})
        except (HalabError, OSError, ValueError):
            return

    def _why_off(self, node: str) -> str:
        instance = self.instance
        ended = instance.provider.ended(node)
        report = StatusReport(
            instance=instance,
            power={node: "off"},
            limits_met={},
            dead_bmcs=instance.dead_bmcs(),
            cluster=None,
            reason=None,
            vip_owners=(),
            ended={node: ended} if ended else {},
            starting=[name for name in instance.starting() if name == node],
        )
        names = {str(one.mgmt): one.name for one in instance.spec.nodes}
        names[str(instance.spec.networks.mgmt.workstation)] = "the workstation"
        from_outside = why_off(node, instance.state.faults, instance.power_events(node), lambda at: names.get(at, at))
        return "; ".join(filter(None, [*why_by_itself(report), from_outside if not ended else ""]))


def _places(cluster: ClusterSeen, status: ClusterStatus) -> list[tuple[str, ...]]:
    return [status.where(name) for name in cluster.vip_resources]
