"""The containers that an instance's nodes are: how they are made, listed and removed."""

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from halab.kit.errors import LabError
from halab.kit.paths import name_on_host
from halab.kit.process import CommandResult, find_program, must, run
from halab.kit.wait import TimedOut, wait
from halab.providers import Premises, images, limits
from halab.providers.podman import journals, quotas
from halab.providers.podman.cgroups import Cgroups
from halab.providers.podman.inside import RUNTIME, Container, KnownContainers
from halab.providers.podman.layers import Layers
from halab.providers.podman.network import Network
from halab.providers.volumes import volume
from halab.spec.models import NodeSpec

# The host's user that a node's root is: above the ranges of login users, systemd-nspawn and subordinate ids.
FIRST_UID = 1_900_000_000
UIDS = 65_536
# Beyond podman's default set: what a server's root has and a cluster's daemons use. All of it holds only within
# the node's user namespace.
CAPABILITIES = "NET_ADMIN,NET_RAW,SYS_NICE,IPC_LOCK,SYS_ADMIN,SYS_PTRACE,AUDIT_WRITE,DAC_READ_SEARCH,SYSLOG,SYS_BOOT"
ENDED = ("stopped", "exited")  # of podman's words, those for a container whose first process is no more
FUSE = "/dev/fuse"  # for file systems in user space, which a user namespace may mount (fuse(4))
INSTANCE, NODE = "halab.instance", "halab.node"  # labels, by which containers of any version are found again
# Without the last, podman makes its storage a mount of itself when it begins, and takes that away when it ends: what is
# mounted below it, as nodes' disks are, is hidden by that, or goes with it (containers-storage.conf(5))
PODMAN = ("podman", "--cgroup-manager=cgroupfs", f"--runtime={RUNTIME}", "--storage-opt=overlay.skip_mount_home=true")


class Containers:
    """Those of one instance. Podman sees each in the instance's own network namespace."""

    def __init__(self, premises: Premises, network: Network) -> None:
        self._premises = premises
        self._network = network
        self.disks = Layers(premises.directory / "layers", network)
        self.cgroups = Cgroups()
        mine = name_on_host(premises.directory)
        self.of = {node.name: f"halab-{mine}-{node.name}" for node in premises.spec.nodes}  # by node
        self._known = KnownContainers(self.of, self.podman, premises.directory / "containers.json")
        self.running = self._known.running

    def podman(self, *arguments: str) -> list[str]:
        """A command of podman's."""
        return self._network.enter([*PODMAN, *arguments])

    def create(self, node: NodeSpec, image: images.Image) -> None:
        """Make a node's container, which has no cables and no power yet."""
        self.disks.forget(node.name)
        file = self._premises.directory / "runtime" / node.name / RUNTIME  # podman tells by its name what it can do
        create = self.podman(
            *self.cgroups.write_runtime(file, RUNTIME, self.of[node.name], self._network.hierarchies),
            "create",
            f"--name={self.of[node.name]}",
            f"--hostname={node.name}",
            f"--label={INSTANCE}={self._premises.directory}",
            f"--label={NODE}={node.name}",
            "--network=none",
            "--systemd=always",
            "--no-hosts",
            *self.cgroups.podman_options(self._premises.spec.machine),
            f"--uidmap=0:{FIRST_UID}:{UIDS}",
            f"--gidmap=0:{FIRST_UID}:{UIDS}",
            f"--cap-add={CAPABILITIES}",
            "--shm-size=256m",
            *([f"--device={FUSE}"] if Path(FUSE).exists() else []),
            *journals.podman_options(self._premises.directory, node.name),
            *limits.ulimits(),
            *quotas.podman_options(self._premises.directory),
            volume(image.pool, "/srv/pool", read_only=True),
            image.image_id,
        )
        if run(create).ok:
            return
        for container in self.half_removed([node.name]):
            self.remove(container)
        must(create)

    def remove(self, container: dict[str, Any]) -> None:
        """Remove a container, trying again for a while, as podman's own clean-up after a stopped one may be in the way.

        On a busy host podman may leave the container's /dev/shm mounted, and podman 5 may give up on a layer that is a
        mount; neither is in anybody's way any more, and without help podman fails for ever.
        """
        remove = self.podman("rm", "--force", "--time=0", "--ignore", container["Id"])

        def attempt() -> CommandResult:
            result = run(remove)
            if not result.ok:
                for node in (node for node, name in self.of.items() if name in container["Names"]):
                    self.disks.detach(node)
                for mount in self._network.mounts_below(container["Id"]):
                    run(self._network.enter(["umount", "--lazy", mount]))
            return result

        try:
            wait(attempt, lambda result: result.ok, within=60, successes=1)
        except TimedOut as error:
            said = " / ".join(error.last.stderr.strip().splitlines())
            raise LabError(f"{container['Names'][0]} cannot be removed: {said}") from None

    def end_monitors(self) -> None:
        """End what watched over a container whose podman was killed as it began: it may wait for ever (conmon(8))."""
        for pid in (pid for container in self.of.values() for pid in find_program("conmon", container)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """By node, in podman's words; those nodes that have a container."""
        return {node: container["State"] for node, container in self._by_node().items() if self._is_named(container)}

    def rename_older(self) -> bool:
        """Give those the names of today that were made when names did not tell the state directory; whether any was."""
        older = {node: found for node, found in self._by_node().items() if not self._is_named(found)}
        for node, container in older.items():
            must(self.podman("rename", container["Id"], self.of[node]))
        return bool(older)

    def find(self, node: str) -> Container:
        """A node's container. Raises LabError when it has none."""
        known = self._known.containers()
        if node not in known:
            raise LabError(f"{node} has no container; try: inv up")
        return known[node]

    def state(self, node: str) -> str:
        return must(self.podman("inspect", "--format={{.State.Status}}", self.of[node])).stdout.strip()

    def exit_status(self, node: str) -> int | None:
        """Return what a node's container has left; None when it has not ended."""
        told = must(self.podman("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", self.of[node])).stdout
        state, status = told.split()
        return int(status) if state in ENDED else None

    def listed(self) -> list[dict[str, Any]]:
        """Whole ones, as `podman ps` tells of them."""
        return self._listed(f"--filter=label={INSTANCE}={self._premises.directory}")

    def half_removed(self, nodes: Iterable[str]) -> list[dict[str, Any]]:
        """What `podman rm` leaves when it is killed: storage that has a container's name, and no labels any more.

        A container that is just being created looks like that too: ask about nodes only that nobody is creating.
        """
        names = [[self.of[node]] for node in nodes]
        listed = self._listed("--external")
        return [entry for entry in listed if entry["State"] == "storage" and entry["Names"] in names]

    def upper_dirs(self) -> dict[str, str]:
        """By node, the directory with all that differs from the image, as it is found outside of the namespaces too."""
        found = {node: self.find(node).upper for node in self.of}
        for node, upper in found.items():
            self.attach_disk(node, upper)
        return {node: str(self._network.seen(upper)) for node, upper in found.items()}

    def attach_disk(self, node: str, upper: Path) -> None:
        """Let all that a node writes over its image be on a file system of its own."""
        self.disks.attach(node, upper.parent, self._premises.spec.machine.disk)

    def _by_node(self) -> dict[str, dict[str, Any]]:
        return {container["Labels"][NODE]: container for container in self.listed()}

    def _is_named(self, container: dict[str, Any]) -> bool:
        return bool(container["Names"] == [self.of[container["Labels"][NODE]]])

    def layers(self) -> dict[str, tuple[Path, Path]]:
        """By node, the directory with its image, which is of one layer, and the one with all that differs from it."""
        inspect = self.podman("inspect", "--format={{.GraphDriver.Data.LowerDir}}", *self.of.values())
        lower = dict(zip(self.of, must(inspect).stdout.split(), strict=True))
        return {node: (Path(lower[node]), Path(upper)) for node, upper in self.upper_dirs().items()}

    def _listed(self, option: str) -> list[dict[str, Any]]:
        """Read outside the namespaces too, for an instance whose holder is gone."""
        argv = [*PODMAN, "ps", "--all", option, "--format=json"]
        found: list[dict[str, Any]] = json.loads(
            must(argv if not self._network.holder() else self._network.enter(argv)).stdout
        )
        return found
