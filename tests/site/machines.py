"""A head and machines of a site on this host, each in namespaces of its own, with one network between them.

Nothing of it is in the namespaces of the host. The network is a bridge in a namespace that has nothing else.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from halab.kit.paths import ROOT
from halab.kit.wait import wait

CGROUPS = Path("/sys/fs/cgroup")
NETWORK = "10.79.0"
APART = ("--net", "--uts", "--mount", "--pid", "--ipc", "--cgroup", "--fork", "--kill-child", "--propagation=private")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Machines:
    """Those that run, by name. `place` is a directory of a file system that overlays can be on."""

    def __init__(self, place: Path, names: Sequence[str]) -> None:
        self.place = place
        self.names = list(names)
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._begun: list[subprocess.Popen[str]] = []
        self._keys = place / "keys"
        self._keys.mkdir(parents=True)
        for key in ("own", "host"):
            _must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._keys / key))
        host_key = (self._keys / "host.pub").read_text()
        (self._keys / "known").write_text(f"* {host_key}")
        hosts = "".join(f"{self.address(name)} {name}\n" for name in names)
        (self._keys / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        holder = ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"]
        self._bridge = subprocess.Popen(holder, stdout=subprocess.PIPE)
        assert self._bridge.stdout
        assert self._bridge.stdout.readline() == b"ready\n"
        self._on_bridge("ip", "link", "add", "lan", "type", "bridge")
        self._on_bridge("ip", "link", "set", "lan", "up")

    @property
    def running(self) -> list[str]:
        return list(self._running)

    def address(self, name: str) -> str:
        return f"{NETWORK}.{self.names.index(name) + 10}"

    def start(self, name: str) -> None:
        """Switch a machine on. It has what it had before."""
        group = self._group(name)
        parts = [hierarchy / group for hierarchy in CGROUPS.iterdir() if (hierarchy / "cgroup.procs").exists()]
        for part in parts:
            part.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (part / setting).exists():
                    (part / setting).write_text((part.parent / setting).read_text())
        join = "".join(f"echo $$ >{part}/cgroup.procs; " for part in parts)
        own = (str(self.place / name), str(self._keys), name, group)
        program = [sys.executable, f"{ROOT}/tests/site/machine.py", *own]
        self._running[name] = child = subprocess.Popen(
            ["sh", "-c", f'{join} exec unshare {" ".join(APART)} "$@"', "sh", *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        self._on_bridge("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid(name)))
        self._on_bridge("ip", "link", "set", name, "master", "lan", "up")
        self.run(name, "ip", "address", "add", f"{self.address(name)}/24", "dev", "eth0")
        self.run(name, "ip", "link", "set", "eth0", "up")

    def pid(self, name: str) -> int:
        """Return the process on this host that is the machine's first one."""
        above = self._running[name].pid
        return int(Path(f"/proc/{above}/task/{above}/children").read_text().split()[0])

    def enter(self, name: str) -> list[str]:
        """Return what runs a command on a machine, when it is put before it."""
        settings = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        return [
            *("nsenter", f"--target={self.pid(name)}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"),
            *("env", "-i", *settings),
        ]

    def run(self, name: str, *command: str, timeout: float = 60, status: int | None = 0) -> str:
        """Run a command on a machine, and return what it printed. Fail unless its exit status is `status`."""
        done = subprocess.run(
            [*self.enter(name), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
            cwd="/",
        )
        assert status in (None, done.returncode), f"{' '.join(command)}: {done.returncode}: {done.stdout}"
        return done.stdout

    def begin(self, name: str, *command: str) -> "subprocess.Popen[str]":
        """Begin a command on a machine, to talk with."""
        pipe = subprocess.PIPE
        begun = subprocess.Popen(
            [*self.enter(name), *command], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd="/"
        )
        self._begun.append(begun)
        return begun

    def kill(self, name: str) -> None:
        """Take a machine's power away: all that runs on it ends at once."""
        child = self._running.pop(name)
        child.kill()  # and with it, its child, the first process of the machine
        child.communicate()  # which waits, and closes what it printed to

    def cable(self, name: str, state: str) -> None:
        """Pull a machine's cable (`down`), or put it back (`up`)."""
        self._on_bridge("ip", "link", "set", name, state)

    def end(self) -> None:
        """End all machines, and remove what they have on this host."""
        for begun in self._begun:
            begun.kill()
            for pipe in (begun.stdin, begun.stdout):
                if pipe:
                    pipe.close()
            begun.wait()
        for name in list(self._running):
            self.kill(name)
        self._bridge.kill()
        self._bridge.communicate()
        for name in self.names:
            for hierarchy in CGROUPS.iterdir():
                _remove_group(hierarchy / self._group(name))
        shutil.rmtree(self.place)

    def _group(self, name: str) -> str:
        return f"halab-site-{os.getpid()}-{name}"

    def _on_bridge(self, *command: str) -> None:
        _must("nsenter", f"--target={self._bridge.pid}", "--net", *command)


def _must(*command: str) -> None:
    subprocess.run(command, check=True)


def _remove_group(group: Path) -> None:
    """Remove a cgroup with those below it, once the kernel has taken its dead out of them."""
    if not group.is_dir():
        return
    for below in [*sorted(group.rglob("*/"), reverse=True), group]:
        if below.is_dir():
            wait(lambda below=below: _is_removed(below), bool, within=10, successes=1, interval=0.05)  # type: ignore[misc]


def _is_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
