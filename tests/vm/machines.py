"""What is on the host of virtual machines, as libvirt reports it."""

import re
import socket
import subprocess
from pathlib import Path

from halab.conditions import Node
from halab.instance.instance import instances_dir
from halab.kit.process import find_daemons
from halab.providers.vagrant.provider import WORKSTATION
from halab.providers.vagrant.vagrantfile import Names


def virsh(*arguments: str) -> str:
    return subprocess.run(["virsh", *arguments], capture_output=True, text=True, check=True).stdout


def domain(instance: str, node: str) -> str:
    return Names.of(instances_dir() / instance).domain(node)


def leftovers(instance: str) -> list[str]:
    """Return everything of an instance that could have been left on the host."""
    prefix = f"halab-{instance}-"
    listings = [["list", "--all"], ["net-list", "--all"]]
    listings += [["vol-list", pool] for pool in virsh("pool-list", "--name").split()]
    said = "".join(virsh(*listing) for listing in listings)
    state = instances_dir() / instance
    logs = list(Path("/var/log/libvirt/qemu").glob(f"{prefix}*-console.log"))
    links = {name for _, name in socket.if_nameindex()}
    names = Names.of(state)
    ports = {names.port(node, net) for node in ("node1", "node2", "node3", WORKSTATION) for net in ("lan", "mgmt")}
    return [
        *re.findall(rf"{prefix}\S+", said),
        *map(str, logs),
        *(str(pid) for pid in find_daemons(str(state))),
        *([str(state)] if state.exists() else []),
        *sorted(links & ports),
    ]


def boot_of(node: Node) -> str:
    return node.run("cat", "/proc/sys/kernel/random/boot_id").stdout
