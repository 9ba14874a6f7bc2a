"""What halab installs on a host with Rocky Linux, or one of its kin: a package, and where it is said to be that one.

Nobody has run this there. Each line has its source.
"""

import sys

import pytest

from halab.providers import host
from halab.providers.host import BOX_TOOLS, DNF, MACHINE_TOOLS, TOOLS

REQUIRED = [
    # (command or file, package, source)
    ("podman", "podman", "RHEL 9, Building, running, and managing containers"),
    ("crun", "crun", "RHEL 9, Considerations in adopting RHEL 9: crun is the default runtime"),
    ("ip", "iproute", "iproute.spec of c9s, %files: sbin/ip"),
    ("bridge", "iproute", "iproute.spec of c9s, %files: sbin/bridge"),
    ("tc", "iproute-tc", "iproute.spec of c9s, %package tc"),
    ("nft", "nftables", "RHEL 9, Configuring firewalls and packet filters"),
    ("ping", "iputils", "iputils.spec of c9s"),
    ("arping", "iputils", "iputils.spec of c9s"),
    ("fence_ipmilan", "fence-agents-ipmilan", "fence-agents.spec of c9s; in the repository highavailability"),
    ("libvirtd", "libvirt-daemon-kvm", "libvirt.spec of c9s: requires the modular drivers; has virtqemud, see below"),
    ("/usr/share/qemu", "qemu-kvm", "qemu-kvm.spec of c9s: /usr/libexec/qemu-kvm"),
    ("dnsmasq", "dnsmasq", "libvirt.spec of c9s, libvirt-daemon-driver-network requires it"),
    ("/usr/include/libvirt/libvirt.h", "libvirt-devel", "Package manifest of RHEL 9: CodeReady Linux Builder"),
    ("pkg-config", "pkgconf-pkg-config", "pkgconf.spec of c9s"),
    ("gcc", "gcc", "Package manifest of RHEL 9: AppStream"),
    ("xorriso", "xorriso", "Package manifest of RHEL 9: AppStream"),
    ("qemu-img", "qemu-img", "qemu-kvm.spec of c9s"),
]
TABLE = {tool.command: tool for tool in (*TOOLS, *MACHINE_TOOLS, *BOX_TOOLS)}


@pytest.mark.parametrize(("command", "package", "source"), REQUIRED, ids=[row[0] for row in REQUIRED])
def test_a_requirement_has_its_package_there(command: str, package: str, source: str) -> None:
    assert DNF.package(TABLE[command]) == package
    assert source


def test_headers_are_those_of_the_python_that_halab_runs_on() -> None:
    """python3.12.spec of c9s (AppStream): python3.12-devel. python3-devel is that of 3.9, the system's own."""
    (headers,) = [tool for tool in MACHINE_TOOLS if tool.command.endswith("/Python.h")]

    assert DNF.package(headers) == f"python3.{sys.version_info.minor}-devel"
    assert f"python3.{sys.version_info.minor}" in headers.command


def test_daemons_that_are_one_for_each_driver_do_as_well_as_the_one_daemon() -> None:
    """libvirt's "Daemons", Modular driver daemons; RHEL 9, Configuring and managing virtualization."""
    assert TABLE["libvirtd"].instead == "virtqemud"
    assert TABLE["/usr/share/qemu"].instead == "/usr/libexec/qemu-kvm"
    assert "systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket" in host.VAGRANT_BY_HAND
    assert "libvirtd" not in host.VAGRANT_BY_HAND


def test_repositories_that_are_disabled_there_are_used_all_the_same() -> None:
    """dnf.conf(5) and dnf(8), --setopt=repoid.option; a glob that fits no repository is no error (tried, dnf 4.14)."""
    assert "--setopt=crb.enabled=1" in DNF.install
    assert "--setopt=codeready-builder-*-rpms.enabled=1" in DNF.install
    assert "--setopt=*highavailability*.enabled=1" in DNF.install


def test_what_is_typed_by_hand_there_enables_the_repository_of_libvirt_devel_first() -> None:
    lines = host.VAGRANT_BY_HAND.splitlines()

    enabled = next(number for number, line in enumerate(lines) if "--set-enabled crb" in line)
    plugin = next(number for number, line in enumerate(lines) if "config-manager" in line)
    installed = next(number for number, line in enumerate(lines) if "libvirt-devel" in line)
    assert "dnf install -y dnf-plugins-core" in lines[plugin - 1]
    assert plugin <= enabled < installed
