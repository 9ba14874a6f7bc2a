"""Vagrant itself: whether it works with its plug-in vagrant-libvirt, and the key with which it opens new machines."""

import os
import re
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.process import run

OLDEST_PLUG_IN = (0, 11)  # of vagrant-libvirt: tried with 0.11.2


def problem() -> str | None:
    """Return one sentence when Vagrant does not work, or when its plug-in vagrant-libvirt is missing or too old."""
    listed = run(["vagrant", "plugin", "list", "--machine-readable"])
    if not listed.ok:
        return f"vagrant is broken: `vagrant plugin list` says: {listed.cause()}"
    found = re.search(r"vagrant-libvirt,plugin-version,([0-9.]+)", listed.stdout)
    if not found:
        return "vagrant lacks its plug-in vagrant-libvirt; try: vagrant plugin install vagrant-libvirt"
    if tuple(map(int, found[1].split(".")))[:2] < OLDEST_PLUG_IN:
        return f"vagrant-libvirt {found[1]} is older than 0.11; try: vagrant plugin update vagrant-libvirt"
    return None


def public_key() -> str:
    """Return the public half of the key with which Vagrant opens new machines. ssh-keygen computes it."""
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    key = home / "insecure_private_key"
    if not key.exists():
        run(["vagrant", "global-status"])  # any command makes Vagrant lay out its home
    told = run(["ssh-keygen", "-y", "-f", str(key)])
    if not told.ok:
        raise LabError(f"Vagrant's key {key} cannot be read: {told.cause()}")
    return told.stdout.strip()
