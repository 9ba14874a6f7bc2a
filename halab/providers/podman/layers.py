"""The disk of a container: all that it writes over its image, in a file system of limited size.

Each node has an image file, sparse, in the instance's directory. It is mounted, in the instance's mount namespace
only, over the layer's directory in podman's storage, which has the overlay's upper and work directory and little else.
So podman itself knows nothing of it, removes it as any mount that is in its way, and it dies with the namespaces. What
a node removes is given back to the host (discard).

    layers/<node>.img     the file system
    layers/<node>         a link to the layer's directory, which tells that the image has all that the layer had
"""

import os
import shlex
from pathlib import Path

from halab.kit.process import must, run
from halab.providers.podman.network import Network

CONTROL = Path("/dev/loop-control")  # loop(4)
# A small journal puts right what was not unmounted cleanly, as its host lost power. What was never written need not be
# cleared, as the image has holes there.
MAKE = ("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-J", "size=16", "-E", "lazy_itable_init=1,nodiscard")
# What a node syncs need only be in its host's memory (nobarrier): with the host's power the node itself is gone.
MOUNT = "mount -o loop,discard,noinit_itable,nobarrier {image} {layer}\n"
# A podman on the host, at work when the namespaces were made, has its storage as a mount of itself; podman would take
# that copy of it away some time, with all that is below it. Another node's disk may be mounted at the same moment.
UNCOVER = """\
while mountpoint -q {storage} && [ "$(stat -c %d {storage})" = "$(stat -c %d {storage}/..)" ]; do
    umount --lazy {storage} 2> /dev/null || sleep 0.1
done
"""
TIMEOUT = 600  # seconds for copying what a container had before


class Layers:
    """The disks of an instance's nodes, in its directory."""

    def __init__(self, directory: Path, network: Network) -> None:
        self._directory = directory
        self._network = network

    def forget(self, node: str) -> None:
        """Remove what is kept of a node whose container is no more."""
        (self._directory / node).unlink(missing_ok=True)
        (self._directory / f"{node}.img").unlink(missing_ok=True)

    def attach(self, node: str, layer: Path, gibibytes: int) -> None:
        """Put a node's layer on a file system of its own, and make that if there is none.

        That of a node that runs is left as it is, on the host's file system if it was begun there.
        """
        mounts = self._network.mounts()
        if not CONTROL.exists() or f" {layer} " in mounts or f"upperdir={layer}/diff," in mounts:
            return
        image = self._directory / f"{node}.img"
        link = self._directory / node
        if not link.is_symlink() or link.readlink() != layer:
            self.forget(node)
            self._make(image, layer, gibibytes)
            link.symlink_to(layer)
        script = (UNCOVER + MOUNT).format(
            storage=shlex.quote(str(layer.parent)), image=shlex.quote(str(image)), layer=shlex.quote(str(layer))
        )
        must(self._network.enter(["sh", "-e", "-c", script]))

    def detach(self, node: str) -> None:
        """Unmount what is at and below the layer of a node that does not run any more, and is about to be removed."""
        link = self._directory / node
        if link.is_symlink():
            run(self._network.enter(["umount", "--lazy", "--recursive", str(link.readlink())]))

    def is_full(self, node: str) -> bool:
        """Return whether a node has less than a hundredth of its disk left, or no inode; False when it has no such
        disk.
        """
        try:
            layer = (self._directory / node).readlink()
            if f" {layer} " not in self._network.mounts():
                return False
            left = os.statvfs(self._network.seen(layer))
        except OSError:
            return False
        return left.f_bavail * 100 < left.f_blocks or left.f_favail == 0

    def _make(self, image: Path, layer: Path, gibibytes: int) -> None:
        self._directory.mkdir(exist_ok=True)
        unfinished = image.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        must([*MAKE, "-d", str(layer), str(unfinished), f"{gibibytes}G"], timeout=TIMEOUT)
        unfinished.replace(image)


def impossible() -> list[str]:
    """Return what cannot be limited on this host, and why, a sentence each."""
    if CONTROL.exists():
        return []
    return [f"the disk of a node cannot be limited on this host: its kernel has no loop devices ({CONTROL} is missing)"]
