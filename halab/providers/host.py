"""What the host must have for labs on container nodes: commands, memory, disk and a podman that works."""

import json
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.files import one_at_a_time
from halab.kit.process import CommandResult, run
from halab.providers import rights

INSTALL_TIMEOUT = 1800  # seconds; a slow mirror is not a broken one
GIB = 2**30
# Enterprise Linux's python3 is another Python than halab runs on, and each has headers of its own
PYTHON_HEADERS = ("python3-dev", f"python3.{sys.version_info.minor}-devel")
VAGRANT_BY_HAND = """\
this distribution has no package of Vagrant; as root, run:
    dnf install -y dnf-plugins-core
    dnf config-manager --add-repo https://rpm.releases.hashicorp.com/RHEL/hashicorp.repo
    dnf config-manager --set-enabled crb
    dnf install -y vagrant gcc make ruby-devel libvirt-devel libvirt-daemon-kvm libvirt-client qemu-kvm
    vagrant plugin install vagrant-libvirt
    systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket"""


@dataclass(frozen=True)
class Tool:
    """A command that the host needs (or a file, given by its path), what it is for, and the packages that contain it.

    A package is None when there is none. `instead` is another command that does as well.
    """

    command: str
    why: str
    apt: str | None
    dnf: str | None
    instead: str | None = None


TOOLS = (
    Tool("podman", "makes the nodes", "podman", "podman"),
    Tool("crun", "runs the nodes for podman", "crun", "crun"),
    Tool("conmon", "watches over each node for podman", "conmon", "conmon"),
    Tool("nsenter", "enters the namespaces of an instance", "util-linux", "util-linux"),
    Tool("unshare", "makes the namespaces of an instance", "util-linux", "util-linux"),
    Tool("ip", "makes the networks of an instance", "iproute2", "iproute"),
    Tool("bridge", "lets frozen nodes answer nothing", "iproute2", "iproute"),
    Tool("tc", "delays frames, when that is asked for", "iproute2", "iproute-tc"),
    Tool("nft", "loses frames and silences BMCs, when that is asked for", "nftables", "nftables"),
    Tool("mke2fs", "makes the file systems that limit what nodes may write", "e2fsprogs", "e2fsprogs"),
    Tool("tar", "saves and restores checkpoints", "tar", "tar"),
    Tool("ping", "asks from the workstation whether an address answers", "iputils-ping", "iputils"),
    Tool("arping", "asks from the workstation which node holds an address", "iputils-arping", "iputils"),
    Tool("curl", "asks the service through the VIP", "curl", "curl"),
    Tool("bwrap", "keeps learners on the workstation from the host's files", "bubblewrap", "bubblewrap"),
    Tool("setpriv", "takes root's rights from learners on the workstation", "util-linux", "util-linux"),
    Tool("ssh", "logs in to nodes from the workstation", "openssh-client", "openssh-clients"),
    Tool("ipmitool", "talks to the BMCs from the workstation", "ipmitool", "ipmitool"),
    Tool("fence_ipmilan", "fences nodes from the workstation", "fence-agents", "fence-agents-ipmilan"),
)
"""What every lab on container nodes needs."""

BOOTSTRAP_TOOLS = (Tool("mmdebstrap", "bootstraps the image of a Debian node", "mmdebstrap", None),)
"""What the image of a Debian distro needs in addition. Hosts other than Debian may have no package of it."""


BROWSER = (Tool("chromium", "shows the page to its tests", "chromium", "chromium"),)
"""What the tests of the page need in addition."""

MACHINE_TOOLS = (
    Tool("vagrant", "makes virtual machines (with its plug-in vagrant-libvirt)", "vagrant-libvirt", None),
    # one daemon, or a daemon for each driver (libvirt's "Daemons", Modular driver daemons), as on Enterprise Linux
    Tool("libvirtd", "runs virtual machines", "libvirt-daemon-system", "libvirt-daemon-kvm", instead="virtqemud"),
    # Enterprise Linux's QEMU is none of PATH's programs
    Tool("/usr/share/qemu", "is what machines run in", "qemu-system-x86", "qemu-kvm", instead="/usr/libexec/qemu-kvm"),
    Tool("dnsmasq", "gives machines addresses on Vagrant's own network", "dnsmasq-base", "dnsmasq"),
    Tool("gcc", "compiles libvirt-python", "gcc", "gcc"),
    Tool("pkg-config", "tells libvirt's version", "pkg-config", "pkgconf-pkg-config"),
    Tool(
        "/usr/include/libvirt/libvirt.h", "is what libvirt-python is compiled against", "libvirt-dev", "libvirt-devel"
    ),
    Tool(f"{sysconfig.get_paths()['include']}/Python.h", "is what libvirt-python is compiled against", *PYTHON_HEADERS),
)
"""What labs on virtual machines need in addition."""

BOX_TOOLS = (
    Tool("xorriso", "makes a CD-ROM of the package pool", "xorriso", "xorriso"),
    Tool("mke2fs", "makes the file system of a Debian machine", "e2fsprogs", "e2fsprogs"),
    Tool("debugfs", "writes the labels of SELinux into it", "e2fsprogs", "e2fsprogs"),
    Tool("qemu-img", "makes the disk of a Debian machine", "qemu-utils", "qemu-img"),
)
"""What making the box of a distro needs in addition."""


@dataclass(frozen=True)
class Manager:
    """A package manager: how it installs, and how it refreshes its lists (None: it does so by itself)."""

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
# Fence agents may be in a disabled repository, and so may libvirt-devel, which is in CRB (Rocky, Alma) or in CodeReady
# Builder (RHEL). --enablerepo would be an error where there is no such repository.
MAY_BE_DISABLED = ("*highavailability*", "crb", "codeready-builder-*-rpms")
DNF = Manager(
    "dnf",
    (
        *("dnf", "install", "-y", "--setopt=install_weak_deps=False"),
        *(f"--setopt={name}.enabled=1" for name in MAY_BE_DISABLED),
    ),
    None,
)


def missing(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """Return the tools that are not on PATH, and not in the sbin directories, which PATH may lack."""
    return tuple(tool for tool in tools if not any(_is_there(name) for name in (tool.command, tool.instead) if name))


def ensure(tools: Iterable[Tool], say: Callable[[str], None]) -> None:
    """Install the tools that are missing. `say` gets one line for each, before anything is installed.

    Raises LabError, which says what to do, when not root, when a tool has no package, or when installing failed.
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
    if reason := rights.no_nodes_because():
        raise LabError(reason)

    for tool in lacking:
        say(f"installing {manager.package(tool)} with {manager.name}: {tool.command} {tool.why}")
    with one_at_a_time("installing"):
        _install(manager, install)
    if still := missing(lacking):
        raise LabError(f"{manager.name} installed {' '.join(packages)}, but not {_commands(still)}")


def _install(manager: Manager, install: tuple[str, ...]) -> None:
    result = _run(install)
    if not result.ok and manager.update:  # the lists are missing or out of date
        _run(manager.update)
        result = _run(install)
    if not result.ok:
        raise LabError(f"`{shlex.join(install)}` failed: {result.cause()}; run it by hand to see it all")


def shortage(
    memory_bytes_needed: int, disk_bytes_needed: int, where: Path, *, meminfo: Path = Path("/proc/meminfo")
) -> list[str]:
    """Return one sentence for memory (MemAvailable) and one for disk, if less is available than needed.

    `where` need not exist yet: its nearest existing parent is measured.
    """
    while not where.exists():
        where = where.parent
    memory, disk = mem_available(meminfo), shutil.disk_usage(where).free
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
    """Return one sentence when podman does not answer within `timeout` seconds, is broken, or does not use overlay.

    Checkpoints are made of upper directories, which only the overlay graph driver has.
    """
    try:
        result = run(["podman", "info", "--format", "json"], timeout=timeout)
    except LabError as error:
        return str(error)
    if not result.ok:
        return f"podman is broken: `podman info` says: {result.cause()}"
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


def no_machines_because(*, kvm: Path = Path("/dev/kvm"), run_dir: Path = Path("/run/libvirt")) -> str | None:
    """Return why virtual machines are not used unless somebody asks for them, or None when they can be."""
    if not os.access(kvm, os.R_OK | os.W_OK):
        return "this host has no KVM"
    if lacking := missing(MACHINE_TOOLS[:2]):
        return f"this host has no {_commands(lacking)}"
    if not any((run_dir / name).is_socket() for name in ("libvirt-sock", "virtqemud-sock")):
        return "libvirt does not run on this host"
    return None


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _which(command: str) -> str | None:
    return shutil.which(command, path=_search_path())


def _is_there(command: str) -> bool:
    return Path(command).exists() if command.startswith("/") else _which(command) is not None


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
        if tool.command == "vagrant" and package is None:
            raise LabError(VAGRANT_BY_HAND)
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


def mem_available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return how many bytes programs may still take (proc(5), MemAvailable)."""
    for line in meminfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise LabError(f"{meminfo} does not tell MemAvailable; a Linux kernel of 3.14 or later does")
