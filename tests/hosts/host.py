"""Another Debian release as a host of its own, on this kernel.

It is run as `unshare --mount --pid --fork --propagation private python tests/hosts/host.py ROOT COMMAND...`. It runs
the command as a host does that was booted from the directory ROOT, with the processes and file systems of that host
alone, and ends with the command's exit status. Whatever the command left running ends too, as this is the first process
of that host.

It pivots to the new root (pivot_root(2)), as a program that enters another mount namespace leaves a chroot.
"""

import os
import subprocess
import sys
from pathlib import Path

# The other host reaches its package registries as this one does, and trusts the same certificates there. A package that
# is installed on it makes the last of these files anew, from what is in the directory TRUSTED
NETWORK = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
TRUSTED = Path("usr/local/share/ca-certificates")
OLD_ROOT = "mnt"


def enter(root: Path) -> None:
    """Make `root` the root of this mount namespace."""
    certificates = [str(path.relative_to("/")) for path in Path("/", TRUSTED).glob("*.crt")]
    for name in (*NETWORK, *certificates):
        if (source := Path("/", name)).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(source.read_bytes())
    mount("--bind", str(root), str(root))
    mount("-t", "proc", "proc", str(root / "proc"))
    for name in ("dev", "sys"):
        mount("--rbind", f"/{name}", str(root / name))
    for name in ("run", "tmp"):
        mount("-t", "tmpfs", "tmpfs", str(root / name))
    os.chdir(root)
    subprocess.run(["pivot_root", ".", OLD_ROOT], check=True)
    os.chroot(".")
    subprocess.run(["umount", "--lazy", f"/{OLD_ROOT}"], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def run(command: list[str]) -> int:
    """Run a command, and return its exit status. Processes whose parents end become this one's, which buries them."""
    asked = subprocess.Popen(command)
    while True:
        pid, ended = os.wait()
        if pid == asked.pid:
            return os.waitstatus_to_exitcode(ended)


if __name__ == "__main__":
    enter(Path(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
