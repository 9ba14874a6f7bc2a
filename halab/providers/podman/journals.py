"""A journal that outlives a boot, and tells one boot from another, as a server's does.

Podman mounts a tmpfs on a container's /var/log/journal when systemd is its first process. It can be told which, but not
to let that be. And to the kernel, no boot of a container is one: they all have the host's boot id (random(4)).
"""

import uuid
from pathlib import Path

from halab.kit.process import run
from halab.providers.volumes import volume

JOURNAL = "/var/log/journal"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def podman_options(directory: Path, node: str) -> list[str]:
    """Return options for `podman create`. `directory` is the instance's."""
    begin_boot(directory, node)
    return [f"--tmpfs={JOURNAL}:rw,notmpcopyup,size=1m", volume(_boot_id(directory, node), BOOT_ID, read_only=True)]


def begin_boot(directory: Path, node: str) -> None:
    """Give a node's next boot an id of its own. The container is made ready after that; one that runs keeps its own."""
    file = _boot_id(directory, node)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(f"{uuid.uuid4()}\n")
    file.chmod(0o644)  # root of the node is a stranger to it, whatever the umask


def put_on_disk(pid: int) -> None:
    """Uncover the directory of the journal on a node's own disk. `pid` is its first process, which has not begun.

    No program of the node is run for that (umount(8), --namespace). If the node has made something else of that
    directory, its journal is where that leads to.
    """
    run(["umount", f"--namespace={pid}", JOURNAL])


def _boot_id(directory: Path, node: str) -> Path:
    return directory / "runtime" / node / "boot_id"
