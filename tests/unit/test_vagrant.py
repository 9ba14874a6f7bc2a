"""What the vagrant provider does without machines: how it reports Vagrant's errors, and how it sets up vbmcd."""

import configparser
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from halab.cli.selection import Selection, instance_to_make, select
from halab.instance import vbmcd
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.providers.vagrant import packages
from halab.providers.vagrant.domains import Domains, by_uefi, is_plugged
from halab.providers.vagrant.machines import complaint
from halab.providers.vagrant.vagrantfile import Names
from tests.fakes import Programs, World, instance_up

LOCKED = """\
Bringing machine 'node1' up with 'libvirt' provider...
==> node1: Checking if box 'halab/debian12' version '1.0.0' is up to date...
An action 'up' was already executed on the machine 'node1'.
Vagrant locks each machine for access by only one process at a time.

Please wait until the other Vagrant process finishes modifying this
machine, then try again.
"""
NETWORK_TAKEN = """\
Bringing machine 'node1' up with 'libvirt' provider...
==> node1: Creating image (snapshot of base box volume).

Error occurred while creating new network: {:iface_type=>:private_network}.
Call to virNetworkCreate failed: internal error: Network is already in use by interface virbr0.
"""
DISCONNECTED = (
    "\r\x1b[KProgress: 40%\r\x1b[K==> node1: Successfully added box 'halab/x' (v1.0.0) for 'libvirt'!\n"
    "\r\x1b[K\nThere was an error talking to Libvirt. The error message is shown\nbelow:\n\nCannot recv data\n"
)
TRACEBACK = """\
==> node1: Creating domain with the following settings...
/usr/lib/ruby/fog/libvirt/list_domains.rb:9:in `lookup_domain_by_uuid': Call to virDomainLookupByUUID failed: internal \
error: client socket is closed (Libvirt::RetrieveError)
\tfrom /usr/lib/ruby/fog/libvirt/list_domains.rb:9:in `list_domains'
"""
NO_BOX = """\
Bringing machine 'node1' up with 'libvirt' provider...
==> node1: Box 'rockylinux/9' could not be found. Attempting to find and install...
    node1: Box Provider: libvirt
    node1: Box Version: >= 0
The box 'rockylinux/9' could not be found or
could not be accessed in the remote catalog. If this is a private
box on HashiCorp's Vagrant Cloud, please verify you're logged in.
"""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (DISCONNECTED, "There was an error talking to Libvirt. The error message is shown below:"),
        (TRACEBACK, "Call to virDomainLookupByUUID failed: internal error: client socket is closed"),
        (NO_BOX, "The box 'rockylinux/9' could not be found or could not be accessed in the remote catalog."),
        (LOCKED, "An action 'up' was already executed on the machine 'node1'. Vagrant locks each machine for"),
        (
            NETWORK_TAKEN,
            "Error occurred while creating new network: {:iface_type=>:private_network}. Call to",
        ),
        ("", "it printed nothing"),
    ],
)
def test_of_what_vagrant_printed_the_complaint_is_told_on_one_line(said: str, sentence: str) -> None:
    told = complaint(said)

    assert told.startswith(sentence)
    assert "\n" not in told


def test_vbmcd_gets_a_configuration_of_its_own_with_a_bmc_for_every_node(world: World) -> None:
    instance = instance_to_make(Selection(lab="tiny", instance="alice", provider="fake", distro="debian12"))

    main = vbmcd.configure(instance)

    parser = configparser.ConfigParser(interpolation=None)
    parser.read(main)
    machines = main.parent / "machines"
    assert parser["default"]["config_dir"] == str(machines)
    assert parser["default"]["pid_file"].startswith(str(instance.directory))
    domains = [Names.of(instance.directory).domain(node) for node in ("node1", "node2")]
    assert sorted(path.name for path in machines.iterdir()) == domains
    parser.read(machines / domains[1] / "config")
    assert dict(parser["VirtualBMC"]) == {
        "username": "admin",
        "password": "fence-me",
        "address": "10.2.0.111",
        "port": "623",
        "domain_name": domains[1],
        "libvirt_uri": "qemu:///system",
        "active": "True",
    }


def test_the_pid_of_a_vbmcd_that_was_killed_is_no_obstacle(world: World) -> None:
    instance = instance_to_make(Selection(lab="tiny", instance="alice", provider="fake", distro="debian12"))
    pid = vbmcd.configure(instance).parent / "vbmcd.pid"
    pid.write_text("1")

    vbmcd.configure(instance)

    assert not pid.exists()


class Enough(Exception):
    """Ends what would go on for ever."""


def test_vbmcd_starts_bmcs_again_and_takes_no_commands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = instance_up()
    served: list[int] = []

    class Bmcs:
        def periodic(self) -> None:
            served.append(len(served))
            if len(served) == 3:
                raise Enough

    def takes_commands(*_: object) -> None:
        raise AssertionError

    control, vbmcd_main = ModuleType("control"), ModuleType("vbmcd")
    monkeypatch.setattr(control, "main_loop", takes_commands, raising=False)
    monkeypatch.setattr(vbmcd_main, "main", lambda argv: control.main_loop(Bmcs(), takes_commands), raising=False)
    for name, module in {
        "virtualbmc": ModuleType("virtualbmc"),
        "virtualbmc.control": control,
        "virtualbmc.manager": ModuleType("manager"),
        "virtualbmc.vbmc": SimpleNamespace(VirtualBMC=object),
        "virtualbmc.cmd": SimpleNamespace(vbmcd=vbmcd_main),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
        parent, _, last = name.rpartition(".")
        if parent:
            monkeypatch.setattr(sys.modules[parent], last, module, raising=False)
    monkeypatch.setattr(vbmcd, "PERIOD", 0)
    monkeypatch.setattr("multiprocessing.set_start_method", lambda method: None)
    monkeypatch.setenv("VIRTUALBMC_CONFIG", "")

    with pytest.raises(Enough):
        vbmcd.main(instance.name)

    assert served == [0, 1, 2]


def test_packages_that_are_there_are_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("pydantic", "pytest"))
    said: list[str] = []

    packages.ensure(said.append)

    assert said == []


def test_libvirts_own_version_of_its_bindings_is_installed(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("halab-no-such-package",))
    ran: list[Sequence[str]] = []

    def told(argv: Sequence[str], given: str) -> str:
        ran.append(argv)
        return "9.0.0\n"

    for name in ("pkg-config", sys.executable):
        programs.stand_in(name, told)
    packages.ensure(lambda text: None)

    assert ran[0] == ["pkg-config", "--modversion", "libvirt"]
    assert "--require-hashes" in ran[1]
    assert ran[2][-1] == "libvirt-python==9.0.0"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("<os><type>hvm</type><kernel>/vmlinuz</kernel></os>", False),
        ("<os firmware='efi'><type>hvm</type></os>", True),
        ("<os><type>hvm</type><loader readonly='yes' type='pflash'>/OVMF_CODE.fd</loader></os>", True),
        ("<os><type>hvm</type><loader type='rom'>/bios.bin</loader></os>", False),
    ],
)
def test_machines_that_boot_by_uefi_are_told_from_others(system: str, expected: bool) -> None:
    assert by_uefi(f"<domain type='kvm'>{system}</domain>") is expected


@pytest.mark.parametrize(
    ("link", "expected"), [("", True), ("<link state='up'/>", True), ("<link state='down'/>", False)]
)
def test_a_cable_that_is_pulled_is_told_from_its_machines_others(link: str, expected: bool) -> None:
    other = "<interface><target dev='port-mgmt'/><link state='up'/></interface>"
    mine = f"<interface><target dev='port-lan'/>{link}</interface>"

    assert is_plugged(f"<domain><devices>{other}{mine}</devices></domain>", "port-lan") is expected


@pytest.mark.usefixtures("world")
def test_the_provider_is_chosen_by_what_the_host_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(obstacle: str | None) -> Instance:
        monkeypatch.setattr("halab.providers.host.no_machines_because", lambda: obstacle)
        return instance_to_make(select("tiny", None, None, "debian12", None))

    assert made("this host has no KVM").state.provider == "podman"
    assert made(None).state.provider == "vagrant"


@pytest.mark.usefixtures("as_root")
def test_what_is_missing_for_machines_is_a_problem_that_up_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("halab-no-such-package",))
    instance = instance_to_make(Selection(lab="ha-web", provider="vagrant", distro="debian12"))

    assert instance.provider.problems() == [
        "the Python packages halab-no-such-package are missing; `inv up` installs them"
    ]


@pytest.mark.usefixtures("as_root")
def test_libvirt_that_does_not_run_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> list[str]:
        raise LabError("libvirt, asked about libvirt, says: Connection refused")

    monkeypatch.setattr(packages, "PACKAGES", ())
    instance = instance_to_make(Selection(lab="ha-web", provider="vagrant", distro="debian12"))
    monkeypatch.setattr(instance.provider._domains, "strangers", silent)  # type: ignore[attr-defined]

    (problem,) = instance.provider.problems()

    assert "Connection refused; is libvirt running?" in problem


@pytest.mark.parametrize(("state", "itself"), [((5, 1), True), ((5, 2), False), ((5, 7), False), ((1, 1), False)])
def test_a_machine_that_has_switched_itself_off_is_told_from_one_whose_power_was_cut(
    monkeypatch: pytest.MonkeyPatch, state: tuple[int, int], itself: bool
) -> None:
    # virDomainState and virDomainShutoffReason: 5 is off; 1 by itself, 2 destroyed, 7 gone back to a snapshot
    libvirt = SimpleNamespace(VIR_DOMAIN_SHUTOFF=5, VIR_DOMAIN_SHUTOFF_SHUTDOWN=1)
    monkeypatch.setattr("halab.providers.vagrant.domains.library", lambda: libvirt)
    monkeypatch.setattr(Domains, "domain", lambda self, node: SimpleNamespace(state=lambda: state))

    assert Domains(Names("x"), ["node1"], Path("Vagrantfile")).shut_itself_down("node1") is itself
