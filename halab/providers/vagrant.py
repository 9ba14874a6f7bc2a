"""Nodes as virtual machines: Vagrant makes and removes them, libvirt switches, suspends and snapshots them.

The lab's networks are isolated networks of libvirt, without an address of the host. The workstation is a network
namespace, as with containers, joined to their bridges by a cable (a veth pair) of its own.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from halab import boxes, extras, host, libvirtd
from halab.distros import load
from halab.errors import LabError
from halab.files import write_atomically
from halab.images import ROOT_PASSWORD
from halab.namespaces import Namespaces
from halab.network import mac
from halab.parallel import for_each
from halab.process import CommandResult, end_daemons, must, run
from halab.providers import SYSTEM_PATH, BmcDaemon, Site
from halab.providers.domains import Domains
from halab.providers.shells import UNREACHABLE, Shells, quoted
from halab.providers.snapshots import DiskSnapshots, Snapshots, SystemSnapshots
from halab.vagrantfile import Names, render, render_script
from halab.wait import allow_for, patience

MIB = 2**20
UEFI_SAVED_SINCE = (10, 10, 0)  # libvirt's news: internal snapshots of machines with UEFI firmware
DISK_PER_NODE = 8 * 2**30  # bytes: what the labs install, and a checkpoint of disk and memory after each step
EMULATED = 10.0  # how many times slower than a container, or with KVM, a machine is that QEMU emulates
WORKSTATION = "\0workstation"  # stands for the workstation where a node's name is asked for; no node has it
SETUP = """\
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
ip link set lo up
"""


class Vagrant:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._names = Names(site.instance)
        self._nodes = {node.name: node for node in site.spec.nodes}
        self._vagrantfile = site.directory / "Vagrantfile"
        self._made = site.directory / "made"  # there when all machines are whole
        self._log = site.directory / "vagrant.log"
        self._mark = f"{site.directory}/vagrant"
        self._domains = Domains(self._names, list(self._nodes), self._vagrantfile)
        self._snapshots: Snapshots = (DiskSnapshots if site.disk_only else SystemSnapshots)(self._domains)
        self._shells = Shells(site.directory)
        self._namespaces = Namespaces(site.directory)

    def prepare(self, say: Callable[[str], None]) -> None:
        host.ensure(host.MACHINE_TOOLS, say)
        extras.ensure(say)

    @property
    def slowness(self) -> float:
        emulated = self._vagrantfile.exists() and 'driver = "qemu"' in self._vagrantfile.read_text()
        return EMULATED if emulated else 1.0

    @property
    def saves_memory(self) -> bool:
        return not self._snapshots.needs_power_off

    def problems(self) -> list[str]:
        if os.geteuid() != 0:
            return ["networks of the instance's own need root; become root and type the same again"]
        if missing := extras.missing():
            return [f"the Python packages {', '.join(missing)} are missing; `inv up` installs them"]
        try:
            strangers = self._domains.strangers()
        except LabError as error:
            return [f"{error}; is libvirtd running? try: systemctl start libvirtd"]
        needed = len(self._nodes)
        memory = 0 if self._made.exists() else needed * self._site.spec.machine.memory * MIB
        found = host.shortage(memory, needed * DISK_PER_NODE, Path("/var/lib/libvirt/images"))
        found += [f"there is a virtual machine {name} already, which is not halab's; rename it" for name in strangers]
        plug_in = None if self._made.exists() else host.vagrant_problem()
        return [*found, plug_in] if plug_in else found

    def up(self) -> None:
        if not self._made.exists():
            self._make()
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
        for name, _ in self._site.spec.networks.by_name():  # at once, and not when the kernel comes to it
            run(["ip", "link", "del", "dev", self._names.port(WORKSTATION, name)])
        run(["nft", f"delete table bridge halab-{self._site.instance}"])  # the rules of faults, if there are any
        if self._vagrantfile.exists():
            self.prepare(print)  # .venv may have been made anew since
            self._remove()

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        start = self._domains.start_of(node)
        self._shells.keep_open(node, start)
        result = run(
            self._shells.argv(node, start, quoted(argv, {"PATH": SYSTEM_PATH})), input=input, timeout=patience(timeout)
        )
        if result.rc == UNREACHABLE:
            state = self.power_states()[node]
            raise LabError(f"{node} is not reachable: {result.last_line() if state == 'on' else f'it is {state}'}")
        return result

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        return self._shells.argv(node, self._domains.start_of(node), quoted(shell, env), terminal=terminal)

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        return self._namespaces.enter(argv)

    def bmc_daemons(self) -> list[BmcDaemon]:
        argv = [sys.executable, "-m", "halab.vbmcd", self._site.instance]
        return [BmcDaemon("vbmcd", tuple(self._nodes), tuple(argv))]

    def power_states(self) -> dict[str, str]:
        return self._domains.states()

    def power_on(self, node: str) -> None:
        self._domains.power_on(node)

    def power_off(self, node: str) -> None:
        self._shells.hang_up(node)
        self._domains.power_off(node)

    def shut_down(self, node: str) -> None:
        self._domains.shut_down(node)

    def freeze(self, nodes: Sequence[str]) -> None:
        self._domains.suspend(nodes)

    def thaw(self, nodes: Sequence[str]) -> None:
        self._domains.resume(nodes)

    def port(self, node: str, network: str) -> str:
        return self._names.port(node, network)

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        self._domains.set_carrier(node, self.port(node, network), up)

    def save(self, checkpoint: str) -> bool:
        if self._snapshots.needs_power_off:  # what a machine has in memory only, its disk would not have
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
        """Snapshots live inside the disks of their machines."""
        return None

    def export(self, checkpoint: str, directory: Path) -> None:
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
            raise LabError(f"{node}: its disk could not be brought up to date: {result.last_line()}")

    def _stop(self) -> list[str]:
        """Stop all machines at once, and only then do anything to one: one that runs on sees its peer vanish.

        Returns those that ran.
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

    def _make(self) -> None:
        """Make all machines, from nothing."""
        distro, spec = load(self._site.distro), self._site.spec
        self._remove()
        driver = "kvm" if libvirtd.has_kvm() else "qemu"
        folder = boxes.ensure(distro, host.vagrant_public_key(), print)
        box = boxes.upload(distro, folder)
        script = self._site.directory / "provision.sh"
        if distro.box:
            write_atomically(script, render_script(distro, ROOT_PASSWORD))
        write_atomically(self._vagrantfile, render(spec, self._names, distro, box, driver, script))
        allow_for(self.slowness)
        if driver == "qemu":
            print(f"this host has no KVM, so the machines are emulated: they take {EMULATED:g} times as long")
        self._vagrant("up")
        if libvirtd.version() < UEFI_SAVED_SINCE and not self._site.disk_only and self._domains.boots_by_uefi():
            raise LabError(
                "this libvirt cannot save the memory of machines that boot by UEFI, as these do; "
                "try: inv down, then: inv lab --disk-only up"
            )
        self._shells.know({node: self._ssh_options(node) for node in self._nodes})
        self._made.touch()

    def _remove(self) -> None:
        """Remove all machines: those that Vagrant knows of, and then whatever is left of them."""
        end_daemons(self._mark)  # a Vagrant that outlived the command that started it
        if self._vagrantfile.exists():
            with suppress(LabError):  # what Vagrant cannot remove, libvirt can
                self._vagrant("destroy")
        self._domains.remove([name for name, _ in self._site.spec.networks.by_name()])
        for node in self._nodes:
            self._names.serial_log(node).unlink(missing_ok=True)
        self._made.unlink(missing_ok=True)

    def _vagrant(self, what: str) -> None:
        """`vagrant up` or `vagrant destroy`. Raises LabError with the first thing that Vagrant complained about."""
        import subprocess

        import vagrant

        self._log.touch()
        begin = self._log.stat().st_size
        out = vagrant.make_file_cm(str(self._log))
        made = vagrant.Vagrant(str(self._site.directory), out_cm=out, err_cm=out, env=self._environment)
        try:
            made.up(provider="libvirt") if what == "up" else made.destroy()
        except subprocess.CalledProcessError:
            said = self._log.read_bytes()[begin:].decode(errors="replace")
            raise LabError(f"`vagrant {what}` failed: {complaint(said)}; the log is {self._log}") from None

    def _ssh_options(self, node: str) -> dict[str, str]:
        """How Vagrant reaches a machine."""
        import vagrant

        made = vagrant.Vagrant(str(self._site.directory), env=self._environment)
        known = made.conf(vm_name=node)
        return {option: known[option] for option in ("HostName", "Port", "IdentityFile")}

    @cached_property
    def _environment(self) -> dict[str, str]:
        settings = {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", "HALAB_MARK": self._mark}
        return {**os.environ, **settings}

    def _plug_workstation(self) -> None:
        """Join the workstation to the lab's networks, with its own addresses and those of the BMCs."""
        self._namespaces.hold(SETUP)
        lines = []
        for name, network in self._site.spec.networks.by_name():
            bridge, port = self._domains.bridge(name), self._names.port(WORKSTATION, name)
            if not run(["ip", "link", "show", "dev", port]).ok:
                peer = ["peer", "name", name, "address", mac(network.workstation.packed)]
                netns = ["netns", str(self._namespaces.holder())]
                must(["ip", "link", "add", port, "type", "veth", *peer, *netns])
            must(["ip", "link", "set", port, "master", bridge, "up"])
            length = network.subnet.prefixlen
            lines += [f"link set {name} up", f"addr replace {network.workstation}/{length} brd + dev {name}"]
        length = self._site.spec.networks.mgmt.subnet.prefixlen
        lines += [f"addr replace {node.bmc}/{length} dev mgmt" for node in self._site.spec.nodes]
        must(self._namespaces.enter(["ip", "-batch", "-"]), input="\n".join(lines) + "\n")


def complaint(said: str) -> str:
    """The first paragraph that Vagrant printed and that tells of no progress, as one line."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)  # ECMA-48: progress clears its line
    lines = [line.strip() for line in plain.replace("\r", "\n").splitlines()]
    left = [line for line in lines if not re.match(r"==> |\S+: |Bringing machine |Progress:", line)]
    paragraphs = [" ".join(paragraph.split("\n")) for paragraph in "\n".join(left).split("\n\n")]
    first = next((text.strip() for text in paragraphs if text.strip()), "it printed nothing")
    raised = re.match(r"\S+\.rb:\d+:in \S+ (.*?) \([A-Z]\w*(::\w+)*\) from ", first)  # Ruby's traceback
    return raised[1] if raised else first
