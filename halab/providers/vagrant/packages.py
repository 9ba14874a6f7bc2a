"""The Python packages that virtual machines need and containers do not. They are installed into .venv on first use.

libvirt-python is compiled against the host's libvirt and must have its version, so no lock file can name it.
"""

import importlib.metadata
import sys

from halab.kit.files import one_at_a_time
from halab.kit.paths import ROOT
from halab.kit.process import must
from halab.providers.workshop import Say

LOCK = ROOT / "requirements-vagrant.txt"
PACKAGES = ("python-vagrant", "virtualbmc", "libvirt-python")
TIMEOUT = 900  # seconds; libvirt-python is compiled


def missing() -> list[str]:
    return [name for name in PACKAGES if not _has(name)]


def ensure(say: Say) -> None:
    """Install the packages that are missing. Raises LabError with the last thing that pip printed."""
    if not missing():
        return
    version = must(["pkg-config", "--modversion", "libvirt"]).stdout.strip()
    say(f"installing python-vagrant, virtualbmc and libvirt-python {version}, which must be libvirt's own version")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
    with one_at_a_time("installing"):
        if not missing():  # any more
            return
        must([*pip, "--require-hashes", f"--requirement={LOCK}"], timeout=TIMEOUT)
        must([*pip, f"libvirt-python=={version}"], timeout=TIMEOUT)


def _has(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
