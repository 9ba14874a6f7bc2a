"""The Vagrantfile of an instance: a pure function of the lab, the distro's box and what the host can do."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from halab.kit import templates
from halab.kit.paths import PROVISION, ROOT, name_on_host
from halab.providers.processor import emulated
from halab.spec.distros import Distro
from halab.spec.models import LabSpec, NodeSpec, mac

TEMPLATE = ROOT / "Vagrantfile.j2"
VAGRANTFILE = "Vagrantfile"  # in the instance's directory
SCRIPT = PROVISION / "vm.sh.j2"
REPOSITORY = PROVISION / "files/dnf/etc/yum.repos.d/halab-pool.repo"
OWN_POOL = "/var/lib/halab-pool"  # on a machine of a public box: what labs install, as this machine needs it
SERIAL_LOGS = Path("/var/log/libvirt/qemu")  # where libvirt may write on hosts with SELinux or AppArmor


@dataclass(frozen=True)
class Box:
    """A Vagrant box. `url` is None for one that Vagrant's catalogue has.

    `pool`, `kernel` and `initrd` are paths that libvirt can read. `pool` is the package pool, an ISO 9660 image. A box
    without a boot loader is started with `kernel` and `initrd`.
    """

    name: str
    url: str | None
    pool: str
    kernel: str | None = None
    initrd: str | None = None


@dataclass(frozen=True)
class Names:
    """The names of an instance's domains, networks and interfaces on the host, which other instances share."""

    instance: str  # as name_on_host()

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Return the names of the instance in a directory.

        Machines that exist keep theirs, which are read from the Vagrantfile: they may be older than today's way to name
        them.
        """
        made = directory / VAGRANTFILE
        prefix = re.search(r'default_prefix = "halab-(.+)-"', made.read_text()) if made.exists() else None
        return cls(prefix[1] if prefix else name_on_host(directory))

    @property
    def prefix(self) -> str:
        return f"halab-{self.instance}-"

    def domain(self, node: str) -> str:
        return f"{self.prefix}{node}"

    def network(self, network: str) -> str:
        return f"{self.prefix}{network}"

    def serial_log(self, node: str) -> Path:
        return SERIAL_LOGS / f"{self.prefix}{node}-console.log"

    def port(self, node: str, network: str) -> str:
        """Return the name of the bridge port of a node or of the workstation. It may have 15 characters on Linux."""
        tag = hashlib.sha256(f"{self.instance}\0{node}".encode()).hexdigest()[:8]
        return f"h{tag}-{network}"


def render(spec: LabSpec, names: Names, distro: Distro, box: Box, driver: str, script: Path) -> str:
    """Return the Vagrantfile.

    `driver` is `kvm` or `qemu`. `script` turns a machine of a public box into a bare server.
    """
    return templates.render(
        TEMPLATE,
        box=box,
        driver=driver,
        processor=emulated(distro),
        spec=spec,
        prefix=names.prefix,
        nodes=[_node(node, spec, names) for node in spec.nodes],
        provision=str(script) if distro.box else None,
        enforcing=spec.needs.enforcing,
    )


def render_script(distro: Distro, root_password: str) -> str:
    """Return the script that runs once on a machine from a public box."""
    repository = REPOSITORY.read_text().splitlines()
    return templates.render(SCRIPT, distro=distro, root_password=root_password, pool_repo=repository, own_pool=OWN_POOL)


def _node(node: NodeSpec, spec: LabSpec, names: Names) -> dict[str, object]:
    cables = [
        {
            "address": getattr(node, name),
            "netmask": network.subnet.netmask,
            "mac": mac(getattr(node, name).packed),
            "network": names.network(name),
            "port": names.port(node.name, name),
        }
        for name, network in spec.networks.by_name()
    ]
    return {"name": node.name, "cables": cables, "serial_log": names.serial_log(node.name)}
