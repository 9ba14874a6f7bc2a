"""Saved states of an instance's machines: memory and disk (libvirt's full-system snapshots), or disks alone.

Both are kept in the disk's own image (qcow2). Machines must not run while they are saved, brought back or forgotten.
"""

import json
from collections.abc import Collection
from typing import Protocol

from halab.kit.parallel import for_each
from halab.kit.process import must
from halab.kit.xml import parse_xml
from halab.providers.vagrant.domains import Domains
from halab.providers.vagrant.libvirtd import asking, library

TIMEOUT = 600  # seconds for one image


class Snapshots(Protocol):
    """Saves machines and brings them back. `powered` are the nodes that run on, or boot, once they are back."""

    needs_power_off: bool

    def save(self, name: str, powered: Collection[str]) -> None: ...
    def revert(self, name: str) -> list[str]:
        """Bring all machines back, and return the powered ones. None of them runs yet."""

    def names(self) -> dict[str, list[str]]:
        """Return the names of each node's snapshots."""

    def forget(self, names: dict[str, list[str]]) -> None: ...


class SystemSnapshots:
    """Snapshots of suspended machines, which go on from there, and of machines that are off."""

    needs_power_off = False

    def __init__(self, domains: Domains) -> None:
        self._domains = domains

    def save(self, name: str, powered: Collection[str]) -> None:
        def take(node: str) -> None:
            with asking(f"{node}, saving"):
                self._domains.domain(node).snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")

        for_each(self._domains.disks(), take)

    def revert(self, name: str) -> list[str]:
        libvirt = library()

        def bring_back(node: str) -> str | None:
            with asking(f"{node}, going back"):
                domain = self._domains.domain(node)
                saved = domain.snapshotLookupByName(name)
                had_power = parse_xml(saved.getXMLDesc()).findtext("state") != "shutoff"
                flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED if had_power else 0
                domain.revertToSnapshot(saved, flags | libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
                return node if had_power else None

        return [node for node in for_each(self._domains.disks(), bring_back) if node]

    def names(self) -> dict[str, list[str]]:
        with asking("its snapshots"):
            return {node: self._domains.domain(node).snapshotListNames() for node in self._domains.disks()}

    def forget(self, names: dict[str, list[str]]) -> None:
        def drop(node: str) -> None:
            with asking(f"{node}, forgetting"):
                for name in names[node]:
                    self._domains.domain(node).snapshotLookupByName(name).delete()

        for_each(names, drop)


class DiskSnapshots:
    """Snapshots of machines that are off.

    They are for hosts whose libvirt cannot save the memory of a machine that boots by UEFI. The snapshot's name tells
    whether the machine is powered. QEMU allows 255 bytes for it.
    """

    needs_power_off = True

    def __init__(self, domains: Domains) -> None:
        self._domains = domains

    def save(self, name: str, powered: Collection[str]) -> None:
        for_each(
            self._domains.disks().items(),
            lambda item: _qemu_img("-c", f"{name}.{'on' if item[0] in powered else 'off'}", item[1]),
        )

    def revert(self, name: str) -> list[str]:
        powered = [node for node, there in self._there().items() if f"{name}.on" in there]

        def bring_back(item: tuple[str, str]) -> None:
            _qemu_img("-a", f"{name}.{'on' if item[0] in powered else 'off'}", item[1])

        for_each(self._domains.disks().items(), bring_back)
        return powered

    def names(self) -> dict[str, list[str]]:
        return {node: [tag.rpartition(".")[0] for tag in tags] for node, tags in self._there().items()}

    def forget(self, names: dict[str, list[str]]) -> None:
        disks, there = self._domains.disks(), self._there()
        for node, dropped in names.items():
            for tag in there[node]:
                if tag.rpartition(".")[0] in dropped:
                    _qemu_img("-d", tag, disks[node])

    def _there(self) -> dict[str, list[str]]:
        return {node: tags(disk) for node, disk in self._domains.disks().items()}


def tags(disk: str) -> list[str]:
    """Return the names of the snapshots in a disk's image. The image may be in use."""
    told = must(["qemu-img", "info", "--force-share", "--output=json", disk]).stdout
    return [snapshot["name"] for snapshot in json.loads(told).get("snapshots", [])]


def _qemu_img(act: str, tag: str, disk: str) -> None:
    must(["qemu-img", "snapshot", act, tag, disk], timeout=TIMEOUT)
