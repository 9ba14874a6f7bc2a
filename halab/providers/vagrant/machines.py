"""How Vagrant makes the machines of an instance's nodes, and how they are removed."""

import os
import re
import subprocess
from contextlib import suppress
from functools import cached_property

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.process import end_daemons
from halab.providers import Premises
from halab.providers.images import ROOT_PASSWORD
from halab.providers.vagrant import boxes, command, libvirtd
from halab.providers.vagrant.domains import Domains
from halab.providers.vagrant.shells import Shells
from halab.providers.vagrant.vagrantfile import VAGRANTFILE, Names, render, render_script
from halab.providers.workshop import Say
from halab.spec.distros import load

UEFI_SAVED_SINCE = (10, 10, 0)  # libvirt's news: internal snapshots of machines with UEFI firmware
EMULATED = 10.0  # how many times slower a machine that QEMU emulates is than one with KVM, or than a container


class Machines:
    """The machines of one instance. Once they are made, `shells` knows how to reach them."""

    def __init__(self, premises: Premises, names: Names, domains: Domains, shells: Shells) -> None:
        self._premises = premises
        self._names = names
        self._domains = domains
        self._shells = shells
        self._vagrantfile = premises.directory / VAGRANTFILE
        self._whole = premises.directory / "made"
        self._log = premises.directory / "vagrant.log"
        self._mark = f"{premises.directory}/vagrant"

    @property
    def slowness(self) -> float:
        """How many times slower than others they are. It is 1 until machines were begun."""
        emulated = self.were_begun() and 'driver = "qemu"' in self._vagrantfile.read_text()
        return EMULATED if emulated else 1.0

    def were_begun(self) -> bool:
        """Return whether any of the machines may exist."""
        return self._vagrantfile.exists()

    def are_whole(self) -> bool:
        """Return whether all machines were made completely."""
        return self._whole.exists()

    def make_box(self, say: Say) -> str | None:
        """Make what machines start from. Return all that tells it from others where that is a public box.

        One that is made here has the image's own packages, which are tried on a container, and a kernel.
        """
        distro = load(self._premises.distro)
        folder = boxes.ensure(distro, command.public_key(), say)
        return f"{distro.box} {folder.name} {render_script(distro, ROOT_PASSWORD)}" if distro.box else None

    def make(self) -> None:
        """Make all machines, from nothing. Raises LabError when libvirt cannot save their memory."""
        distro, spec = load(self._premises.distro), self._premises.spec
        self.remove()
        driver = "kvm" if libvirtd.has_kvm() else "qemu"
        folder = boxes.ensure(distro, command.public_key(), print)
        box = boxes.upload(distro, folder)
        script = self._premises.directory / "provision.sh"
        if distro.box:
            write_atomically(script, render_script(distro, ROOT_PASSWORD))
        write_atomically(self._vagrantfile, render(spec, self._names, distro, box, driver, script))
        if driver == "qemu":
            print(f"this host has no KVM, so the machines are emulated: they take {EMULATED:g} times as long")
        self._vagrant("up")
        if libvirtd.version() < UEFI_SAVED_SINCE and not self._premises.disk_only and self._domains.boots_by_uefi():
            raise LabError(
                "this libvirt cannot save the memory of machines that boot by UEFI, as these do; "
                "try: inv down, then: inv lab --disk-only up"
            )
        self._shells.know({node.name: self._ssh_options(node.name) for node in spec.nodes})
        self._whole.touch()

    def remove(self) -> None:
        """Remove all machines: first those that Vagrant knows of, then whatever is left of them."""
        end_daemons(self._mark)  # a Vagrant that outlived the command that started it
        if self.were_begun():
            with suppress(LabError):  # what Vagrant cannot remove, libvirt can
                self._vagrant("destroy")
        self._domains.remove([name for name, _ in self._premises.spec.networks.by_name()])
        for node in self._premises.spec.nodes:
            self._names.serial_log(node.name).unlink(missing_ok=True)
        self._whole.unlink(missing_ok=True)

    def _vagrant(self, what: str) -> None:
        """Run `vagrant up` or `vagrant destroy`. Raises LabError with the first complaint that Vagrant printed."""
        import vagrant

        self._log.touch()
        begin = self._log.stat().st_size
        out = vagrant.make_file_cm(str(self._log))
        made = vagrant.Vagrant(str(self._premises.directory), out_cm=out, err_cm=out, env=self._environment)
        try:
            made.up(provider="libvirt") if what == "up" else made.destroy()
        except subprocess.CalledProcessError:
            said = self._log.read_bytes()[begin:].decode(errors="replace")
            raise LabError(f"`vagrant {what}` failed: {complaint(said)}; the log is {self._log}") from None

    def _ssh_options(self, node: str) -> dict[str, str]:
        """Return how Vagrant reaches a machine: options of ssh_config(5)."""
        import vagrant

        made = vagrant.Vagrant(str(self._premises.directory), env=self._environment)
        known = made.conf(vm_name=node)
        return {option: known[option] for option in ("HostName", "Port", "IdentityFile")}

    @cached_property
    def _environment(self) -> dict[str, str]:
        settings = {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", "HALAB_MARK": self._mark}
        return {**os.environ, **settings}


def complaint(said: str) -> str:
    """Return, as one line, the first paragraph that Vagrant printed and that is no progress."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)  # ECMA-48: progress clears its line
    lines = [line.strip() for line in plain.replace("\r", "\n").splitlines()]
    left = [line for line in lines if not re.match(r"==> |\S+: |Bringing machine |Progress:", line)]
    paragraphs = [" ".join(paragraph.split("\n")) for paragraph in "\n".join(left).split("\n\n")]
    first = next((text.strip() for text in paragraphs if text.strip()), "it printed nothing")
    raised = re.match(r"\S+\.rb:\d+:in \S+ (.*?) \([A-Z]\w*(::\w+)*\) from ", first)  # Ruby's traceback
    return raised[1] if raised else first
