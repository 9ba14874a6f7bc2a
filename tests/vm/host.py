"""A host for virtual machines inside this one: libvirtd in namespaces of its own, with directories of its own.

It is run as `unshare --net --mount --propagation private python tests/vm/host.py COMMAND...`. It runs the command
there, on its own standard input and output, and then ends whatever the command left behind. KVM cannot be seen from
inside: machines there are emulated, whatever this host has.

libvirt probes QEMU with short-lived daemons and waits until they are gone. They would become children of the first
process, and where that is slow to bury them, each probe takes half a minute. So they become children of this program.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
DAEMONS = ("virtlogd", "libvirtd")
SHARES = 8192  # of the processors for all machines; each session of other processes has 1024 (sched(7), autogroup)
DISKS = "/var/tmp"  # noqa: S108  # where machines have their disks; /tmp may be in memory (Debian 13: systemd decides)


def own_directories(place: Path) -> None:
    """Mount private copies of what libvirtd reads and writes, where it expects them."""
    for name in ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt"):
        own = place / name
        own.parent.mkdir(parents=True, exist_ok=True)
        Path("/", name).mkdir(exist_ok=True)
        if name in ("etc/libvirt", "var/lib/libvirt"):
            shutil.copytree(Path("/", name), own, symlinks=True)
            for source in (Path("/", name), *Path("/", name).rglob("*")):
                owner = source.lstat()
                os.lchown(own / source.relative_to(Path("/", name)), owner.st_uid, owner.st_gid)
        else:
            own.mkdir()
        mount("--bind", str(own), f"/{name}")
    for name, text in (("hosts", f"127.0.0.1 localhost {socket.gethostname()}\n"), ("resolv.conf", "")):
        (place / name).write_text(text)  # names that nobody could look up anyway are answered at once
        mount("--bind", str(place / name), f"/etc/{name}")
    Path("/run/libvirt").mkdir(exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", "/run/libvirt")
    if Path("/dev/kvm").exists():
        mount("--bind", "/dev/null", "/dev/kvm")


def weigh_machines(cpu: Path = Path("/sys/fs/cgroup/cpu")) -> None:
    """Have machines get on beside clusters: libvirt puts all of them into one group of version 1's, of usual weight."""
    if (cpu / "tasks").exists():
        (cpu / "machine").mkdir(exist_ok=True)
        (cpu / "machine/cpu.shares").write_text(str(SHARES))


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def others() -> list[int]:
    """Return the other processes in this network namespace."""
    own = Path("/proc/self/ns/net").readlink()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and net_of(entry) == own]


def net_of(process: Path) -> Path | None:
    try:
        return (process / "ns/net").readlink() if process.name != str(os.getpid()) else None
    except OSError:
        return None


def main(place: Path, command: list[str]) -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    own_directories(place)
    weigh_machines()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with (place / "log").open("w") as log:
        for name in DAEMONS:
            pid_file = f"/run/libvirt/{name}.pid"
            subprocess.Popen([name, "-p", pid_file], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    while not Path("/run/libvirt/libvirt-sock").exists():
        time.sleep(0.1)
    settings = {"XDG_STATE_HOME": str(place / "state"), "VAGRANT_HOME": str(place / "vagrant")}
    asked = subprocess.Popen(command, env={**os.environ, **settings})
    status = 0
    while True:
        pid, ended = os.wait()
        if pid == asked.pid:
            status = os.waitstatus_to_exitcode(ended)
            break
    while left := others():
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    return status


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="halab-host-", dir=DISKS, ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        sys.exit(main(Path(directory), sys.argv[1:]))
