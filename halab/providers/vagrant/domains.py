"""An instance's machines as libvirt sees them: their power, their clocks, their networks.

The methods ask libvirt itself, and deal with all machines at once. Vagrant would take one after the other.
"""

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring
from xml.sax.saxutils import escape

from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.kit.xml import parse_xml
from halab.providers.vagrant.libvirtd import asking, connection, library
from halab.providers.vagrant.vagrantfile import Names

RUNNING = Path("/run/libvirt/qemu")  # where libvirt has the pid of each machine's process
AGENT_PATIENCE = 30  # seconds for a guest agent to set its clock


class Domains:
    """The machines of one instance. Nodes have the lab's names.

    `source` is the path of the Vagrantfile. It tells this instance's domains from others.
    """

    def __init__(self, names: Names, nodes: Sequence[str], source: Path) -> None:
        self._names = names
        self._nodes = list(nodes)
        self._source = f"Source: {source}"

    def states(self) -> dict[str, str]:
        """Return the power of each node, as Provider.power_states does."""
        libvirt = library()

        off = dict.fromkeys((libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED), "off")
        words = {**off, libvirt.VIR_DOMAIN_PAUSED: "frozen"}
        found = dict.fromkeys(self._nodes, "absent")
        with asking("its machines"):
            for node, domain in self._mine().items():
                found[node] = words.get(domain.state()[0], "on")
        return found

    def shut_itself_down(self, node: str) -> bool:
        """Return whether a machine is off because its own system has switched it off."""
        libvirt = library()

        with asking(node):
            state, reason = self.domain(node).state()
        return bool(state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN)

    def start_of(self, node: str) -> int:
        """Return libvirt's number of the machine's current start. Raises LabError when the machine is off."""
        with asking(node):
            number: int = self.domain(node).ID()
        if number < 0:
            raise LabError(f"{node} is not reachable: it is off")
        return number

    def power_on(self, node: str) -> None:
        with asking(node, "already running"):
            domain = self.domain(node)
            if not domain.isActive():
                domain.create()

    def power_off(self, node: str) -> None:
        with asking(node, "domain is not running"):
            domain = self.domain(node)
            if domain.isActive():
                domain.destroy()

    def shut_down(self, node: str) -> None:
        with asking(node, "domain is not running"):
            domain = self.domain(node)
            if domain.isActive():
                domain.shutdown()

    def suspend(self, nodes: Collection[str]) -> None:
        for_each(nodes, lambda node: self._do(node, "suspend"))

    def resume(self, nodes: Collection[str]) -> None:
        for_each(nodes, lambda node: self._do(node, "resume"))

    def set_carrier(self, node: str, port: str, up: bool) -> None:
        with asking(f"{node}'s cable"):
            domain = self.domain(node)
            interface = _interface(domain.XMLDesc(), port)
            for old in interface.findall("link"):
                interface.remove(old)
            SubElement(interface, "link", state="up" if up else "down")
            domain.updateDeviceFlags(tostring(interface, encoding="unicode"))

    def has_carrier(self, node: str, port: str) -> bool:
        with asking(f"{node}'s cable"):
            return is_plugged(self.domain(node).XMLDesc(), port)

    def open_process(self, node: str) -> int | None:
        """Return a descriptor (pidfd_open(2)) of the process that the machine is; None when there is none."""
        try:
            return os.pidfd_open(int((RUNNING / f"{self._names.domain(node)}.pid").read_text()))
        except (OSError, ValueError):
            return None

    def set_clocks(self, nodes: Collection[str]) -> None:
        """Tell guests the time, through their agents. A machine that was stopped has not noticed that time passed."""
        libvirt = library()

        def tell(node: str) -> None:
            with asking(f"{node}, setting its clock"):
                domain = self.domain(node)
                libvirt.virDomain.agentSetResponseTimeout(domain, AGENT_PATIENCE)
                now = time.time()
                domain.setTime({"seconds": int(now), "nseconds": int(now % 1 * 1e9)})

        for_each(nodes, tell)

    def disks(self) -> dict[str, str]:
        """Return the image file of each machine's disk, by node."""
        found = {}
        with asking("its machines"):
            for node, domain in self._mine().items():
                source = parse_xml(domain.XMLDesc()).find("devices/disk[@device='disk']/source")
                found[node] = (source.get("file") if source is not None else None) or ""
        return found

    def boots_by_uefi(self) -> bool:
        with asking("its machines"):
            return any(by_uefi(domain.XMLDesc()) for domain in self._mine().values())

    def bridge(self, network: str) -> str:
        """Return the bridge of one of the lab's networks.

        The network is started if it is not active, as after the host's boot.
        """
        with asking(f"network {self._names.network(network)}"):
            found = connection().networkLookupByName(self._names.network(network))
            if not found.isActive():
                found.create()
            return str(found.bridgeName())

    def strangers(self) -> list[str]:
        """Return domains that have the names of this instance's, but are not its own."""
        with asking("its machines"):
            wanted = {self._names.domain(node) for node in self._nodes}
            there = {domain.name() for domain in connection().listAllDomains()} & wanted
            return sorted(there - {domain.name() for domain in self._mine().values()})

    def remove(self, networks: Sequence[str]) -> None:
        """Remove what Vagrant does not know, or no longer knows: domains with disks and snapshots, and networks."""
        libvirt = library()

        flags = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        disks = self.disks()
        with asking("its machines"):
            for node, domain in self._mine().items():
                if domain.isActive():
                    domain.destroy()
                domain.undefineFlags(flags)
                self._delete_volume(disks[node])
            there = {network.name(): network for network in connection().listAllNetworks()}
            for name in map(self._names.network, networks):
                if network := there.get(name):
                    if network.isActive():
                        network.destroy()
                    if network.isPersistent():
                        network.undefine()

    def _delete_volume(self, path: str) -> None:
        with asking(path, "no storage vol"):
            connection().storageVolLookupByPath(path).delete()

    def _mine(self) -> dict[str, Any]:
        """Return this instance's domains by node.

        Vagrant writes the Vagrantfile's path into each domain that it makes.
        """
        by_name = {self._names.domain(node): node for node in self._nodes}
        found = {}
        for domain in connection().listAllDomains():
            if domain.name() in by_name and f"<description>{escape(self._source)}</description>" in domain.XMLDesc():
                found[by_name[domain.name()]] = domain
        return found

    def domain(self, node: str) -> Any:
        return connection().lookupByName(self._names.domain(node))

    def _do(self, node: str, what: str) -> None:
        with asking(f"{node}, to {what}"):
            getattr(self.domain(node), what)()


def _interface(xml: str, port: str) -> Element:
    """Return the network interface, in a domain's XML, whose cable ends in that port of the host."""
    return next(
        found
        for found in parse_xml(xml).findall("devices/interface")
        if (target := found.find("target")) is not None and target.get("dev") == port
    )


def is_plugged(xml: str, port: str) -> bool:
    """Return whether, in a domain's XML, the cable that ends in that port of the host is plugged in."""
    link = _interface(xml, port).find("link")
    return link is None or link.get("state") != "down"


def by_uefi(xml: str) -> bool:
    """Return whether a domain's XML makes it boot by UEFI: libvirt chooses firmware, or a flash image is given."""
    system = parse_xml(xml).find("os")
    loader = system.find("loader") if system is not None else None
    return (system is not None and system.get("firmware") == "efi") or (
        loader is not None and loader.get("type") == "pflash"
    )
