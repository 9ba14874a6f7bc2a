"""What makes the image of Rocky Linux, run with hand-made packages of the right names on a root directory of Debian.

This proves the template, the commands of dnf, the pool, its tools root, and that a node installs from the pool with no
network. It does not prove Rocky Linux: its programs and services are Debian's here, or stand in for others.

Podman has a storage of its own meanwhile, so no other command meets this "Rocky".
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from halab.kit import templates
from halab.kit.process import is_alive
from halab.providers import images
from halab.spec import distros
from tests.cli import Cli

FIXTURES = Path(__file__).parents[1] / "fixtures/enterprise"
DISKS = "/var/tmp"  # noqa: S108  # /tmp may be in memory
PREFIX = "halab-enterprise-"
SETTINGS = {
    "storage.conf": """\
[storage]
driver = "overlay"
graphroot = "{place}/storage"
runroot = "{place}/run"
[storage.options]
additionalimagestores = ["{host}"]
""",
    # Podman takes a directory without a file in it for one of before the host's boot, and forgets what runs
    "containers.conf": '[engine]\ntmp_dir = "{place}/tmp"\n',
}
VERSION = "#!/bin/sh\necho stands in"
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target"
SSHD = SERVICE.replace(
    "ExecStart=/bin/sleep infinity",
    "RuntimeDirectory=sshd\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStart=/usr/sbin/sshd -D",
)
EPEL = "[epel]\nname=epel\nbaseurl=file:///repositories/epel\ngpgcheck=0"


@dataclass
class StandIn:
    """What a package has besides its name."""

    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    script: str = ""
    files: dict[str, str] = field(default_factory=dict)


SPECIAL = {
    "rocky-release": StandIn(provides=("system-release = 9", "system-release(releasever) = 9", "/bin/sh")),
    "epel-release": StandIn(files={"/etc/yum.repos.d/epel.repo": EPEL}),
    "openssh-server": StandIn(files={"/usr/lib/systemd/system/sshd.service": SSHD}),
    "pacemaker": StandIn(
        requires=("pacemaker-libs",),
        script="useradd --system hacluster",
        files={"/usr/sbin/pacemakerd": VERSION, "/usr/sbin/crm_mon": VERSION},
    ),
    "pacemaker-libs": StandIn(),
    "corosync": StandIn(files={"/usr/sbin/corosync": VERSION}),
    "pcs": StandIn(files={"/usr/sbin/pcs": VERSION, "/usr/lib/systemd/system/pcsd.service": SERVICE}),
    "nginx": StandIn(requires=("nginx-core",), files={"/usr/sbin/nginx": VERSION}),
    "nginx-core": StandIn(files={"/usr/share/nginx/html/index.html": "stands in"}),
    "tcpdump": StandIn(requires=("libpcap",), files={"/usr/sbin/tcpdump": VERSION}),
    "libpcap": StandIn(),
}
CLUSTER = ("pacemaker", "pacemaker-libs", "pacemaker-remote", "corosync", "corosync-qdevice", "corosync-qnetd", "pcs")
OF = dict.fromkeys((*CLUSTER, "fence-agents-ipmilan", "resource-agents"), "highavailability")
OF |= {"lsyncd": "epel", "fuse-sshfs": "epel", "libpcap": "crb"}


def repositories() -> dict[str, list[str]]:
    """Return the names of packages, by the repository that has them for Rocky Linux 9."""
    rocky = distros.load("rocky9")
    found: dict[str, list[str]] = {"baseos": [], "highavailability": [], "crb": [], "epel": []}
    for name in sorted({*rocky.packages, *rocky.pool, "dnf-plugins-core", "createrepo_c", *SPECIAL}):
        found[OF.get(name, "baseos")].append(name)
    return found


def podman(*arguments: str) -> None:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def instance() -> Cli:
    return Cli("enterprise", "--provider", "podman", "--distro", "rocky9")


@contextmanager
def settings_of(place: Path) -> Iterator[None]:
    """Have podman and halab keep everything in `place`."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONTAINERS_STORAGE_CONF", str(place / "storage.conf"))
        environment.setenv("CONTAINERS_CONF", str(place / "containers.conf"))
        environment.setenv("XDG_CACHE_HOME", str(place / "cache"))
        environment.setenv("XDG_STATE_HOME", str(place / "state"))
        yield


def is_used(place: Path) -> bool:
    try:
        return is_alive(int((place / "pid").read_text()))
    except (OSError, ValueError):
        return False


def end_all(place: Path) -> None:
    """End whatever runs with the settings of a place: what a command has started may outlive it."""
    mine = b"=" + os.fsencode(place) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mine in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def remove(place: Path) -> None:
    """Remove all that was made in a place, and the place."""
    end_all(place)
    with settings_of(place):
        instance()("down")
    end_all(place)
    mounts = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.is_relative_to(place)), reverse=True):
        subprocess.run(["umount", "--lazy", str(mount)], check=False)
    subprocess.run(["rm", "--recursive", "--force", str(place)], check=True)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory with a storage of podman's, halab's cache and halab's state, which are used meanwhile."""
    for left in Path(DISKS).glob(f"{PREFIX}*"):  # by tests that were killed
        if not is_used(left):
            remove(left)
    images.ensure(distros.load("debian12"), print)  # it is in the host's storage
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=DISKS))
    (place / "pid").write_text(str(os.getpid()))
    host = subprocess.check_output(["podman", "info", "--format={{.Store.GraphRoot}}"], text=True).strip()
    for name, text in SETTINGS.items():
        (place / name).write_text(text.format(place=place, host=host))
    with settings_of(place):
        yield place
    for log in (place / "cache" / "halab").glob("rocky9*.log"):
        print(f"--- the end of {log.name}\n{log.read_text()[-4000:]}")  # shown when a test failed
    remove(place)


@pytest.fixture(scope="module")
def cli(place: Path) -> Cli:
    """An instance of two nodes that are called Rocky Linux 9."""
    debian = images.Recipe(distros.load("debian12")).reference
    context = place / "context"
    context.mkdir()
    names = repositories()
    stand_ins = {name: SPECIAL.get(name, StandIn()) for its in names.values() for name in its}
    values = {"debian": debian, "repositories": names, "packages": stand_ins}
    for file in ("Containerfile", "packages.spec"):
        (context / file).write_text(templates.render(FIXTURES / f"{file}.j2", **values))
    podman("build", "--isolation=chroot", "--network=host", f"--tag={distros.load('rocky9').container}", str(context))
    return instance()


@pytest.mark.timeout(1800)
def test_a_node_is_made_tried_and_installs_from_the_pool_without_a_network(cli: Cli, place: Path) -> None:
    said = cli("up", "walk", "--to", "install", timeout=900)

    assert "rocky9: trying that on one node, once" in said
    assert "Instance enterprise is up: node1, node2 on rocky9." in said
    assert "Step install is passed" in said
    installed = cli("ssh", "node1", "--", "rpm", "--query", "pacemaker", "pacemaker-libs", "pcs")
    assert "pacemaker-1-1.noarch\npacemaker-libs-1-1.noarch\npcs-1-1.noarch" in installed
    listed = cli("ssh", "node1", "--", "dnf", "--quiet", "repolist")
    assert [line.split()[0] for line in listed.splitlines() if line.split()[1:2] == ["Packages"]] == ["halab-pool"]

    added = cli("pool", "add", "tcpdump", timeout=300)

    assert "The pool of Rocky Linux 9 has tcpdump now; that took 2 new packages." in added
    cli("ssh", "node1", "--", "dnf", "install", "-y", "tcpdump")  # whose metadata were read before
    assert cli("ssh", "node1", "--", "rpm", "--query", "libpcap").startswith("libpcap-1-1.noarch")
