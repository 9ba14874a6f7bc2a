"""Asking a container node something with programs that are not its own, so that no learner has changed them.

`visit` runs the programs, and stays as long as something is asked. A program is in all namespaces of the node but that
of mounts. It sees the image's tools root (see tools_root), read-only, in which data are the node's own. It has the
capabilities, the seccomp filter and the limits of the node's own programs. It has the node's /dev/shm, through which
Corosync and Pacemaker are asked.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from halab.kit.files import write_atomically
from halab.kit.pace import Pace
from halab.kit.process import CommandResult
from halab.providers import Followed, limits
from halab.providers.podman.inside import ENVIRONMENT, Running
from halab.providers.podman.visitors import Visitor, nothing_asked

Result = TypeVar("Result")
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
    """Asks an instance's nodes. `directory` is for what is known of each node that runs. `tools` returns the tools root
    of the instance's image. `enter` makes a command run where podman sees the instance's containers. `limiting` returns
    the files to which a process writes itself there, so that the limits of the named node hold for it.
    """

    def __init__(
        self,
        directory: Path,
        tools: Callable[[], Path],
        enter: Callable[[Sequence[str]], list[str]],
        limiting: Callable[[str], Sequence[Path]],
        pace: Pace,
    ) -> None:
        self._directory = directory
        self._tools = tools
        self._enter = enter
        self._limiting = limiting
        self._pace = pace
        self._visitors: dict[str, tuple[Running, Visitor]] = {}
        self._one_at_a_time = Lock()

    def ask(self, name: str, node: Running, argv: Sequence[str], *, input: str | None, timeout: float) -> CommandResult:
        """Run a program of the tools root to its end. Raises LabError when that cannot be."""
        return self._have(name, node, lambda visitor: visitor.ask(argv, input=input, timeout=timeout))

    def follow(self, name: str, node: Running, argv: Sequence[str]) -> Followed:
        """Start a program of the tools root. Raises LabError when that cannot be."""
        return self._have(name, node, lambda visitor: visitor.follow(argv))

    def _have(self, name: str, node: Running, act: Callable[[Visitor], Result]) -> Result:
        for _ in ("as it is", "once more, as somebody may have ended the visitor"):
            try:
                return act(self._visitor(name, node))
            except ConnectionError as error:
                ended = error
                self.leave(name)
        raise nothing_asked(ended)

    def leave(self, name: str) -> None:
        """Ask nothing of a node for now, so that nothing of this process is there any more."""
        with self._one_at_a_time:
            self._end(name)

    def _visitor(self, name: str, node: Running) -> Visitor:
        with self._one_at_a_time:
            if name not in self._visitors or self._visitors[name][0] != node:
                self._end(name)  # the one of its last boot
                self._visitors[name] = (node, Visitor(self._description(name, node), self._enter, self._pace))
            return self._visitors[name][1]

    def _end(self, name: str) -> None:
        if name in self._visitors:
            self._visitors.pop(name)[1].leave()

    def _description(self, name: str, node: Running) -> Path:
        try:
            description = describe(json.loads(node.config.read_text()), node, self._tools(), self._limiting(name))
        except FileNotFoundError as error:  # its container was removed meanwhile
            raise nothing_asked(error) from None
        self._directory.mkdir(exist_ok=True)
        file = self._directory / f"{node.identity}-{node.first_process}"
        if not file.exists() or file.read_text() != description:  # the disk may be full, and a node be asked still
            for before in self._directory.glob(f"{node.identity}-*"):  # the node's last boot's
                before.unlink(missing_ok=True)
            write_atomically(file, description)
        return file


def describe(
    config: dict[str, Any], node: Running, tools: Path, limiting: Sequence[Path] = (), filters: Path = FILTERS
) -> str:
    """Return what `visit` is told, a key and its value a line, from what podman has configured for the node's container
    (OCI runtime specification).
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
        *(("join", file) for file in limiting),
        *(("limit", _limit(limit)) for limit in process.get("rlimits", ())),
        *(("drop", number) for number, name in enumerate(names) if name not in kept),
        *(("set", setting) for setting in SETTINGS),
    ]
    return "".join(f"{key} {value}\n" for key, value in lines)


def _limit(limit: dict[str, Any]) -> str:
    """Return the number of a limit, its soft and its hard value; -1 is no limit (setrlimit(2))."""
    kind = limits.KINDS[limit["type"].removeprefix("RLIMIT_").lower()]
    soft, hard = (-1 if limit[name] == UNLIMITED else limit[name] for name in ("soft", "hard"))
    return f"{kind} {soft} {hard}"
