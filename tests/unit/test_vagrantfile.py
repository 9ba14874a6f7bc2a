"""The Vagrantfile, and the script that runs on a public box, as texts."""

import re
from pathlib import Path

import pytest

from halab.providers.vagrant.vagrantfile import Box, Names, render, render_script
from halab.spec import distros, labs
from halab.spec.models import LabSpec

MADE_HERE = Box("halab/debian12-abc", "file:///boxes/metadata.json", "/pool.iso", "/vmlinuz", "/initrd")
SCRIPT = Path("/instance/provision.sh")


@pytest.fixture
def spec() -> LabSpec:
    return labs.load("ha-web").spec


def vagrantfile(spec: LabSpec, distro: str = "debian12", driver: str = "kvm", box: Box = MADE_HERE) -> str:
    return render(spec, Names("alice"), distros.load(distro), box, driver, SCRIPT)


def test_the_same_lab_gives_the_same_text(spec: LabSpec) -> None:
    assert vagrantfile(spec) == vagrantfile(spec)


def test_the_lab_file_tells_size_addresses_and_hardware_addresses(spec: LabSpec) -> None:
    text = vagrantfile(spec)

    assert "libvirt.cpus = 1\n" in text
    assert "libvirt.memory = 1536\n" in text
    assert 'ip: "192.168.1.11", netmask: "255.255.255.0", mac: "02:00:c0:a8:01:0b"' in text
    assert 'ip: "192.168.2.10", netmask: "255.255.255.0", mac: "02:00:c0:a8:02:0a"' in text


def test_every_lab_network_is_isolated_and_no_network_gets_an_address_of_the_host(spec: LabSpec) -> None:
    text = vagrantfile(spec)

    assert text.count("node.vm.network") == 4
    assert text.count('libvirt__forward_mode: "veryisolated", libvirt__dhcp_enabled: false') == 4
    assert "host_ip" not in text


def test_domains_and_networks_are_named_after_the_instance(spec: LabSpec) -> None:
    text = vagrantfile(spec)

    assert 'libvirt.default_prefix = "halab-alice-"' in text
    assert 'libvirt__network_name: "halab-alice-lan"' in text
    assert "/halab-alice-node1-console.log" in text


def test_instances_of_one_name_in_two_state_directories_share_no_name_on_the_host(tmp_path: Path) -> None:
    one, other = (Names.of(tmp_path / state / "instances" / "alice") for state in ("mine", "theirs"))

    def on_host(names: Names) -> set[str]:
        return {names.domain("node1"), names.network("lan"), str(names.serial_log("node1")), names.port("node1", "lan")}

    assert not on_host(one) & on_host(other)
    assert max(map(len, (one.port("node1", "mgmt"), other.port("node1", "mgmt")))) <= 15
    assert one.domain("node1").startswith("halab-alice-")


def test_machines_that_are_there_keep_the_names_that_they_were_made_with(spec: LabSpec, tmp_path: Path) -> None:
    (tmp_path / "Vagrantfile").write_text(vagrantfile(spec))

    assert Names.of(tmp_path) == Names("alice")


def test_kvm_is_used_where_it_is_and_qemu_emulates_where_it_is_not(spec: LabSpec) -> None:
    assert 'libvirt.driver = "kvm"' in vagrantfile(spec, driver="kvm")
    assert "cpu_model" not in vagrantfile(spec, driver="kvm")
    assert 'libvirt.driver = "qemu"' in vagrantfile(spec, driver="qemu")


@pytest.mark.parametrize(
    ("distro", "model"), [("debian12", "Nehalem"), ("rocky9", "Nehalem"), ("rocky10", "Haswell-noTSX")]
)
def test_a_processor_is_emulated_that_the_distro_s_programs_run_on(spec: LabSpec, distro: str, model: str) -> None:
    assert f'libvirt.cpu_model = "{model}"' in vagrantfile(spec, distro, driver="qemu")


def test_the_kernel_spares_an_emulated_processor_what_is_dear_there(spec: LabSpec) -> None:
    emulated, real = vagrantfile(spec, driver="qemu"), vagrantfile(spec, driver="kvm")

    assert re.search(r'cmd_line = "[^"\n]* net.ifnames=0 mitigations=off norandmaps [^"\n]*"', emulated)
    assert re.search(r'cmd_line = "[^"\n]* net.ifnames=0"', real)


def test_the_kernel_turns_selinux_on_for_a_lab_that_needs_it_and_for_no_other(spec: LabSpec) -> None:
    needed, other = vagrantfile(labs.load("selinux").spec), vagrantfile(spec)

    assert re.search(r'cmd_line = "[^"\n]* security=selinux selinux=1 enforcing=1"', needed)
    assert "selinux" not in other


def test_a_public_box_boots_by_itself_and_is_provisioned(spec: LabSpec) -> None:
    text = vagrantfile(spec, "rocky9", box=Box("rockylinux/9", None, "/pool.iso"))

    assert 'config.vm.box = "rockylinux/9"' in text
    assert f'config.vm.provision "shell", path: "{SCRIPT}"' in text
    assert "libvirt.kernel" not in text
    assert "box_url" not in text


@pytest.mark.parametrize(("distro", "release"), [("rocky9", "9"), ("rocky10", "10")])
def test_the_box_of_rocky_is_the_distribution_s_own(spec: LabSpec, distro: str, release: str) -> None:
    known = distros.load(distro)

    text = vagrantfile(spec, distro, box=Box(str(known.box), known.box_url, "/pool.iso"))

    place = f"https://dl.rockylinux.org/pub/rocky/{release}/images/x86_64"
    assert f'config.vm.box_url = "{place}/Rocky-{release}-Vagrant-Libvirt.latest.x86_64.box"' in text
    assert distros.load("alma9").box_url == ""  # its catalogue is kept up, and Rocky's box is none of Alma's


def test_a_box_made_here_is_told_its_kernel_and_needs_no_provisioning(spec: LabSpec) -> None:
    text = vagrantfile(spec)

    assert 'config.vm.box_url = "file:///boxes/metadata.json"' in text
    assert 'libvirt.kernel = "/vmlinuz"' in text
    assert "provision" not in text


@pytest.mark.parametrize("nodes", [1, 3, 16])
def test_there_is_a_machine_for_every_node(spec: LabSpec, nodes: int) -> None:
    text = vagrantfile(spec.with_nodes(nodes))

    assert text.count("config.vm.define") == nodes


@pytest.mark.parametrize("name", ["rocky9", "rocky10", "alma9"])
def test_a_public_box_gets_the_cluster_repository_the_pool_and_keeps_selinux_enforcing(name: str) -> None:
    script = render_script(distros.load(name), "secret")

    assert "dnf config-manager --set-enabled highavailability crb" in script
    assert "baseurl=file:///srv/pool" in script
    assert "LABEL=halab-pool /srv/pool iso9660" in script
    assert "firewalld" in script
    assert '[ "$(getenforce)" = Enforcing ]' in script
    assert "setenforce" not in script
    assert "mkdir -p /var/log/journal" in script  # or it would not outlive a boot
    assert "install pacemaker" not in script
    assert script.index("destdir=/var/lib/halab-pool pacemaker") < script.index("--set-disabled '*'")
    assert "baseurl=file:///var/lib/halab-pool" in script[script.index("--set-disabled '*'") :]


def test_ports_have_names_that_linux_allows_and_no_two_instances_share() -> None:
    names = [
        Names(instance).port(node, net) for instance in ("a", "b") for node in ("n1", "n2") for net in ("lan", "mgmt")
    ]

    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 15
