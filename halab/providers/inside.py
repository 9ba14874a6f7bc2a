"""Entering a running container by its first process, at once; `podman exec` takes a fifth of a second.

What runs this way dies with the container, as it is in its pid namespace; but it is not in its cgroup, so it is not
frozen with it, and has all capabilities within the container's user namespace. So it is for looking, and for faults;
learners and steps type in a shell of `podman exec`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from halab.process import run
from halab.providers import SYSTEM_PATH

RUNTIMES = ("crun", "runc")  # one is the first process until the container is started (see crun(1), create)

NAMESPACES = ("--user", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
# what `podman exec` would give, see podman-exec(1) and CONTAINER INTERFACE of systemd
ENVIRONMENT = (f"PATH={SYSTEM_PATH}", "HOME=/root", "container=podman")


@dataclass(frozen=True)
class Container:
    """`pid_file` is where its runtime wrote the pid of its first process."""

    identity: str
    pid_file: Path

    def first_process(self) -> int | None:
        """On the host; None when the container does not run, whatever an old file says, or does not run yet."""
        try:
            pid = int(self.pid_file.read_text())
            cgroup = Path(f"/proc/{pid}/cgroup").read_text()
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return pid if self.identity in cgroup and not program.startswith(RUNTIMES) else None


class FirstProcesses:
    """Those of an instance's nodes. `names` tells each node's container; `podman` makes a command of podman's."""

    def __init__(self, names: Mapping[str, str], podman: Callable[..., list[str]]) -> None:
        self._nodes = {container: node for node, container in names.items()}
        self._podman = podman
        self._known: dict[str, Container] = {}

    def find(self) -> dict[str, int]:
        """On the host, of each node that has power. Podman is asked only about containers that were not there before,
        as that takes long.
        """
        if not all(node in self._known and self._known[node].pid_file.exists() for node in self._nodes.values()):
            told = run(self._podman("inspect", "--format={{.Name}} {{.Id}} {{.PidFile}}", *self._nodes)).stdout
            for name, identity, pid_file in (line.split(" ", 2) for line in told.splitlines()):
                self._known[self._nodes[name]] = Container(identity, Path(pid_file))
        found = {node: container.first_process() for node, container in self._known.items()}
        return {node: first for node, first in found.items() if first}


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
