"""The networks of container nodes: bridges `lan` and `mgmt` on the workstation, which the nodes are plugged into.

The workstation's own address on a network is its bridge's; on `mgmt` it has the BMCs' addresses besides.
"""

import shlex
from pathlib import Path

from halab.kit.process import must, run
from halab.providers.namespaces import Namespaces
from halab.spec.models import LabSpec, NodeSpec, mac

# Where cgroups are v1 or hybrid, podman and systemd find the unified hierarchy they need in the mount namespace; the
# others stay within reach, as they limit what a node may use (cgroups.py).
# A container is given /dev/null itself, as a user namespace may make no devices (user_namespaces(7)), and the runtime
# makes whatever its standard input is the container's root's. So nodes have another one than the host has.
SETUP = """\
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    mkdir -p {cgroups}
    mount --rbind /sys/fs/cgroup {cgroups}
    mount -t cgroup2 halab /sys/fs/cgroup
fi
mkdir -p {devices}
mount -t tmpfs -o mode=755,size=64k halab {devices}
mknod -m 666 {devices}/null c 1 3
mount --bind {devices}/null /dev/null
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
printf %s {batch} | ip -batch -
"""


class Network(Namespaces):
    """Namespaces with a bridge for each of the lab's networks."""

    def __init__(self, directory: Path, spec: LabSpec) -> None:
        super().__init__(directory)
        self.hierarchies = directory / "cgroups"  # of version 1, as they are seen there
        self._devices = directory / "devices"
        self._spec = spec

    def up(self) -> None:
        """Make the namespaces and the bridges if they are not there."""
        own = {"cgroups": self.hierarchies, "devices": self._devices, "batch": self._batch()}
        self.hold(SETUP.format(**{name: shlex.quote(str(value)) for name, value in own.items()}))

    def plug(self, node: NodeSpec, pid: int) -> None:
        """Connect the network namespace of process `pid` to all bridges, as the node's eth0 (lan) and eth1 (mgmt)."""
        if self._its_ports(node):
            self.unplug(node)
        ports, interfaces = [], ["link set lo up"]
        for number, (name, network) in enumerate(self._spec.networks.by_name()):
            address = getattr(node, name)
            port, interface = port_name(node, name), f"eth{number}"
            ports.append(f"link add {port} type veth peer name {interface} address {mac(address.packed)} netns {pid}")
            ports.append(f"link set {port} master {name} up")
            interfaces.append(f"addr add {address}/{network.subnet.prefixlen} brd + dev {interface}")
            interfaces.append(f"link set {interface} up")
        must(self.enter(["ip", "-batch", "-"]), input="\n".join(ports) + "\n")
        must(["nsenter", f"--target={pid}", "--net", "ip", "-batch", "-"], input="\n".join(interfaces) + "\n")

    def unplug(self, node: NodeSpec) -> None:
        """Pull all cables of a node. What is not there is already unplugged."""
        batch = "".join(f"link del {port_name(node, name)}\n" for name, _ in self._spec.networks.by_name())
        run(self.enter(["ip", "-force", "-batch", "-"]), input=batch)

    def is_plugged(self, node: NodeSpec) -> bool:
        """Return whether all cables of a node are there, with or without carrier."""
        return len(self._its_ports(node)) == len(self._spec.networks.by_name())

    def _its_ports(self, node: NodeSpec) -> set[str]:
        """Return the node's ports that are there. They are read from /proc/PID/net/dev (proc(5)), as programs take
        longer.
        """
        listed = Path(f"/proc/{self.holder()}/net/dev").read_text().splitlines()[2:]
        there = {line.partition(":")[0].strip() for line in listed}
        return there & {port_name(node, name) for name, _ in self._spec.networks.by_name()}

    def silence(self, node: NodeSpec, silent: bool) -> None:
        """Let a node's ports pass no frame (or all again), without its carrier going down.

        A port whose cable is pulled cannot be told to pass frames, and passes all once it is plugged in again.
        """
        state, tell = ("disabled", must) if silent else ("forwarding", run)
        for name, _ in self._spec.networks.by_name():
            tell(self.enter(["bridge", "link", "set", "dev", port_name(node, name), "state", state]))

    def _batch(self) -> str:
        lines = ["link set lo up"]
        for name, network in self._spec.networks.by_name():
            length = network.subnet.prefixlen
            lines.append(f"link add {name} address {mac(network.workstation.packed)} type bridge")
            lines.append(f"addr add {network.workstation}/{length} brd + dev {name}")
            lines.append(f"link set {name} up")
        length = self._spec.networks.mgmt.subnet.prefixlen
        lines += [f"addr add {node.bmc}/{length} dev mgmt" for node in self._spec.nodes]
        return "\n".join(lines) + "\n"


def port_name(node: NodeSpec, network: str) -> str:
    """Return the name of the bridge port, in the workstation's namespace, that a node's cable ends in."""
    return f"{node.name}-{network}"
