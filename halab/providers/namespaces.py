"""The instance's own namespaces, in which its workstation is.

One holder process keeps a network namespace and a mount namespace. Nothing in them is visible in the host's own
namespaces. All of it ends with the holder.
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from halab.kit.cause import cause
from halab.kit.errors import LabError
from halab.kit.process import end_daemons, find_daemons, mark_of, start_daemon
from halab.kit.wait import TimedOut, wait

CLONE_NEWNET = 0x40000000  # setns(2); os.setns came with Python 3.12


class Namespaces:
    """The namespaces that a holder process keeps.

    The holder, and everything else that runs in them, is marked with the instance's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._instance = str(directory)
        self._mark = f"{directory}/holder"
        self._log = directory / "holder.log"
        self._known: int | None = None

    def holder(self) -> int | None:
        """Return the pid of the process that keeps the namespaces, or None.

        One that is still setting up does not count.
        """
        if self._known is None or mark_of(self._known) != self._mark:
            self._known = next((pid for pid in find_daemons(self._mark) if _program(pid) == "sleep"), None)
        return self._known

    def mounts(self) -> str:
        """Return what is mounted in them, as /proc/PID/mounts shows it (proc(5)). It is empty when there are none."""
        holder = self.holder()
        return Path(f"/proc/{holder}/mounts").read_text() if holder else ""

    def mounts_below(self, directory: str) -> list[str]:
        """Return the mount points in them that have a directory of that name on their way, the last mounted first."""
        points = [line.split(" ")[1] for line in self.mounts().splitlines()]
        return [point for point in reversed(points) if directory in point.split("/")]

    def seen(self, path: Path) -> Path:
        """Return where a path in them is found from outside of them."""
        return Path(f"/proc/{self.holder()}/root{path.resolve()}")

    def cgroups(self) -> Path:
        """Return the path where their cgroup-v2 mount can be read from anywhere."""
        return self.seen(Path("/sys/fs/cgroup"))

    def hold(self, setup: str) -> None:
        """Make the namespaces if they do not exist, and run the shell commands `setup` in them."""
        if self.holder():
            return
        end_daemons(self._instance)  # BMCs, for example, live on in namespaces whose holder was killed
        script = f"set -e\n{setup}\nexec sleep infinity\n"
        argv = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script]
        process = start_daemon(argv, self._mark, log=self._log)
        try:
            wait(lambda: self._is_ready(process), bool, within=10, successes=1, interval=0.01)
        except TimedOut as error:
            raise LabError(f"the instance's namespaces could not be made; see {self._log}") from error

    def down(self) -> None:
        end_daemons(f"{self._instance}/workstation", grace=0)  # shells of learners, see sandbox.py
        end_daemons(self._mark, grace=0)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` on the workstation. The working directory stays the same."""
        holder = self.holder()
        if holder is None:
            raise LabError("the instance is not up, so its workstation is not there; try: inv up")
        return ["nsenter", f"--target={holder}", "--net", "--mount", f"--wd={Path.cwd()}", *argv]

    def tcp_socket(self) -> socket.socket:
        """Return a TCP socket of the workstation's network, which any process may use. Raises OSError without one."""
        holder = self.holder()
        if holder is None:
            raise OSError("the instance is not up")
        with ThreadPoolExecutor(1) as thread:  # whose network namespace is its own, and which ends at once
            return thread.submit(_tcp_socket, holder).result()

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise LabError(f"the instance's namespaces could not be made: {_cause(self._log)}")
        return self.holder() is not None


def _tcp_socket(pid: int) -> socket.socket:
    """Return a TCP socket of a process's network. The calling thread is in that network from now on."""
    with Path(f"/proc/{pid}/ns/net").open("rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return socket.socket()


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _cause(log: Path) -> str:
    return cause(log.read_text(errors="replace") if log.exists() else "") or f"see {log}"
