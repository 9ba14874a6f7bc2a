"""What the host must have for labs on container nodes: commands, memory, disk and a podman that works."""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from halab.errors import LabError
from halab.process import CommandResult, run

INSTALL_TIMEOUT = 1800  # seconds; a slow mirror is not a broken one
GIB = 2**30


@dataclass(frozen=True)
class Tool:
    """A command the host needs, what for, and the package that brings it (None: there is no such package)."""

    command: str
    why: str
    apt: str | None
    dnf: str | None


TOOLS = (
    Tool("podman", "makes the nodes", "podman", "podman"),
    Tool("crun", "runs the nodes for podman", "crun", "crun"),
    Tool("conmon", "watches over each node for podman", "conmon", "conmon"),
    Tool("nsenter", "enters the namespaces of an instance", "util-linux", "util-linux"),
    Tool("unshare", "makes the namespaces of an instance", "util-linux", "util-linux"),
    Tool("ip", "makes the networks of an instance", "iproute2", "iproute"),
    Tool("tar", "saves and restores checkpoints", "tar", "tar"),
    Tool("ping", "asks from the workstation whether an address answers", "iputils-ping", "iputils"),
    Tool("arping", "asks from the workstation which node holds an address", "iputils-arping", "iputils"),
    Tool("curl", "asks the service through the VIP", "curl", "curl"),
    Tool("ipmitool", "talks to the BMCs from the workstation", "ipmitool", "ipmitool"),
    Tool("fence_ipmilan", "fences nodes from the workstation", "fence-agents", "fence-agents-ipmilan"),
)
"""What every lab on container nodes needs."""

BOOTSTRAP_TOOLS = (Tool("mmdebstrap", "bootstraps the image of a Debian node", "mmdebstrap", None),)
"""What the image of a Debian distro needs besides; on other hosts than Debian there may be no package of it."""


@dataclass(frozen=True)
class Manager:
    """A package manager: how it installs, and how it refreshes its lists unless it does so by itself."""

    name: str
    install: tuple[str, ...]
    update: tuple[str, ...] | None

    def package(self, tool: Tool) -> str | None:
        return tool.apt if self is APT else tool.dnf


APT = Manager(
    "apt-get",
    ("apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"),
    ("apt-get", "update"),
)
# Fence agents may be in a disabled repository; where there is none such, --enablerepo would be an error.
DNF = Manager(
    "dnf",
    ("dnf", "install", "-y", "--setopt=install_weak_deps=False", "--setopt=*highavailability*.enabled=1"),
    None,
)


def missing(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools whose command is neither on PATH nor in the sbin directories, which PATH may lack."""
    return tuple(tool for tool in tools if _which(tool.command) is None)


def ensure(tools: Iterable[Tool], say: Callable[[str], None]) -> None:
    """Install the tools that are missing; `say` gets one line for each, before anything is installed.

    Raises LabError with what to do when not root, when no package has a tool, or when installing failed.
    """
    lacking = missing(tools)
    if not lacking:
        return
    manager = _manager(lacking)
    packages = _packages(lacking, manager)
    install = (*manager.install, *packages)
    if os.geteuid() != 0:
        by_hand = " && ".join(shlex.join(argv) for argv in (manager.update, install) if argv)
        raise LabError(f"the host lacks {_commands(lacking)}; as root, run: {by_hand}")

    for tool in lacking:
        say(f"installing {manager.package(tool)} with {manager.name}: {tool.command} {tool.why}")
    result = _run(install)
    if not result.ok and manager.update:  # its lists are missing or out of date
        _run(manager.update)
        result = _run(install)
    if not result.ok:
        raise LabError(f"`{shlex.join(install)}` failed: {result.last_line()}; run it by hand to see it all")
    if still := missing(lacking):
        raise LabError(f"{manager.name} installed {' '.join(packages)}, but not {_commands(still)}")


def shortage(
    memory_bytes_needed: int, disk_bytes_needed: int, where: Path, *, meminfo: Path = Path("/proc/meminfo")
) -> list[str]:
    """One sentence for memory (MemAvailable) and one for disk, when less is available than needed.

    `where` need not exist yet: its nearest existing parent is looked at.
    """
    while not where.exists():
        where = where.parent
    memory, disk = _mem_available(meminfo), shutil.disk_usage(where).free
    rows = (
        ("memory", memory_bytes_needed, memory, "end other programs or instances, or choose fewer nodes"),
        (f"disk at {where}", disk_bytes_needed, disk, "remove what is not needed there"),
    )
    return [
        f"{needed / GIB:.1f} GiB of {what} is needed, but {there / GIB:.1f} GiB is available; {advice}"
        for what, needed, there, advice in rows
        if there < needed
    ]


def podman_problem(*, timeout: float = 30) -> str | None:
    """One sentence when podman does not answer within `timeout` seconds, is broken, or does not use overlay.

    Checkpoints are made of the upper directories that only the overlay graph driver has.
    """
    try:
        result = run(["podman", "info", "--format", "json"], timeout=timeout)
    except LabError as error:
        return str(error)
    if not result.ok:
        return f"podman is broken: `podman info` says: {result.last_line()}"
    try:
        driver = json.loads(result.stdout)["store"]["graphDriverName"]
    except (ValueError, KeyError, TypeError):
        return "podman is broken: `podman info --format json` does not name its graph driver"
    if driver != "overlay":
        return (
            f"podman's graph driver is {driver}, but checkpoints need overlay: "
            'set driver = "overlay" in /etc/containers/storage.conf, then run: podman system reset'
        )
    return None


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _which(command: str) -> str | None:
    return shutil.which(command, path=_search_path())


def _manager(lacking: tuple[Tool, ...]) -> Manager:
    for manager in (APT, DNF):
        if _which(manager.name):
            return manager
    raise LabError(
        f"the host lacks {_commands(lacking)}, and has neither apt-get nor dnf to install it with; "
        "install it by hand, then run this again"
    )


def _packages(lacking: tuple[Tool, ...], manager: Manager) -> list[str]:
    packages: list[str] = []
    for tool in lacking:
        package = manager.package(tool)
        if package is None:
            raise LabError(
                f"the host lacks {tool.command}, which {tool.why}, and {manager.name} has no package of it; "
                "choose a distro whose image is not bootstrapped, such as rocky9"
            )
        if package not in packages:
            packages.append(package)
    return packages


def _run(argv: tuple[str, ...]) -> CommandResult:
    settings = ("DEBIAN_FRONTEND=noninteractive", f"PATH={_search_path()}")
    return run(["/usr/bin/env", *settings, *argv], timeout=INSTALL_TIMEOUT)


def _commands(tools: tuple[Tool, ...]) -> str:
    return ", ".join(tool.command for tool in tools)


def _mem_available(meminfo: Path) -> int:
    for line in meminfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise LabError(f"{meminfo} does not tell MemAvailable; a Linux kernel of 3.14 or later does")
