"""Stand-ins for what unit tests do without: a clock, a lab of three steps, a provider, and a node behind a BMC."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from halab.cli.selection import Selection, instance_to_make
from halab.conditions.checks import Condition, Observation
from halab.instance.bmc import NodeBmc
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Event, Said
from halab.kit.errors import LabError
from halab.kit.pace import pace
from halab.kit.process import CommandResult, Runner
from halab.kit.wait import Clock
from halab.providers import BmcDaemon, Followed, Origin, Outside, Premises
from halab.spec.models import LabSpec
from halab.walk import bringup

Kind = TypeVar("Kind", bound=Event)

Answer = Callable[[Sequence[str], str], str | CommandResult | None]

LAB_TOML = """\
title = "A lab to test with"
cluster = "test_cluster"
vip = "10.1.0.100"

[networks.lan]
subnet = "10.1.0.0/24"
workstation = "10.1.0.1"

[networks.mgmt]
subnet = "10.2.0.0/24"
workstation = "10.2.0.1"

[[nodes]]
name = "node1"
lan = "10.1.0.10"
mgmt = "10.2.0.10"
bmc = "10.2.0.110"

[[nodes]]
name = "node2"
lan = "10.1.0.11"
mgmt = "10.2.0.11"
bmc = "10.2.0.111"

[credentials]
hacluster = "secret"
bmc_user = "admin"
bmc_password = "fence-me"
"""

RESOURCES = """\
<resources>
  <primitive id="virtual_ip" class="ocf" provider="heartbeat" type="IPaddr2">
    <instance_attributes id="virtual_ip-attributes">
      <nvpair id="virtual_ip-ip" name="ip" value="VIP"/>
    </instance_attributes>
  </primitive>
</resources>
"""

STEP = '''\
"""Do {name}

What {name} is good for.
"""

from tests.fakes import World, done


def perform(lab):
    World.current.perform("{name}")


def verify(lab):
    lab.check("{name} is done", done("{name}"), hint=("look", "look again"))
'''

STEPS = ("one", "two", "three")


class FakeClock:
    """A clock on which time passes only when somebody sleeps, or when a test adds to `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def write_lab(folder: Path, name: str = "tiny", toml: str = LAB_TOML, steps: Sequence[str] = STEPS) -> Path:
    """Write a lab folder whose steps only tell `World.current` that they are performed, and return it."""
    lab = folder / name
    lab.mkdir(parents=True)
    (lab / "lab.toml").write_text(toml)
    for number, step in enumerate(steps, 1):
        (lab / f"{number}0_{step}.py").write_text(STEP.format(name=step))
    return lab


def write_sequel(folder: Path, name: str = "sequel", continues: str = "tiny", needs: str = "") -> Path:
    """Write a lab of one step that goes on where another one ends, and return its folder."""
    toml = f'title = "What comes then"\ncontinues = "{continues}"\n{needs}'
    return write_lab(folder, name, toml, ["four"])


@dataclass
class World:
    """What a fake instance is made of. It outlives the providers that commands make, as real nodes do."""

    current: "World" = field(init=False, repr=False)  # that of the running test, set on the class

    done: list[str] = field(default_factory=list)  # what is "on disk": the steps that were performed
    power: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)  # how the systems of nodes ended by themselves
    saved: dict[str, list[str]] = field(default_factory=dict)
    lineage: str | None = "image"
    calls: list[str] = field(default_factory=list)  # what the provider was told, in order
    problems: list[str] = field(default_factory=list)
    not_limited: list[str] = field(default_factory=list)
    limits_met: dict[str, list[str]] = field(default_factory=dict)
    crm_mon: str | None = None  # None: no cluster runs
    answers: dict[str, str] = field(default_factory=dict)  # what other commands print, by how they begin
    typed: list[str] = field(default_factory=list)  # what nodes were asked to run
    silent: set[str] = field(default_factory=set)  # nodes whose ports pass no frame
    arp: str = ""
    ipmi: str | None = None  # what ipmitool prints; None: the real one runs
    unreachable: bool = False
    saves_memory: bool = True
    make_image: Callable[[str], str | None] = lambda distro: None  # given a distro: what is made for it; None: no trial
    before_perform: Callable[[str], None] = lambda name: None
    before_call: Callable[[str], None] = lambda call: None
    looks_broken: bool = False
    outside: dict[str, Outside] = field(default_factory=dict)  # what the host sees of nodes: nothing
    daemons: dict[int, str] = field(default_factory=dict)  # pid -> mark
    plugs: dict[str, list[int]] = field(default_factory=dict)  # what closes tells whoever waits for a node's end
    journals: dict[str, list[int]] = field(default_factory=dict)  # the other ends of what is followed on a node

    def start_daemon(self, argv: Sequence[str], mark: str, *, log: Path, env: dict[str, str]) -> None:
        self.daemons[max(self.daemons, default=0) + 1] = mark

    def find_daemons(self, mark: str) -> dict[int, str]:
        return {pid: its for pid, its in self.daemons.items() if its == mark or its.startswith(f"{mark}/")}

    def end_daemons(self, mark: str) -> None:
        for pid in self.find_daemons(mark):
            del self.daemons[pid]

    def perform(self, name: str) -> None:
        self.before_perform(name)
        self.done.append(name)

    def say(self, node: str, *lines: str) -> None:
        """Have a node's journal say something to whoever follows it."""
        for journal in self.journals.get(node, []):
            os.write(journal, "".join(f"{line}\n" for line in lines).encode())

    def lose_power(self, node: str, becomes: str = "off") -> None:
        """Take a node's power away, as the kernel tells whoever watches it."""
        self.power[node] = becomes
        for file in [*self.journals.pop(node, []), *self.plugs.pop(node, [])]:
            os.close(file)

    def told(self, call: str) -> None:
        self.before_call(call)
        self.calls.append(call)


def done(name: str) -> Condition:
    """Return the condition that a step is in `World.done`."""

    def look(lab: object) -> Observation:
        if World.current.looks_broken:
            raise LabError("node1 is not reachable")
        return Observation(name in World.current.done, f"done: {World.current.done}")

    return Condition(f"{name} is among what is done", look)


class FakeProvider:
    """Keeps the protocol in halab.providers, and acts on `World.current`."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self.pace = pace()
        self._names = [node.name for node in premises.spec.nodes]

    @property
    def saves_memory(self) -> bool:
        return World.current.saves_memory

    def prepare(self, say: Callable[[str], None]) -> None:
        World.current.told("prepare")

    def problems(self) -> list[str]:
        return World.current.problems

    def make_image(self, say: Callable[[str], None]) -> str | None:
        return World.current.make_image(self._premises.distro)

    def up(self) -> None:
        World.current.told("up")
        World.current.power = dict.fromkeys(self._names, "on")

    def down(self) -> None:
        World.current.told("down")
        for node in list(World.current.power):
            World.current.lose_power(node)
        World.current.power = {}
        World.current.done = []

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        if World.current.unreachable or World.current.power[node] != "on":
            raise LabError(f"{node} is not reachable: it is {World.current.power[node]}")
        World.current.typed.append(line := " ".join(argv))
        if told := [said for begins, said in World.current.answers.items() if line.startswith(begins)]:
            return CommandResult(tuple(argv), 0, told[0], "")
        match argv[0]:
            case "systemctl" if "is-enabled" in argv and World.current.crm_mon is None:
                rc, said = 1, "disabled\n"
            case "systemctl":
                rc, said = 0, "running\n"
            case "pcs" | "crm_resource" if World.current.crm_mon is None:
                rc, said = 1, "Error: Could not connect to the CIB: Transport endpoint is not connected\n"
            case "test" if World.current.crm_mon is None:
                rc, said = 1, ""
            case "crm_mon" if World.current.crm_mon is None:
                rc, said = 102, "crm_mon: Connection to cluster failed: Connection refused\n"
            case "crm_mon":
                rc, said = 0, World.current.crm_mon
            case "cibadmin":
                rc, said = 0, RESOURCES.replace("VIP", str(self._premises.spec.vip))
            case _:
                rc, said = 0, ""
        return CommandResult(tuple(argv), rc, said, "")

    def outside(self) -> dict[str, Outside]:
        return World.current.outside

    def ask(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        return self.run(node, argv, input=input, timeout=timeout)

    def follow(self, node: str, argv: Sequence[str]) -> Followed:
        if World.current.power[node] != "on":
            raise LabError(f"{node} is not reachable: it is {World.current.power[node]}")
        reads, writes = os.pipe()
        World.current.journals.setdefault(node, []).append(writes)
        return Followed(os.fdopen(reads, "rb", buffering=0), lambda: World.current.told(f"end what follows {node}"))

    def leave(self, node: str) -> None:
        World.current.told(f"leave {node}")

    def open_power(self, node: str) -> int | None:
        if World.current.power.get(node) not in ("on", "frozen"):
            return None
        reads, writes = os.pipe()
        World.current.plugs.setdefault(node, []).append(writes)
        return reads

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        return ["env", "-i", "PATH=/usr/bin:/bin", *(f"{key}={value}" for key, value in env.items()), *shell]

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        if "arping" in argv:
            return ["echo", World.current.arp]
        if "ipmitool" in argv and World.current.ipmi is not None:
            return ["echo", World.current.ipmi]
        return list(argv)

    def learner_argv(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        return list(argv)

    def workstation_socket(self) -> socket.socket:
        return socket.socket()

    def bmc_daemons(self) -> list[BmcDaemon]:
        return [BmcDaemon(name, (name,), ("sleep", "infinity")) for name in self._names]

    def power_states(self) -> dict[str, str]:
        return {name: World.current.power.get(name, "absent") for name in self._names}

    def limits_met(self) -> dict[str, list[str]]:
        return {name: World.current.limits_met.get(name, []) for name in self._names}

    def not_limited(self) -> list[str]:
        return World.current.not_limited

    def power_on(self, node: str) -> None:
        World.current.power[node] = "on"

    def power_off(self, node: str) -> None:
        World.current.told(f"power off {node}")
        World.current.lose_power(node)

    def shut_down(self, node: str) -> None:
        World.current.power[node] = "off"

    def ended(self, node: str) -> str | None:
        return World.current.ended.get(node)

    def each_end(self, node: str) -> Iterator[None]:
        return iter(())

    def freeze(self, nodes: Sequence[str]) -> None:
        World.current.silent.update(nodes)
        World.current.told("pause")
        World.current.power.update(dict.fromkeys(nodes, "frozen"))

    def thaw(self, nodes: Sequence[str]) -> None:
        World.current.power.update(dict.fromkeys(nodes, "on"))
        if nodes:
            World.current.told("unpaused")
        World.current.silent.difference_update(nodes)

    def port(self, node: str, network: str) -> str:
        return f"{node}-{network}"

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        World.current.told(f"cable {node}-{network} {'in' if up else 'out'}")

    def has_carrier(self, node: str, network: str) -> bool:
        cable = f"cable {node}-{network}"
        told = [call for call in World.current.calls if call.startswith(cable)]
        return not told or told[-1].endswith(" in")

    def save(self, checkpoint: str) -> bool:
        World.current.told("save")
        World.current.saved[checkpoint] = list(World.current.done)
        return False

    def restore(self, checkpoint: str) -> None:
        World.current.told("restore")
        World.current.done = list(World.current.saved[checkpoint])
        World.current.power = dict.fromkeys(self._names, "on")

    def lineage(self) -> str | None:
        return World.current.lineage

    def origin(self) -> Origin:
        if World.current.lineage is None:
            raise LabError("checkpoints cannot be taken to another machine")
        return Origin(self._premises.distro, "recipe", World.current.lineage, "programs")

    def vet(self, checkpoint: str, directory: Path, beside: Mapping[str, Path]) -> None:
        World.current.told("vet")

    def export(self, checkpoint: str, directory: Path, beside: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True)
        (directory / "done.json").write_text(json.dumps(World.current.saved[checkpoint]))

    def adopt(self, checkpoint: str, directory: Path) -> None:
        World.current.told("adopt")
        World.current.saved[checkpoint] = json.loads((directory / "done.json").read_text())

    def keep_only(self, checkpoints: set[str]) -> None:
        World.current.saved = {key: value for key, value in World.current.saved.items() if key in checkpoints}


class Programs:
    """Stands in for programs of the host, by name. Programs without a stand-in are run."""

    def __init__(self) -> None:
        self.run: Runner
        self._answers: dict[str, Answer] = {}

    def stand_in(self, name: str, answer: Answer) -> None:
        """Have `answer` given the arguments and the standard input of a program; it returns what the program prints, or
        all of its result.
        """
        self._answers[name] = answer

    def __call__(
        self, argv: Sequence[str], *, input: str | None, timeout: float, errors: str, most: int
    ) -> CommandResult:
        if answer := self._answers.get(argv[0]):
            result = answer(argv, input or "")
            return result if isinstance(result, CommandResult) else CommandResult(tuple(argv), 0, result or "", "")
        return self.run(argv, input=input, timeout=timeout, errors=errors, most=most)


def instance_up(nodes: int | None = None) -> Instance:
    """Return an instance of the lab `tiny`, up on the provider `fake`."""
    made = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12", nodes=nodes))
    bringup.up(made, NOBODY)
    return made


class FakeAudience:
    """Remembers what it is told, and answers as it is told to."""

    def __init__(self, goes_on: bool = True) -> None:
        self.events: list[Event] = []
        self._goes_on = goes_on

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def go_on(self, lost: str) -> bool:
        self.tell(Said(lost))
        return self._goes_on

    def told(self, kind: type[Kind]) -> list[Kind]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.told(Said)]


class FileSwitch:
    """A node's power switch for a BMC in another process. Its state, and what it was told, are files.

    Only one that is `watched` tells a BMC, for ever, when the node has no power.
    """

    def __init__(self, directory: Path, watched: bool = False) -> None:
        self._watched = watched
        self._power = directory / "power"
        self._told = directory / "told"
        self._ended = directory / "ended"

    def power_states(self) -> dict[str, str]:
        return {"node1": self._power.read_text()}

    def power_on(self, node: str) -> None:
        self._tell("on", "on")

    def power_off(self, node: str) -> None:
        if self._power.read_text() == "stuck":
            raise LabError("the switch is stuck")
        self._tell("off", "off")

    def shut_down(self, node: str) -> None:
        self._tell("soft", "off")

    def ended(self, node: str) -> str | None:
        """Return the content of the file `ended`. Whoever switches the power removes it."""
        return self._ended.read_text() if self._ended.exists() and self._power.read_text() == "off" else None

    def each_end(self, node: str) -> Iterator[None]:
        seen = 0
        while self._watched:
            off = self._power.exists() and self._power.read_text() == "off"
            # its time is asked for last, when whoever writes the file, which takes two steps, has done the second one
            if off and (switched := self._power.stat().st_mtime_ns) != seen:
                seen = switched
                yield
            threading.Event().wait(0.02)  # and not time.sleep(), which other tests may have replaced

    def _tell(self, what: str, becomes: str) -> None:
        self._ended.unlink(missing_ok=True)
        self._power.write_text(becomes)  # first, as a test goes on, and may set it, once it sees what was told
        with self._told.open("a") as told:
            told.write(f"{what}\n")


def serve_bmc(directory: str, port: str, post: str) -> None:
    """Be the BMC of node1 of LAB_TOML, on 127.0.0.1, for ever. A file `ready` says that it listens."""
    place = Path(directory)
    spec = LabSpec.model_validate_json((place / "spec.json").read_text())
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    log = place / "events"
    NodeBmc(node, spec.credentials, FileSwitch(place, watched=True), log, post=float(post), port=int(port))
    (place / "ready").touch()
    NodeBmc.listen()


def events_of(directory: Path) -> list[dict[str, object]]:
    """Return what a BMC of `serve_bmc` wrote to its event log."""
    return [json.loads(line) for line in (directory / "events").read_text().splitlines()]
