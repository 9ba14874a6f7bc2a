"""Asking a container node something with programs that are not its own, so that no learner has changed them.

A program is run by `visit` in all namespaces of the node but one: its files are those of the image's tools root (see
tools_root), read-only, in which data are the node's own. It is given the capabilities, the seccomp filter and the
limits of the node's own programs. What it has in /dev/shm is the node's, by which Corosync and Pacemaker are asked.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.process import CommandResult
from halab.providers import limits
from halab.providers.podman import visit
from halab.providers.podman.inside import ENVIRONMENT, Running

UNLIMITED = 2**64 - 1  # RLIM_INFINITY, as the runtime has it
FILTERS = Path("/run/crun")  # where the runtime has, for each container, the seccomp filter that it has made
# Its root is not that of the node's systemd; and Python would run what root of the node has below /root/.local (site)
SETTINGS = (*ENVIRONMENT, "LANG=C.UTF-8", "SYSTEMD_IGNORE_CHROOT=1", "PYTHONNOUSERSITE=1")
# The numbers of capabilities: linux/capability.h
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)


class Asking:
    """`directory` is for what is known of each node that runs; `tools` tells the tools root of the instance's image."""

    def __init__(self, directory: Path, tools: Callable[[], Path]) -> None:
        self._directory = directory
        self._tools = tools
        self._described: dict[Running, Path] = {}

    def visiting(self, node: Running, argv: Sequence[str]) -> list[str]:
        """The command that runs a program of the tools root to its end, where podman sees the instance's containers.

        Raises LabError when that cannot be.
        """
        return [sys.executable, "-I", "-S", visit.__file__, str(self._description(node)), *argv]

    def _description(self, node: Running) -> Path:
        if node not in self._described:
            try:
                description = describe(json.loads(node.config.read_text()), node, self._tools())
            except FileNotFoundError as error:  # its container was removed meanwhile
                raise LabError(f"nothing could be asked on the node: {error}") from None
            self._directory.mkdir(exist_ok=True)
            file = self._directory / f"{node.identity}-{node.first_process}"
            if not file.exists() or file.read_text() != description:  # the disk may be full, and a node be asked still
                for before in self._directory.glob(f"{node.identity}-*"):  # the node's last boot's
                    before.unlink(missing_ok=True)
                write_atomically(file, description)
            self._described[node] = file
        return self._described[node]


def answer(result: CommandResult) -> CommandResult:
    """What the program left. Raises LabError when it was not even looked for."""
    if result.rc == visit.FAILED:
        raise LabError(f"nothing could be asked on the node: {result.last_line()}")
    return result


def describe(config: dict[str, Any], node: Running, tools: Path, filters: Path = FILTERS) -> str:
    """What `visit` is told, after what podman has made for the node's container (OCI runtime specification): a key and
    its value a line.
    """
    process = config["process"]
    kept = {name.removeprefix("CAP_") for name in process["capabilities"]["bounding"]}
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    names = [*CAPABILITIES, *[""] * (last + 1 - len(CAPABILITIES))][: last + 1]
    lines = [
        ("identity", node.identity),
        ("pid", node.first_process),
        ("cgroup", f"/sys/fs/cgroup/{node.cgroup()}"),
        ("root", tools),
        ("shm", next(mount["source"] for mount in config["mounts"] if mount["destination"] == "/dev/shm")),  # noqa: S108
        *([("filter", filters / node.identity / "seccomp.bpf")] if config["linux"].get("seccomp") else []),
        *(("limit", _limit(limit)) for limit in process.get("rlimits", ())),
        *(("drop", number) for number, name in enumerate(names) if name not in kept),
        *(("set", setting) for setting in SETTINGS),
    ]
    return "".join(f"{key} {value}\n" for key, value in lines)


def _limit(limit: dict[str, Any]) -> str:
    """The number of a limit, and what is allowed softly and hard, where -1 is no limit (setrlimit(2))."""
    kind = limits.KINDS[limit["type"].removeprefix("RLIMIT_").lower()]
    soft, hard = (-1 if limit[name] == UNLIMITED else limit[name] for name in ("soft", "hard"))
    return f"{kind} {soft} {hard}"
