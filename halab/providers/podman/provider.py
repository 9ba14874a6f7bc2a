"""Nodes as podman containers: systemd as PID 1, a user namespace, and a network namespace that dies with the node.

A node's network namespace belongs to its container, not to the host: then IPaddr2 and firewalld work in the node's
user namespace, and a power cut is real, because addresses die with the processes.
"""

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.pace import pace
from halab.kit.parallel import for_each
from halab.kit.process import CommandResult, end_daemons, must, run
from halab.providers import BmcDaemon, Followed, Origin, Outside, Premises, host, images, limits, rights, sandbox
from halab.providers.podman import foreign, layers, quotas
from halab.providers.podman.asking import Asking
from halab.providers.podman.begun import Begun
from halab.providers.podman.containers import Containers
from halab.providers.podman.disks import Disks
from halab.providers.podman.endings import Endings
from halab.providers.podman.inside import Running, as_a_shell, enter
from halab.providers.podman.network import Network, port_name
from halab.providers.podman.power import Power
from halab.spec.distros import load

POWER = {"running": "on", "stopping": "on"}  # in podman's words; what is stopping may live yet
MEMORY_PER_NODE = 400 * 2**20  # bytes: a node with a running cluster uses 280 MiB
DISK_PER_NODE = 1 * 2**30  # bytes: what the labs install, twice, and its checkpoints


class Podman:
    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self.pace = pace()
        self._begun = Begun(premises)
        self._nodes = {node.name: node for node in premises.spec.nodes}
        self._network = Network(premises.directory, premises.spec)
        self.learner_argv = sandbox.Sandbox(premises.directory, premises.spec, self._network).argv
        self._containers = Containers(premises, self._network)
        self._podman = self._containers.podman
        self._cgroups = self._containers.cgroups
        self._disks = Disks(premises.directory / "disks", self._containers.upper_dirs)
        self._running = self._containers.running
        self._endings = Endings(premises.directory, self._containers.find, self._containers.exit_status)
        self._power = Power(premises, self._network, self._containers, self._endings)
        self._asking = Asking(
            premises.directory / "asking",
            lambda: self._begun.image().tools,
            self._network.enter,
            lambda node: self._cgroups.joined(self._containers.of[node], self._network.hierarchies),
            self.pace,
        )

    saves_memory = False

    def prepare(self, say: Callable[[str], None]) -> None:
        limits.raise_limits(say)

    def problems(self) -> list[str]:
        if reason := rights.no_nodes_because():
            return [reason]
        needed = len(self._nodes)
        found = host.shortage(needed * MEMORY_PER_NODE, needed * DISK_PER_NODE, self._premises.directory)
        # Asking podman about itself takes a quarter of a second; that it finds the image says as much.
        broken = None if self._begun.made_before else host.podman_problem()
        return [*found, broken] if broken else found

    def make_image(self, say: Callable[[str], None]) -> str | None:
        if self._begun.exists():
            return None
        return (self._begun.made_before or images.ensure(load(self._premises.distro), say)).image_id

    def up(self) -> None:
        begun = self._begun.exists()
        image = self._begun.image()
        with ThreadPoolExecutor(1) as beside:  # of what podman is asked about an instance that is new
            told = None if begun else beside.submit(self._told_states)
            self._network.up()
        states = told.result() if told else self.power_states()
        if begun and "absent" in states.values() and self._containers.rename_older():
            end_daemons(f"{self._premises.directory}/bmc")  # they know the old names
            states = self.power_states()
        powered = [name for name, state in states.items() if state in ("on", "frozen")]
        # One that outlived its namespaces has lost its cables, and so has one whose power-off was killed in the middle
        cut_off = [name for name in powered if not self._network.is_plugged(self._nodes[name])]
        for_each(cut_off, self.power_off)
        states |= dict.fromkeys(cut_off, "off")
        self.thaw([name for name, state in states.items() if state == "frozen"])
        absent = [node for node in self._premises.spec.nodes if states[node.name] == "absent"]
        for_each(absent, lambda node: self._containers.create(node, image))
        self._power.on(name for name, state in states.items() if state in ("absent", "off"))

    def down(self) -> None:
        for node in self._nodes:
            self._asking.leave(node)
        self._disks.forget()  # first, as podman writes when it removes, and the disk may be full
        if found := [*self._containers.listed(), *self._containers.half_removed(self._nodes)]:
            self._network.up()
            for_each(found, self._containers.remove)
        self._containers.end_monitors()
        for container in self._containers.of.values():
            self._cgroups.release(container)
        self._network.down()

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        def act(running: Running) -> CommandResult:
            entering = self._entering(node, enter(running.identity, argv))
            # A pipe, even for nothing: the runtime would make /dev/null, which is the host's, the node's root's
            done = run(entering, input=input or "", timeout=timeout * self.pace.slowness)
            return as_a_shell(done, argv[0])

        return self._on(node, argv[0], act)

    def ask(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        def act(running: Running) -> CommandResult:
            return self._asking.ask(node, running, argv, input=input, timeout=timeout * self.pace.slowness)

        return self._on(node, argv[0], act)

    def follow(self, node: str, argv: Sequence[str]) -> Followed:
        return self._asking.follow(node, self._reached(node), argv)

    def leave(self, node: str) -> None:
        self._asking.leave(node)

    def _entering(self, node: str, argv: Sequence[str]) -> list[str]:
        """Return a command that enters a node from where podman sees it. The node's limits hold for what it runs."""
        return [*self._cgroups.joining(self._containers.of[node]), *self._network.enter(argv)]

    def _on(self, node: str, program: str, act: Callable[[Running], CommandResult]) -> CommandResult:
        running = self._reached(node)
        try:
            result = act(running)
            if result.ok or self._running().get(node) == running:
                return result
        except LabError:
            if self._running().get(node) == running:
                raise
        raise LabError(f"{node} is not reachable: it lost its power while `{program}` ran")

    def _reached(self, node: str) -> Running:
        """Return the node's container. Raises LabError when it does not run, or is frozen."""
        running = self._running().get(node)
        if running is None or running.is_frozen(self._network.cgroups()):
            raise LabError(f"{node} is not reachable: it is {self.power_states()[node]}")
        return running

    def outside(self) -> Mapping[str, Outside]:
        tools, layers = self._begun.image().tools, self._containers.layers().items()

        def first_of(node: str) -> Callable[[], int | None]:
            def first() -> int | None:
                running = self._running().get(node)
                return running.first_process if running else None

            return first

        return {node: Outside(lower, upper, tools, first_of(node)) for node, (lower, upper) in layers}

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        if self.power_states()[node] == "frozen":
            raise LabError(f"{node} is frozen: a shell on it would hang; try: inv heal")
        settings = [f"--env={name}={value}" for name, value in env.items()]
        container = self._containers.of[node]
        return self._podman("exec", "--interactive", *(["--tty"] if terminal else []), *settings, container, *shell)

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        return self._network.enter(argv)

    def workstation_socket(self) -> socket.socket:
        return self._network.tcp_socket()

    def bmc_daemons(self) -> list[BmcDaemon]:
        start = (sys.executable, "-m", "halab.instance.bmcd", self._premises.instance)
        return [BmcDaemon(node, (node,), (*start, node)) for node in self._nodes]

    def power_states(self) -> dict[str, str]:
        running = self._running() if self._network.holder() else {}
        # Mostly all of them run; then podman need not be asked, which takes long
        found = self._told_states() if len(running) < len(self._nodes) else {}
        cgroups = self._network.cgroups()
        return found | {node: "frozen" if its.is_frozen(cgroups) else "on" for node, its in running.items()}

    def _told_states(self) -> dict[str, str]:
        """Return the states that podman tells. It does not know which nodes are frozen."""
        told = {node: POWER.get(state, "off") for node, state in self._containers.states().items()}
        return dict.fromkeys(self._nodes, "absent") | told

    def open_power(self, node: str) -> int | None:
        return self._endings.open_first_process(node)

    def limits_met(self) -> dict[str, list[str]]:
        running = self._running() if self._network.holder() else {}
        found = {}
        for node, container in self._containers.of.items():
            first = running[node].first_process if node in running else None
            full = ["disk"] if self._containers.disks.is_full(node) else []
            found[node] = [*self._cgroups.met(container, first), *full]
        return found

    def not_limited(self) -> list[str]:
        return [*self._cgroups.impossible(), *layers.impossible(), *quotas.impossible(), *sandbox.impossible()]

    def power_on(self, node: str) -> None:
        self._power.on([node])

    def power_off(self, node: str) -> None:
        self._asking.leave(node)
        self._power.off(node)

    def ended(self, node: str) -> str | None:
        return self._endings.last(node)

    def each_end(self, node: str) -> Iterator[None]:
        return self._endings.each(node)

    def shut_down(self, node: str) -> None:
        with self._power.lock(node):
            if self._containers.state(node) == "running":
                self.run(node, ["systemctl", "poweroff"])

    def freeze(self, nodes: Sequence[str]) -> None:
        self._power.freeze(nodes)

    def thaw(self, nodes: Sequence[str]) -> None:
        self._power.thaw(nodes)

    def port(self, node: str, network: str) -> str:
        return port_name(self._nodes[node], network)

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        return self._network.enter(argv)

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        must(self.bridge_argv(["ip", "link", "set", "dev", self.port(node, network), "up" if up else "down"]))

    def has_carrier(self, node: str, network: str) -> bool:
        told = run(self.bridge_argv(["ip", "-json", "link", "show", "dev", self.port(node, network)]))
        return not told.ok or "UP" in json.loads(told.stdout)[0]["flags"]

    def save(self, checkpoint: str) -> bool:
        states, cgroups = self.power_states(), self._network.cgroups()
        running = [its for node, its in self._running().items() if states[node] == "on"]
        try:
            for_each(running, lambda its: its.freeze(cgroups))
            self._disks.save(checkpoint, powered={name for name, state in states.items() if state != "off"})
        finally:
            for its in running:
                its.thaw(cgroups)
        return False

    def restore(self, checkpoint: str) -> None:
        for_each(self._nodes, self.power_off)
        self._power.on(self._disks.restore(checkpoint))

    def lineage(self) -> str | None:
        return self._begun.image().image_id

    def origin(self) -> Origin:
        return self._begun.origin()

    def export(self, checkpoint: str, directory: Path, beside: Sequence[str] = ()) -> None:
        self._disks.export(checkpoint, directory, beside)

    def vet(self, checkpoint: str, directory: Path, beside: Mapping[str, Path]) -> None:
        foreign.vet(checkpoint, directory, list(self._nodes), beside)

    def adopt(self, checkpoint: str, directory: Path) -> None:
        self._disks.adopt(checkpoint, directory)

    def keep_only(self, checkpoints: set[str]) -> None:
        self._disks.keep_only(checkpoints)
