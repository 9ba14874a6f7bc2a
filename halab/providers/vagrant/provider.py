"""Nodes as virtual machines. Vagrant makes and removes them; libvirt switches, suspends and snapshots them.

The lab's networks are isolated networks of libvirt, in which the host has no address. The workstation is a network
namespace, as with containers. A cable of its own (a veth pair) joins it to each network's bridge.
"""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.pace import Pace, pace
from halab.kit.parallel import for_each
from halab.kit.paths import name_on_host
from halab.kit.process import CommandResult, must, run
from halab.providers import (
    SWITCHED_OFF,
    SYSTEM_PATH,
    BmcDaemon,
    Followed,
    Origin,
    Outside,
    Premises,
    host,
    rights,
    sandbox,
)
from halab.providers.namespaces import Namespaces
from halab.providers.vagrant import command, packages
from halab.providers.vagrant.domains import Domains
from halab.providers.vagrant.machines import Machines
from halab.providers.vagrant.shells import UNREACHABLE, Shells, followed, quoted
from halab.providers.vagrant.snapshots import DiskSnapshots, Snapshots, SystemSnapshots
from halab.providers.vagrant.vagrantfile import VAGRANTFILE, Names
from halab.spec.models import mac

MIB = 2**20
DISK_PER_NODE = 8 * 2**30  # bytes: what the labs install, and a checkpoint of disk and memory after each step
WORKSTATION = "\0workstation"  # stands for the workstation where a node's name is expected; no node has this name
SETUP = """\
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
ip link set lo up
"""


class Vagrant:
    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._names = Names.of(premises.directory)
        self._nodes = {node.name: node for node in premises.spec.nodes}
        self._domains = Domains(self._names, list(self._nodes), premises.directory / VAGRANTFILE)
        self._snapshots: Snapshots = (DiskSnapshots if premises.disk_only else SystemSnapshots)(self._domains)
        self._shells = Shells(premises.directory)
        self._machines = Machines(premises, self._names, self._domains, self._shells)
        self._namespaces = Namespaces(premises.directory)
        self.learner_argv = sandbox.Sandbox(premises.directory, premises.spec, self._namespaces).argv

    def prepare(self, say: Callable[[str], None]) -> None:
        host.ensure(host.MACHINE_TOOLS, say)
        packages.ensure(say)

    @property
    def pace(self) -> Pace:
        return pace(self._machines.slowness)

    @property
    def saves_memory(self) -> bool:
        return not self._snapshots.needs_power_off

    def problems(self) -> list[str]:
        if reason := rights.no_nodes_because():
            return [reason]
        if missing := packages.missing():
            return [f"the Python packages {', '.join(missing)} are missing; `inv up` installs them"]
        try:
            strangers = self._domains.strangers()
        except LabError as error:
            return [f"{error}; is libvirt running? try: systemctl start libvirtd (or virtqemud.socket)"]
        needed = len(self._nodes)
        memory = 0 if self._machines.are_whole() else needed * self._premises.spec.machine.memory * MIB
        found = host.shortage(memory, needed * DISK_PER_NODE, Path("/var/lib/libvirt/images"))
        found += [f"there is a virtual machine {name} already, which is not halab's; rename it" for name in strangers]
        plug_in = None if self._machines.are_whole() else command.problem()
        return [*found, plug_in] if plug_in else found

    def make_image(self, say: Callable[[str], None]) -> str | None:
        return None if self._machines.were_begun() else self._machines.make_box(say)

    def up(self) -> None:
        if not self._machines.are_whole():
            self._machines.make()
        if gone := [node for node, state in self._domains.states().items() if state == "absent"]:
            machines = ", ".join(map(self._names.domain, gone))
            raise LabError(f"{machines} was removed by other means, and its checkpoints with it; try: inv down up")
        self._plug_workstation()
        states = self._domains.states()
        self._domains.resume([name for name, state in states.items() if state == "frozen"])
        for_each([name for name, state in states.items() if state == "off"], self.power_on)

    def down(self) -> None:
        self._shells.hang_up()
        self._namespaces.down()
        for name, _ in self._premises.spec.networks.by_name():  # now, and not when the kernel gets round to it
            run(["ip", "link", "del", "dev", self._names.port(WORKSTATION, name)])
        for name in {name_on_host(self._premises.directory), self._names.instance}:
            run(["nft", f"delete table bridge halab-{name}"])  # the rules of faults, if there are any
        if self._machines.were_begun():
            self.prepare(print)  # .venv may have been made anew since
            self._machines.remove()

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        start = self._domains.start_of(node)
        self._shells.keep_open(node, start)
        result = run(
            self._shells.argv(node, start, quoted(argv, {"PATH": SYSTEM_PATH})),
            input=input,
            timeout=timeout * self.pace.slowness,
        )
        if result.rc == UNREACHABLE:
            state = self.power_states()[node]
            raise LabError(f"{node} is not reachable: {result.cause() if state == 'on' else f'it is {state}'}")
        return result

    def outside(self) -> Mapping[str, Outside]:
        return {}  # while a machine runs, its disk and its processes are its own

    def follow(self, node: str, argv: Sequence[str]) -> Followed:
        start = self._domains.start_of(node)
        self._shells.keep_open(node, start)
        return followed(self._shells.argv(node, start, quoted(argv, {"PATH": SYSTEM_PATH})))

    def leave(self, node: str) -> None:
        pass  # the connection is that of all processes, and ends with the machine

    ask = run  # the machine's own programs answer: halab does not see into a machine

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        return self._shells.argv(node, self._domains.start_of(node), quoted(shell, env), terminal=terminal)

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        return self._namespaces.enter(argv)

    def workstation_socket(self) -> socket.socket:
        return self._namespaces.tcp_socket()

    def bmc_daemons(self) -> list[BmcDaemon]:
        argv = [sys.executable, "-m", "halab.instance.vbmcd", self._premises.instance]
        return [BmcDaemon("vbmcd", tuple(self._nodes), tuple(argv))]

    def power_states(self) -> dict[str, str]:
        return self._domains.states()

    def open_power(self, node: str) -> int | None:
        return self._domains.open_process(node)

    def limits_met(self) -> dict[str, list[str]]:
        return {node.name: [] for node in self._premises.spec.nodes}  # its own kernel tells

    def not_limited(self) -> list[str]:
        return sandbox.impossible()

    def power_on(self, node: str) -> None:
        self._domains.power_on(node)

    def power_off(self, node: str) -> None:
        self._shells.hang_up(node)
        self._domains.power_off(node)

    def ended(self, node: str) -> str | None:
        return SWITCHED_OFF if self._domains.shut_itself_down(node) else None

    def each_end(self, node: str) -> Iterator[None]:
        return iter(
            ()
        )  # a machine that reboots keeps its power: libvirt's on_reboot is `restart` where nothing is said

    def shut_down(self, node: str) -> None:
        self._domains.shut_down(node)

    def freeze(self, nodes: Sequence[str]) -> None:
        self._domains.suspend(nodes)

    def thaw(self, nodes: Sequence[str]) -> None:
        states = self.power_states()
        self._domains.resume([name for name in nodes if states[name] == "frozen"])

    def port(self, node: str, network: str) -> str:
        return self._names.port(node, network)

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        self._domains.set_carrier(node, self.port(node, network), up)

    def has_carrier(self, node: str, network: str) -> bool:
        return self._domains.has_carrier(node, self.port(node, network))

    def save(self, checkpoint: str) -> bool:
        if self._snapshots.needs_power_off:  # sync, as the disk alone would not have what is only in memory
            for_each([node for node, state in self.power_states().items() if state == "on"], self._sync)
        running = self._stop()
        try:
            self._snapshots.save(checkpoint, running)
        finally:
            self._go_on(running)
        return self._snapshots.needs_power_off

    def restore(self, checkpoint: str) -> None:
        self._shells.hang_up()
        self._stop()
        self._go_on(self._snapshots.revert(checkpoint))

    def lineage(self) -> str | None:
        """None: snapshots are inside the disks of their machines."""
        return None

    def origin(self) -> Origin:
        raise LabError(
            "checkpoints of virtual machines are inside their disks, and cannot be taken to another machine; "
            "those of containers can: inv lab --provider podman"
        )

    def export(self, checkpoint: str, directory: Path, beside: Sequence[str] = ()) -> None:
        raise NotImplementedError

    def vet(self, checkpoint: str, directory: Path, beside: Mapping[str, Path]) -> None:
        raise NotImplementedError

    def adopt(self, checkpoint: str, directory: Path) -> None:
        raise NotImplementedError

    def keep_only(self, checkpoints: set[str]) -> None:
        there = self._snapshots.names()
        others = {node: [name for name in names if name not in checkpoints] for node, names in there.items()}
        if not any(others.values()):
            return
        running = self._stop()
        try:
            self._snapshots.forget(others)
        finally:
            self._go_on(running)

    def _sync(self, node: str) -> None:
        if not (result := self.run(node, ["sync"])).ok:
            raise LabError(f"{node}: its disk could not be brought up to date: {result.cause()}")

    def _stop(self) -> list[str]:
        """Stop all machines, and return those that ran.

        All are suspended before anything is done to one, as a machine that ran on would see its peer vanish.
        """
        running = [node for node, state in self._domains.states().items() if state == "on"]
        self._domains.suspend(running)
        if self._snapshots.needs_power_off:
            for_each(self._nodes, self.power_off)
        return running

    def _go_on(self, nodes: list[str]) -> None:
        if self._snapshots.needs_power_off:
            for_each(nodes, self.power_on)
            return
        self._domains.resume(nodes)
        self._domains.set_clocks(nodes)

    def _plug_workstation(self) -> None:
        """Join the workstation to the lab's networks, with its own addresses and those of the BMCs."""
        self._namespaces.hold(SETUP)
        lines = []
        for name, network in self._premises.spec.networks.by_name():
            bridge, port = self._domains.bridge(name), self._names.port(WORKSTATION, name)
            if not run(["ip", "link", "show", "dev", port]).ok:
                peer = ["peer", "name", name, "address", mac(network.workstation.packed)]
                netns = ["netns", str(self._namespaces.holder())]
                must(["ip", "link", "add", port, "type", "veth", *peer, *netns])
            must(["ip", "link", "set", port, "master", bridge, "up"])
            length = network.subnet.prefixlen
            lines += [f"link set {name} up", f"addr replace {network.workstation}/{length} brd + dev {name}"]
        length = self._premises.spec.networks.mgmt.subnet.prefixlen
        lines += [f"addr replace {node.bmc}/{length} dev mgmt" for node in self._premises.spec.nodes]
        must(self._namespaces.enter(["ip", "-batch", "-"]), input="\n".join(lines) + "\n")
