"""The follower of an instance, where the nodes are stand-ins whose power, journals and clusters a test changes."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from halab.instance.instance import Instance
from halab.instance.state import InjectedFault
from halab.measure.events import Event
from halab.providers import Followed
from halab.web.following import follower, watch
from halab.web.following.again import Again
from halab.web.following.follower import Follower
from halab.web.following.followers import Followers
from halab.web.following.journal import LONGEST, Journal
from tests.fakes import RESOURCES, FakeProvider, World, instance_up

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
SOON = 2.0  # seconds; a busy host's, and far more than it takes


def captured(name: str) -> str:
    return (FIXTURES / f"{name}.xml").read_text()


def line(message: str) -> str:
    return json.dumps({"MESSAGE": message, "__REALTIME_TIMESTAMP": "1700000000000000"})


class Maps:
    """The maps that a follower has told."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    @property
    def last(self) -> dict[str, Any]:
        return self.all[-1]

    def node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(node for node in self.last["nodes"] if node["name"] == name)
        return found

    async def until(self, what: Callable[[], bool], within: float = SOON) -> float:
        """Wait until it is so, and return how many seconds that took."""
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(within):
            while not (self.all and what()):
                await asyncio.sleep(0.005)
        return asyncio.get_running_loop().time() - began


def follow(instance: Instance, story: Callable[[Maps], Awaitable[None]]) -> Maps:
    """Follow an instance while the story goes on."""
    maps = Maps()

    async def go() -> None:
        following = Follower(instance.name, maps.all.append)
        following.start()
        try:
            await story(maps)
        finally:
            following.stop()

    asyncio.run(go())
    assert all({**one, "time": 0} != {**other, "time": 0} for one, other in pairwise(maps.all))
    return maps


@pytest.fixture(autouse=True)
def _cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole cluster, which is looked at ten times as often as a real one."""
    monkeypatch.setattr(follower, "LOOK", 0.025)
    for name, seconds in (("LOOK", 0.025), ("SOON", 0.05), ("LATER", 0.1)):
        monkeypatch.setattr(watch, name, seconds)
    world.answers["sh -c crm_mon"] = f"{captured('started')}\x1e{RESOURCES.replace('VIP', '10.1.0.100')}\x1e"


def powers(maps: Maps) -> list[str]:
    return [node["power"] for node in maps.last["nodes"]]


def online(maps: Maps) -> bool:
    return [node["member"] for node in maps.last["nodes"]] == ["online", "online"]


def test_the_first_map_tells_which_nodes_have_power(world: World, instance: Instance) -> None:
    maps = follow(instance, lambda maps: maps.until(lambda: online(maps)))

    assert [node["power"] for node in maps.all[0]["nodes"]] == ["on", "on"]


def test_a_node_that_loses_its_power_is_dark_at_once(world: World, instance: Instance) -> None:
    took = []

    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        world.lose_power("node2")
        took.append(await maps.until(lambda: powers(maps) == ["on", "off"]))
        world.power["node2"] = "on"
        await maps.until(lambda: powers(maps) == ["on", "on"])
        world.lose_power("node2")
        took.append(await maps.until(lambda: powers(maps) == ["on", "off"]))

    follow(instance, story)

    assert max(took) < 0.5
    assert "leave node2" in world.calls


def test_what_a_daemon_says_has_the_cluster_asked_and_nothing_else_does(world: World, instance: Instance) -> None:
    def asked() -> int:
        return len([typed for typed in world.typed if typed.startswith("sh -c crm_mon")])

    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps) and "node1" in world.journals)
        await asyncio.sleep(0.15)
        before = asked()
        await asyncio.sleep(0.15)
        assert asked() == before

        began = time.monotonic()
        world.answers["sh -c crm_mon"] = f"{captured('unclean')}\x1e<cib/>\x1e"
        world.say("node1", line("State transition S_IDLE -> S_POLICY_ENGINE"))
        await maps.until(lambda: maps.node("node2")["member"] == "unclean", within=1.0)

        for _ in range(20):
            world.say("node1", line("Result of start operation for virtual_ip on node1: ok"))
            await asyncio.sleep(0.01)
        assert asked() - before <= 2 + (time.monotonic() - began) / 0.05  # once in that time

    follow(instance, story)


def test_a_node_that_starts_again_soon_is_followed_once(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.3)
    opened = FakeProvider.open_power

    def open_power(provider: FakeProvider, node: str) -> int | None:
        """Return the same number for each start of a node, as the kernel may."""
        if (plug := opened(provider, node)) is None:
            return None
        number = {"node1": 900, "node2": 901}[node]
        os.dup2(plug, number)
        os.close(plug)
        return number

    monkeypatch.setattr(FakeProvider, "open_power", open_power)

    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps) and world.journals.keys() == {"node1", "node2"})
        world.lose_power("node2")
        await maps.until(lambda: powers(maps) == ["on", "off"])
        world.power["node2"] = "on"
        await maps.until(lambda: powers(maps) == ["on", "on"])
        await asyncio.sleep(0.6)
        assert len(world.journals["node2"]) == 1

    follow(instance, story)


def test_another_node_is_asked_when_one_does_not_answer(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        world.power["node1"] = "frozen"  # without being told: what is asked there fails
        world.say("node2", line("anything"))
        world.answers["sh -c crm_mon"] = f"{captured('unclean')}\x1e<cib/>\x1e"
        await maps.until(lambda: maps.node("node2")["member"] == "unclean")

    follow(instance, story)


def test_without_a_cluster_the_reason_is_told(world: World, instance: Instance) -> None:
    world.answers["sh -c crm_mon"] = ""

    maps = follow(instance, lambda maps: maps.until(lambda: bool(maps.last["reason"])))

    assert "node1: no answer from crm_mon" in maps.last["reason"]
    assert maps.last["quorum"] is None


def test_who_has_the_address_is_asked_after_an_event_about_it_only(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("halab.web.following.watch.vip_owners", lambda lab: asked.append(1) or ("node1",))

    async def story(maps: Maps) -> None:
        await maps.until(lambda: maps.node("node1")["arp"] and "node1" in world.journals)
        await asyncio.sleep(0.25)  # what comes once more after nodes were found to have power
        before = len(asked)
        world.say("node1", line("State transition S_IDLE -> S_POLICY_ENGINE"))
        world.say("node1", line("Result of start operation for webserver on node1: ok"))
        await asyncio.sleep(0.15)
        assert len(asked) == before
        world.say("node1", line("Result of start operation for virtual_ip on node1: ok"))
        await maps.until(lambda: len(asked) == before + 1)

    follow(instance, story)


def test_a_node_without_power_owns_no_address(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halab.web.following.watch.vip_owners", lambda lab: ("node1",))

    async def story(maps: Maps) -> None:
        await maps.until(lambda: maps.last["vip"]["owners"] == ["node1"])
        world.lose_power("node1")
        await maps.until(lambda: powers(maps) == ["off", "on"])
        assert maps.last["vip"]["owners"] == []

    follow(instance, story)


def test_faults_and_cut_cables_are_seen_when_the_state_is_written(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        fault = InjectedFault(name="link-down", node="node1", options={"network": "mgmt"})
        instance.remember(instance.state.with_fault(fault))
        instance.provider.set_carrier("node1", "mgmt", False)
        await maps.until(lambda: maps.node("node1")["cut"] == ["mgmt"])
        assert [told["words"] for told in maps.last["faults"]] == ["link-down on node1"]
        instance.provider.set_carrier("node1", "mgmt", True)
        instance.remember(instance.state.without_fault(fault))
        await maps.until(lambda: not maps.last["faults"] and not maps.node("node1")["cut"])

    follow(instance, story)


def test_why_a_node_is_off_is_told_from_what_its_bmc_was_told(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        world.lose_power("node2")
        await maps.until(lambda: powers(maps) == ["on", "off"])
        await asyncio.sleep(0.4)  # what comes once more after a node has lost its power
        log = instance.bmc_log("node2")
        log.parent.mkdir(exist_ok=True)
        log.write_text(json.dumps({"time": 1, "action": "off", "from": "10.2.0.10"}) + "\n")
        await maps.until(lambda: maps.node("node2")["why_off"] == "its BMC was told `off` by node1")

    follow(instance, story)


def test_an_instance_may_be_removed_and_made_anew(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        state = instance.state
        with instance.lock():
            instance.down()
        await maps.until(lambda: powers(maps) == ["absent", "absent"])
        assert "is not up" in maps.last["reason"]
        again = Instance(instance.name, state)
        with again.lock():
            again.up()
        await maps.until(lambda: online(maps))
        assert powers(maps) == ["on", "on"]

    follow(instance, story)


def test_nodes_of_an_instance_that_is_being_removed_are_left_alone(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps))
        instance.remember(instance.state.model_copy(update={"removing": True}))
        await maps.until(lambda: powers(maps) == ["absent", "absent"])
        await asyncio.sleep(0.2)
        assert {"leave node1", "leave node2"} <= set(world.calls)

    follow(instance, story)


def test_an_instance_that_was_never_up_has_an_empty_map_until_it_is(world: World) -> None:
    maps = Maps()

    async def story() -> None:
        following = Follower("tiny", maps.all.append)
        following.start()
        await maps.until(lambda: maps.last["nodes"] == [])
        instance_up()
        await maps.until(lambda: online(maps))
        following.stop()

    asyncio.run(story())


def test_an_instance_is_followed_once_for_all_who_look_and_not_at_all_for_nobody(
    world: World, instance: Instance
) -> None:
    one, other = Maps(), Maps()

    async def story() -> None:
        followers = Followers()
        leave_one = followers.look(instance.name, one.all.append)
        await one.until(lambda: online(one) and world.journals.keys() == {"node1", "node2"})
        leave_other = followers.look(instance.name, other.all.append)
        assert other.last == one.last
        leave_one()
        leave_one()
        told = len(one.all)
        world.lose_power("node1")
        await other.until(lambda: powers(other) == ["off", "on"])
        assert len(one.all) == told
        leave_other()
        assert len(world.journals["node2"]) == 1
        assert "end what follows node2" in world.calls

    asyncio.run(story())


def test_nothing_of_a_follower_is_left_once_it_is_stopped(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps) and world.journals.keys() == {"node1", "node2"})

    follow(instance, story)

    ended = sorted(call for call in world.calls if call.startswith("end what"))  # nodes are left in any order
    assert ended == ["end what follows node1", "end what follows node2"]


def test_a_message_without_an_end_does_not_hold_up_the_map() -> None:
    told: list[Event] = []
    reads, writes = os.pipe()
    endless = line("A new membership Members " * 40_000).encode()
    long = line("A new membership Members " * 600).encode()

    async def story() -> None:
        ended = asyncio.Event()
        journal = Journal("node1", Followed(os.fdopen(reads, "rb", buffering=0), ended.set), told.extend, ended.set)
        os.set_blocking(writes, False)
        os.write(writes, long + b"\n")
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - began < 0.4
        sent = 0
        for _ in range(20):
            with suppress(BlockingIOError):
                sent += os.write(writes, endless[sent : sent + 8_000])
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert len(journal._begun) <= LONGEST + 1
        os.write(writes, f"\n{line('A new membership (1.2a) has been formed. Members left: 2')}\n".encode())
        os.close(writes)
        await ended.wait()

    asyncio.run(story())

    assert [event.kind for event in told] == ["lost"]


def test_a_journal_that_says_what_is_no_event_or_no_line_stops_nothing(world: World, instance: Instance) -> None:
    async def story(maps: Maps) -> None:
        await maps.until(lambda: online(maps) and "node1" in world.journals)
        await asyncio.sleep(0.15)
        world.answers["sh -c crm_mon"] = f"{captured('unclean')}\x1e<cib/>\x1e"
        world.say("node1", "no JSON", "[1]", '{"MESSAGE": [1, 2]}', "x" * 40_000)
        await maps.until(lambda: maps.node("node2")["member"] == "unclean")

    follow(instance, story)


def test_an_error_that_nobody_has_foreseen_does_not_end_the_looks() -> None:
    calls = []

    async def act() -> None:
        calls.append(1)
        raise RecursionError

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: calls.append(told["exception"]))
        again = Again(act, apart=0.01, settling=0.02, idle=10)
        task = asyncio.create_task(again.run())
        again.want()
        await asyncio.sleep(0.2)
        task.cancel()

    asyncio.run(story())

    assert [type(call) for call in calls] == [int, RecursionError, int, RecursionError]


def test_a_wish_is_granted_at_once_then_seldom_and_once_more_in_the_end() -> None:
    calls = []

    async def act() -> None:
        calls.append(asyncio.get_running_loop().time())

    async def story() -> None:
        again = Again(act, apart=0.2, settling=0.3, idle=10)
        task = asyncio.create_task(again.run())
        began = asyncio.get_running_loop().time()
        wished = began
        for _ in range(7):
            again.want()
            wished = asyncio.get_running_loop().time()
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        task.cancel()
        assert calls[0] - began < 0.1
        assert calls[-1] - wished > 0.29
        assert all(other - one > 0.19 for one, other in pairwise(calls))
        assert 3 <= len(calls) <= 5

    asyncio.run(story())
