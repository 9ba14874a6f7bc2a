"""The power of container nodes: all that happens between a power switch and the first process of a node's system."""

import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

from filelock import FileLock

from halab.kit.errors import LabError
from halab.kit.files import remove_all
from halab.kit.parallel import for_each
from halab.kit.process import is_alive, must, run
from halab.kit.wait import TimedOut, wait
from halab.providers import Premises
from halab.providers.podman import journals, quotas
from halab.providers.podman.containers import Containers
from halab.providers.podman.endings import CLEAN, Endings
from halab.providers.podman.network import Network

START = 30  # seconds that the runtime may take to start a node's system once it was told to


class Power:
    """The power of an instance's nodes."""

    def __init__(self, premises: Premises, network: Network, containers: Containers, endings: Endings) -> None:
        self._premises = premises
        self._nodes = {node.name: node for node in premises.spec.nodes}
        self._network = network
        self._containers = containers
        self._endings = endings
        self._podman = containers.podman

    def lock(self, node: str) -> FileLock:
        """Return the lock of a node's switch: a learner, a peer that fences and a BMC may all reach for it at once."""
        return FileLock(self._premises.directory / f"power-{node}.lock", timeout=60)

    def on(self, nodes: Iterable[str]) -> None:
        """Make the nodes' containers ready, limit them, plug their cables in, and let their systems start.

        They start at the same moment. Otherwise the first Corosync would ask in vain for the second, and ask again
        0.75 s later (knet_ping_interval, corosync.conf(5)).
        """
        names = sorted(nodes)
        with ExitStack() as locked:
            for node in names:
                locked.enter_context(self.lock(node))
            made_ready = dict(zip(names, for_each(names, self._make_ready), strict=True))
            if waiting := [self._containers.of[node] for node, ready in made_ready.items() if ready]:
                must(self._podman("start", *waiting))
            for node in names:
                self._wait_started(node)
                self._endings.note_begun(node)

    def _make_ready(self, node: str) -> bool:
        """Make a node's container ready to start; False when its system runs. Needs the lock."""
        name, container = self._containers.of[node], self._containers.find(node)
        self._containers.attach_disk(node, container.upper)
        journals.begin_boot(self._premises.directory, node)
        if not run(self._podman("init", name)).ok:
            if self._containers.state(node) == "running":
                return False
            self._stop(node)  # a power-on or a power-off was killed in the middle
            must(self._podman("init", name))
        pid = int(container.pid_file.read_text())
        # Of a node that lost its power podman may leave /dev/shm mounted, until Corosync finds no more room in it
        for left in self._network.seen(container.directory / "shm").iterdir():
            remove_all(left)
        self._containers.cgroups.confine(name, pid, self._premises.spec.machine)
        self._containers.cgroups.confine_cgroups(pid, self._network.cgroups())
        quotas.confine(pid)
        journals.put_on_disk(pid)
        # or the node could write without a limit to the host's disk, or memory
        os.chown(container.pid_file.with_name("hostname"), 0, 0)
        self._network.plug(self._nodes[node], pid)
        return True

    def _wait_started(self, node: str) -> None:
        """Wait until a node's first process is its system's: podman only tells the runtime to go on, and ends."""
        container = self._containers.find(node)
        try:
            wait(container.is_starting, lambda starting: not starting, within=START, successes=1, interval=0.005)
        except TimedOut:
            raise LabError(f"{node} has power, but its system has not started within {START} s") from None

    def off(self, node: str) -> None:
        """Cut a node's power, as if the plug was pulled."""
        with self.lock(node):
            self._endings.note_cut(node)
            monitor = self._kill(node)
            self._network.unplug(self._nodes[node])
            if monitor is None:
                self._stop(node)
            else:
                self._wait_cleaned(node, monitor)
            self._unmount(node)
            self._containers.cgroups.release(self._containers.of[node])

    def freeze(self, nodes: Sequence[str]) -> None:
        """Stop nodes in the middle of what they do. Raises LabError when one of them has no power."""
        for name in nodes:
            self._network.silence(self._nodes[name], True)
        running, cgroups = self._containers.running(), self._network.cgroups()
        if off := [name for name in nodes if name not in running]:
            raise LabError(f"{', '.join(off)} cannot be frozen without power")
        for name in nodes:
            running[name].freeze(cgroups)

    def thaw(self, nodes: Sequence[str]) -> None:
        """Let nodes that have power go on."""
        if not nodes:
            return
        running, cgroups = self._containers.running(), self._network.cgroups()
        for name in (name for name in nodes if name in running):
            running[name].thaw(cgroups)
        for name in nodes:
            self._network.silence(self._nodes[name], False)

    def _kill(self, node: str) -> int | None:
        """Kill all that runs in a node; return the pid of the conmon that has podman clean up in the end.

        So podman, which takes long, need not be called here. Return None when no system runs there.
        """
        container = self._containers.find(node)
        running, monitor = container.running(), container.monitor()
        if running is None or monitor is None:
            return None
        with suppress(ProcessLookupError):
            os.kill(running.first_process, signal.SIGKILL)  # takes all of the node's along: pid_namespaces(7)
        return monitor

    def _stop(self, node: str) -> None:
        """Have podman end a node's container, whatever became of it."""
        name = self._containers.of[node]
        monitor = must(self._podman("inspect", "--format={{.State.ConmonPid}}", name)).stdout
        must(self._podman("stop", "--time=0", name))
        self._wait_cleaned(node, int(monitor))

    def _wait_cleaned(self, node: str, monitor: int) -> None:
        """Wait until podman has cleaned up after a container, which its conmon has it do in the end. If the container
        was made ready again before that, podman would take it for the one that ended, and end it.
        """
        try:
            wait(lambda: is_alive(monitor), lambda alive: not alive, within=CLEAN, successes=1, interval=0.02)
        except TimedOut:
            raise LabError(
                f"{node} is off, but podman has not cleaned up after it within {CLEAN} s (pid {monitor})"
            ) from None

    def _unmount(self, node: str) -> None:
        """Unmount a node's root, if a podman that was killed while mounting it has left it mounted. Otherwise the node
        would not see what is put back below it (see "Changes to underlying filesystems" in the kernel's overlayfs.rst).
        """
        if f"upperdir={self._containers.find(node).upper}," in self._network.mounts():
            must(self._podman("umount", "--force", self._containers.of[node]))
