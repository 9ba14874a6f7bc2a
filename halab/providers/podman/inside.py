"""Entering a running container by its runtime, at once; `podman exec`, which does the same, takes a fifth of a second.

What runs this way has what `podman exec` gives: the container's namespaces, capabilities, seccomp filter and cgroup, so
it is frozen and dies with the container, and its limits hold for it. It has no terminal. It is for looking, and for
faults; learners and steps type in a shell of `podman exec`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from threading import Lock

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.process import CommandResult, run
from halab.kit.wait import TimedOut, wait
from halab.providers import SYSTEM_PATH, limits

RUNTIME = "crun"
MONITOR = "conmon"
STARTING = (RUNTIME,)  # what the first process is called until the container is started (see crun(1), create)
# besides what the container's own programs have
ENVIRONMENT = (f"PATH={SYSTEM_PATH}", "HOME=/root", "container=podman")
# Of a container, what stays as it is for as long as it is there, in the order of Container's fields
ASKED = "\n".join(
    f"{{{{.{what}}}}}" for what in ("Name", "Id", "PidFile", "ConmonPidFile", "StaticDir", "GraphDriver.Data.UpperDir")
)
FREEZING = 10  # seconds that a node may take to freeze: what waits for a disk freezes when it has got it
NOT_THERE = 127  # exit status, as a shell has it


@dataclass(frozen=True)
class Running:
    """A container that runs, its first process, on the host, and the file in which podman has configured it."""

    identity: str
    first_process: int
    config: Path

    def is_frozen(self, cgroups: Path) -> bool:
        """Return whether its cgroup is frozen (cgroup-v2, "Core Interface Files", cgroup.freeze).

        `cgroups` is where the host has cgroup2 mounted: the container's root may have covered its own mount.
        """
        try:
            return (cgroups / self.cgroup() / "cgroup.freeze").read_text().strip() == "1"
        except OSError:
            return False

    def freeze(self, cgroups: Path) -> None:
        """Stop all of its processes in mid-air, and wait until they have stopped. Raises LabError when they do not."""
        own = cgroups / self.cgroup()
        try:
            (own / "cgroup.freeze").write_text("1")
            wait(
                lambda: (own / "cgroup.events").read_text().split(),
                lambda events: events[events.index("frozen") + 1] == "1",
                within=FREEZING,
                successes=1,
                interval=0.002,
            )
        except (OSError, TimedOut) as error:
            raise LabError(f"container {self.identity[:12]} does not freeze: {error}") from None

    def thaw(self, cgroups: Path) -> None:
        """Let them go on, unless they have been ended meanwhile."""
        with suppress(OSError):
            (cgroups / self.cgroup() / "cgroup.freeze").write_text("0")

    def cgroup(self) -> Path:
        """Return the container's own cgroup, below the mount of cgroup2. Its processes may be in others below it."""
        path = _cgroup(self.first_process).partition(self.identity)[0] + self.identity
        return Path(path.lstrip("/"))


@dataclass(frozen=True)
class Container:
    """`pid_file` is where its runtime writes the pid of its first process, `monitor_file` that of its conmon;
    `directory`, podman's own of the container; `upper`, all that differs from its image, as podman sees it.
    """

    identity: str
    pid_file: Path
    monitor_file: Path
    directory: Path
    upper: Path

    @property
    def config(self) -> Path:
        """The file with what the runtime is told. It is there once the container was made ready for the first time."""
        return self.directory / "config.json"

    def monitor(self) -> int | None:
        """Return the pid of the conmon that waits for its first process; None when there is none."""
        try:
            pid = int(self.monitor_file.read_text())
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return pid if program == MONITOR else None

    def is_cleaned(self) -> bool:
        """Return whether podman, which conmon becomes in the end, is through with cleaning up after the container."""
        try:
            arguments = Path(f"/proc/{int(self.monitor_file.read_text())}/cmdline").read_text(errors="replace")
        except (OSError, ValueError):
            return True
        return self.identity not in arguments

    def first_process(self) -> int | None:
        """Return the pid of its first process, even of one that is not started yet; None when it has none."""
        try:
            pid = int(self.pid_file.read_text())
            cgroup = _cgroup(pid)
            Path(f"/proc/{pid}/ns/net").readlink()  # one that ends has none, while it waits for those it takes along
        except (OSError, ValueError):
            return None
        return pid if self.identity in cgroup else None

    def running(self) -> Running | None:
        """Return None when the container does not run, whatever an old file says, or does not run yet."""
        pid, program = self._first()
        return Running(self.identity, pid, self.config) if pid and not program.startswith(STARTING) else None

    def is_starting(self) -> bool:
        """Return whether its first process is there, and is not its system's yet."""
        pid, program = self._first()
        return bool(pid) and program.startswith(STARTING)

    def _first(self) -> tuple[int | None, str]:
        """Return pid and name of its first process; None and nothing when it has none."""
        pid = self.first_process()
        try:
            return pid, Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return None, ""


class KnownContainers:
    """The containers of an instance's nodes. `names` has each node's; `podman` makes a command of podman's.

    What podman has told is kept in `file` for the next command, once all nodes have a container.
    """

    def __init__(self, names: Mapping[str, str], podman: Callable[..., list[str]], file: Path) -> None:
        self._nodes = {container: node for node, container in names.items()}
        self._podman = podman
        self._file = file
        self._known: dict[str, Container] = {}
        self._one_at_a_time = Lock()

    def running(self) -> dict[str, Running]:
        """Return the container of each node that has power."""
        found = {node: container.running() for node, container in self.containers().items()}
        return {node: running for node, running in found.items() if running}

    def containers(self) -> dict[str, Container]:
        """Return the container of each node that has one. Podman takes long to answer, so it is asked only when a node
        has a new one, or none.
        """
        with self._one_at_a_time:
            if not self._are_there(self._known):
                self._known = self._kept()
            if not self._are_there(self._known):
                self._known = self._told()
                if self._are_there(self._known):
                    self._keep()
            return self._known

    def _are_there(self, known: Mapping[str, Container]) -> bool:
        return all(node in known and known[node].directory.exists() for node in self._nodes.values())

    def _told(self) -> dict[str, Container]:
        told = run(self._podman("inspect", f"--format={ASKED}", *self._nodes)).stdout
        return {
            self._nodes[name]: Container(identity, *map(Path, files))
            for name, identity, *files in zip(*[iter(told.splitlines())] * 6, strict=True)
        }

    def _kept(self) -> dict[str, Container]:
        try:
            kept = json.loads(self._file.read_bytes())
            return {node: Container(identity, *map(Path, files)) for node, (identity, *files) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # it is not there, or is no longer what it was
            return {}

    def _keep(self) -> None:
        kept = {node: [str(part) for part in astuple(container)] for node, container in self._known.items()}
        with suppress(OSError):  # the disk is full; the next command asks again
            write_atomically(self._file, json.dumps(kept))


def enter(identity: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` in a container, as its root, where podman sees the instance's containers.

    The runtime, unlike podman, lets what it starts have the caller's limits (prlimit(1)).
    """
    bounds = [f"--{name}={bound}" for name, bound in limits.bounds().items()]
    settings = [f"--env={setting}" for setting in ENVIRONMENT]
    return ["prlimit", *bounds, RUNTIME, "--cgroup-manager=cgroupfs", "exec", "--cwd=/", *settings, identity, *argv]


def as_a_shell(result: CommandResult, program: str) -> CommandResult:
    """Return the result with the exit status that a shell has for a missing program; the runtime has another one."""
    missing = not result.ok and f"executable file `{program}` not found" in result.stderr
    return replace(result, rc=NOT_THERE) if missing else result


def _cgroup(pid: int) -> str:
    """Return the path of a process in cgroup-v2, as the host names it (cgroups(7), /proc/PID/cgroup)."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
