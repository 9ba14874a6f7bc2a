"""The memory and the processes that a container may have, so that a node spoils neither its host nor another node.

Memory has what a node writes to its tmpfs in it, and what the kernel keeps for the node. Where the host's cgroups are
version 2, podman imposes the limits. Where they are version 1, it cannot, as an instance's mount namespace shows it
cgroup2 without controllers (see network.py): there a container gets a cgroup of its own in both hierarchies, named
halab/<container>, which its first process is put into, and which whatever enters it later must join.
"""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from halab.kit.wait import TimedOut, wait
from halab.spec.models import Machine

PARENT = "halab"
MIB = 2**20
# Of version 2, that a node makes of its own: a kernel has 65,535 at most, and a node with a running cluster needs 40.
MOST_CGROUPS = 1000
# What podman takes for its runtime, so that of what opens a console only that, and what it starts, joins the cgroups:
# podman and conmon(8) would die of the node's limits.
RUNTIME = """\
#!/bin/sh
for argument; do
    [ "$argument" != exec ] || for procs in {procs}; do echo $$ > "$procs" || exit; done
done
exec {runtime} "$@"
"""
JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit; shift; done; shift; exec "$@"'
# As podman --systemd=always mounts them, but with a size each: as long as these are all that is full, no process of the
# node is killed for the lack of memory.
TMPFS = "rw,exec,nosuid,nodev,tmpcopyup"
PART_OF_MEMORY = {"/tmp": 4, "/run": 8, "/run/lock": 100}  # noqa: S108  # of the node
SIGNS = (  # that a limit was met: cgroup-v2.rst, "memory.events"; cgroup-v1/memory.rst, "OOM Control"; pids.rst
    ("memory", "memory.events", "oom_kill"),
    ("memory", "memory.oom_control", "oom_kill"),
    ("processes", "pids.events", "max"),
)


class Cgroups:
    """Those that limit containers. `mounts` is a list of what is mounted (proc(5)), `unified` is where cgroup2 is."""

    def __init__(self, mounts: Path = Path("/proc/self/mounts"), unified: Path = Path("/sys/fs/cgroup")) -> None:
        self._mounts = mounts
        self._unified = unified

    def podman_options(self, machine: Machine) -> list[str]:
        """For `podman create`: the limits that podman can impose."""
        memory = f"{machine.memory}m"  # --memory-swap is of both together: nothing is swapped
        limits = [f"--memory={memory}", f"--memory-swap={memory}", f"--pids-limit={machine.processes}"]
        tmpfs = [f"--tmpfs={where}:{TMPFS},size={machine.memory // part}m" for where, part in PART_OF_MEMORY.items()]
        return [*(limits if self._is_unified("memory") else ["--pids-limit=0"]), *tmpfs]

    def confine(self, container: str, pid: int, machine: Machine) -> None:
        """Limit a process and all that it will start, where podman has not done so. Nothing was counted before."""
        self.release(container)
        memory = machine.memory * MIB
        limits = {
            "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
            "pids": {"pids.max": machine.processes},
        }
        for controller, settings in limits.items():
            if (hierarchy := self._hierarchy(controller)) is None:
                continue
            cgroup = hierarchy / PARENT / container
            cgroup.mkdir(parents=True, exist_ok=True)
            for name, value in settings.items():
                if (cgroup / name).exists():  # a kernel that does not count swap has no memsw
                    (cgroup / name).write_text(str(value))
            (cgroup / "cgroup.procs").write_text(str(pid))

    def confine_cgroups(self, pid: int, unified: Path) -> None:
        """Limit how many cgroups of version 2, which is mounted at `unified`, a container makes of its own."""
        for path in self.unified_of(pid):
            (unified / path / "cgroup.max.descendants").write_text(str(MOST_CGROUPS))

    def joining(self, container: str) -> list[str]:
        """What is put before a command that enters the container, so that the limits hold for it."""
        joined = [str(cgroup / "cgroup.procs") for cgroup in self._own(container)]
        return ["sh", "-c", JOIN, "join", *joined, "--"] if joined else []

    def write_runtime(self, file: Path, runtime: str, container: str, hierarchies: Path) -> list[str]:
        """Podman's option for a runtime that puts what enters the container into its cgroups, which is written to
        `file`; none where podman itself imposes the limits. `hierarchies` is where podman sees those of version 1.
        """
        procs = [shlex.quote(str(its)) for its in self.joined(container, hierarchies)]
        if not procs:
            return []
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RUNTIME.format(procs=" ".join(procs), runtime=runtime))
        file.chmod(0o755)
        return [f"--runtime={file}"]

    def joined(self, container: str, hierarchies: Path) -> list[Path]:
        """The files that whatever enters the container has to write itself to, as `write_runtime` has them."""
        found = [name for name in ("memory", "pids") if not self._is_unified(name) and self._hierarchy(name)]
        return [hierarchies / name / PARENT / container / "cgroup.procs" for name in found]

    def release(self, container: str) -> None:
        """Remove the cgroups of a container that does not run.

        Consoles that were open on it are in them too, and may need a moment to end. One that takes longer keeps them
        until the container is powered on again, or removed.
        """
        with suppress(TimedOut):
            wait(
                lambda: [_remove(cgroup) for cgroup in self._own(container)], all, within=2, successes=1, interval=0.05
            )

    def met(self, container: str, first_process: int | None) -> list[str]:
        """The limits that a container has met since it was powered on: `memory` (something was killed), `processes`.

        Version 1 tells that of a container that has ended as well.
        """
        cgroups = [*self._own(container), *(self._unified / path for path in self.unified_of(first_process))]
        found = [limit for limit, file, key in SIGNS if any(_count(cgroup / file, key) for cgroup in cgroups)]
        return list(dict.fromkeys(found))

    def impossible(self) -> list[str]:
        """What cannot be limited on this host, and why, a sentence each."""
        return [
            f"the {what} of a node cannot be limited on this host: its kernel has no cgroup controller `{controller}`"
            for controller, what in (("memory", "memory"), ("pids", "processes"))
            if not self._is_unified(controller) and self._hierarchy(controller) is None
        ]

    def _own(self, container: str) -> Iterator[Path]:
        for controller in ("memory", "pids"):
            hierarchy = self._hierarchy(controller)
            if hierarchy and (cgroup := hierarchy / PARENT / container).is_dir():
                yield cgroup

    def unified_of(self, first_process: int | None) -> list[str]:
        """The cgroup of version 2 that podman made for a container, above those that its systemd makes; its path."""
        try:
            line = Path(f"/proc/{first_process}/cgroup").read_text().strip().splitlines()[-1]
        except (OSError, IndexError):
            return []
        path = Path(line.removeprefix("0::/"))
        return [str(path) for path in (path, *path.parents) if path.name.startswith("libpod-")]

    def _hierarchy(self, controller: str) -> Path | None:
        """Where a controller of version 1 is mounted, and not hidden below another mount."""
        for line in self._mounts.read_text().splitlines():
            _, where, kind, options = line.split(" ")[:4]
            path = Path(where.encode().decode("unicode_escape"))  # \\040 is a space
            if kind == "cgroup" and controller in options.split(",") and (path / "cgroup.procs").exists():
                return path
        return None

    def _is_unified(self, controller: str) -> bool:
        try:
            return controller in (self._unified / "cgroup.controllers").read_text().split()
        except OSError:
            return False


def _remove(cgroup: Path) -> bool:
    """Whether it is gone; False while a process is in it."""
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _count(file: Path, key: str) -> int:
    try:
        pairs = dict(line.split(" ") for line in file.read_text().splitlines())
    except OSError:
        return 0
    return int(pairs.get(key, 0))
