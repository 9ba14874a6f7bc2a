"""A machine of a site, on this kernel: what is mounted on it, its network, and sshd. It is the machine's first process.

tests/site/machines.py runs it in namespaces of its own. What it writes is below the directory of the machine; the
images of this host are read. Everything that runs on it ends with it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CGROUPS = Path("/sys/fs/cgroup")
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""
# An option that instances give podman has it forget all those of its file, so the images of the host are one, too
PODMAN = """\
#!/bin/sh
exec /usr/bin/podman --storage-opt=overlay.imagestore=/mnt "$@"
"""
SSHD = """\
HostKey {keys}/host
AuthorizedKeysFile {keys}/own.pub
StrictModes no
PermitRootLogin prohibit-password
UsePAM no
PidFile /run/sshd.pid
"""
SSH = """\
Host *
    IdentityFile {keys}/own
    UserKnownHostsFile {keys}/known
    GlobalKnownHostsFile /dev/null
"""


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def own_copy(place: Path, name: str) -> None:
    """Let the machine write to a directory of the host, for itself alone."""
    upper, work = place / "upper" / name, place / "work" / name
    for directory in (upper, work):
        directory.mkdir(parents=True, exist_ok=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}")


def own(place: Path, name: str) -> None:
    """Give the machine a directory that is empty at first."""
    (place / name).mkdir(parents=True, exist_ok=True)
    Path("/", name).mkdir(parents=True, exist_ok=True)
    mount("--bind", str(place / name), f"/{name}")


def uncover(directory: str) -> None:
    """Take away what the host has mounted below a directory, which mountpoint(1) would still tell of."""
    targets = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(targets):
        if target.startswith(f"{directory}/"):
            subprocess.run(["umount", "--lazy", target], check=True)


def directories(place: Path, keys: Path) -> None:
    mount("-t", "proc", "proc", "/proc")
    uncover("/var/lib/containers")
    mount("--bind", "-o", "ro", "/var/lib/containers/storage", "/mnt")
    for name in ("etc", "var/lib", "root/.cache/halab"):
        own_copy(place, name)
    for name in ("var/lib/containers", "root/.local/state"):
        own(place, name)
    labs = HERE.parent.parent / "labs"
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={HERE / 'labs'}:{labs}", str(labs))  # those of the test as well
    for name in ("run", "tmp", "dev/shm", "usr/local/sbin"):
        mount("-t", "tmpfs", "tmpfs", f"/{name}")
    for name in ("run/sshd", "run/lock"):
        Path("/", name).mkdir()
    Path("/etc/containers/storage.conf").write_text(STORAGE)
    Path("/usr/local/sbin/podman").write_text(PODMAN)
    Path("/usr/local/sbin/podman").chmod(0o755)
    Path("/etc/ssh/sshd_config").write_text(SSHD.format(keys=keys))
    Path("/etc/ssh/ssh_config").write_text(SSH.format(keys=keys))
    Path("/etc/hosts").write_text((keys / "hosts").read_text())
    shutil.rmtree("/etc/ssh/sshd_config.d", ignore_errors=True)


def cgroups(name: str) -> None:
    """Show the machine its own part of each hierarchy as if it was all of it."""
    for hierarchy in CGROUPS.iterdir():
        if (part := hierarchy / name).is_dir():
            mount("--bind", str(part), str(hierarchy))


def main(place: Path, keys: Path, name: str, group: str) -> None:
    subprocess.run(["hostname", name], check=True)
    directories(place, keys)
    cgroups(group)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["/usr/sbin/sshd"], check=True)
    print("ready", flush=True)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
