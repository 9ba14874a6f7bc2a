"""The instance's own namespaces: the workstation, and the bridges that the nodes are plugged into.

One holder process keeps a network namespace (bridges `lan` and `mgmt`, the workstation's and the BMCs' addresses)
and a mount namespace. Nothing of it is visible in the host's own namespaces; all of it dies with the holder.
"""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from halab.errors import LabError
from halab.models import LabSpec, NodeSpec
from halab.process import end_daemons, find_daemons, mark_of, must, run, start_daemon
from halab.wait import TimedOut, wait

# Where cgroups are v1 or hybrid, podman and systemd find the unified hierarchy they need in the mount namespace.
HOLDER = """\
set -e
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 halab /sys/fs/cgroup
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
printf %s {batch} | ip -batch -
exec sleep infinity
"""


class Network:
    """The namespaces of one instance. `mark` finds the holder in the process table (see process.start_daemon)."""

    def __init__(self, mark: str, spec: LabSpec, log: Path) -> None:
        self._mark = mark
        self._spec = spec
        self._log = log
        self._known: int | None = None

    def holder(self) -> int | None:
        """The pid that keeps the namespaces, or None when there are none. One that is still setting up is not it."""
        if self._known is None or mark_of(self._known) != self._mark:
            self._known = next((pid for pid in find_daemons(self._mark) if _program(pid) == "sleep"), None)
        return self._known

    def up(self) -> None:
        """Make the namespaces if they are not there."""
        if self.holder():
            return
        end_daemons(self._mark)
        script = HOLDER.format(batch=shlex.quote(self._batch()))
        argv = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script]
        process = start_daemon(argv, self._mark, log=self._log)
        try:
            wait(lambda: self._is_ready(process), bool, within=10, successes=1, interval=0.01)
        except TimedOut as error:
            raise LabError(f"the instance's namespaces could not be made; see {self._log}") from error

    def down(self) -> None:
        end_daemons(self._mark, grace=0)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` on the workstation, with the working directory kept."""
        holder = self.holder()
        if holder is None:
            raise LabError("the instance is not up, so its workstation is not there; try: inv up")
        return ["nsenter", f"--target={holder}", "--net", "--mount", f"--wd={Path.cwd()}", *argv]

    def plug(self, node: NodeSpec, pid: int) -> None:
        """Connect the network namespace of process `pid` to all bridges, as the node's eth0 (lan) and eth1 (mgmt)."""
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

    def silence(self, node: NodeSpec, silent: bool) -> None:
        """Let a node's ports pass no frame (or all again), without its carrier going down."""
        state = "disabled" if silent else "forwarding"
        for name, _ in self._spec.networks.by_name():
            must(self.enter(["bridge", "link", "set", "dev", port_name(node, name), "state", state]))

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise LabError(f"the instance's namespaces could not be made: {_last_line(self._log)}")
        return self.holder() is not None

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
    """The bridge port that a node's cable ends in, in the workstation's namespace."""
    return f"{node.name}-{network}"


def mac(packed: bytes) -> str:
    """A locally administered address that tells the IPv4 address it belongs to, so that it survives reboots."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in packed)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else f"see {log}"
