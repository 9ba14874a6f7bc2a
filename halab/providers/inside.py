"""Entering a running container by its first process, at once; `podman exec` takes a fifth of a second.

What runs this way dies with the container, as it is in its pid namespace; but it is not in its cgroup, so it is not
frozen with it, and has all capabilities within the container's user namespace. So it is for looking, and for faults;
learners and steps type in a shell of `podman exec`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halab.providers import SYSTEM_PATH

NAMESPACES = ("--user", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
# what `podman exec` would give, see podman-exec(1) and CONTAINER INTERFACE of systemd
ENVIRONMENT = (f"PATH={SYSTEM_PATH}", "HOME=/root", "container=podman")


@dataclass(frozen=True)
class Container:
    """`pid_file` is where its runtime wrote the pid of its first process."""

    identity: str
    pid_file: Path

    def first_process(self) -> int | None:
        """On the host; None when the container does not run, whatever an old file says."""
        try:
            pid = int(self.pid_file.read_text())
            cgroup = Path(f"/proc/{pid}/cgroup").read_text()
        except (OSError, ValueError):
            return None
        return pid if self.identity in cgroup else None


def is_frozen(first_process: int) -> bool:
    """As cgroup-v2 has it (see "Core Interface Files", cgroup.freeze)."""
    try:
        return Path(f"/proc/{first_process}/root/sys/fs/cgroup/cgroup.freeze").read_text().strip() == "1"
    except OSError:
        return False


def enter(first_process: int, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in the container, as its root."""
    options = [*NAMESPACES, "--root", "--wd", "--setuid=0", "--setgid=0"]
    return ["nsenter", f"--target={first_process}", *options, "--", "env", "--ignore-environment", *ENVIRONMENT, *argv]
