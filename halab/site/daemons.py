"""The site's own daemons on this machine, apart from those of the distribution: own sockets, ports and directories.

The process table tells which of them run. Seats do not notice when one ends.
"""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.process import find_program
from halab.kit.wait import TimedOut, wait
from halab.site import files

CONF, KEY, EPILOG = "slurm.conf", "munge.key", "epilog"
CTLD_PORT, SLURMD_PORT = 16817, 16818
STARTING = 10  # seconds until a daemon runs for sure, or has ended
ENDING = 20  # seconds until one is killed
SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def program(name: str) -> str:
    """Return the path of a program, also of one that only root's PATH has. Raises LabError when there is none."""
    if found := shutil.which(name, path=SEARCH):
        return found
    raise LabError(f"{name} is not installed; `inv site up` installs it")


@dataclass(frozen=True)
class Daemon:
    """A program that stays in the foreground of a session of its own, known by one of its arguments."""

    name: str
    arguments: tuple[str, ...]
    known_by: str

    def pids(self) -> list[int]:
        return find_program(self.name, self.known_by)

    @property
    def log(self) -> Path:
        return files.KEPT / f"{self.name}.out"

    def start(self) -> None:
        """Start it, if it does not run. Raises LabError, with what it said, when it ends at once."""
        if self.pids():
            return
        with self.log.open("wb") as log:
            child = subprocess.Popen(
                [program(self.name), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={"PATH": SEARCH, "LANG": "C.UTF-8", "HOME": "/root"},
            )
        try:
            wait(lambda: (child.poll(), self.is_ready()), any_of_both, within=STARTING, successes=1, interval=0.05)
        except TimedOut:
            raise LabError(f"{self.name} is not ready after {STARTING} s; its log is {self.log}") from None
        if child.poll() is not None:
            said = [
                line for line in self.log.read_text(errors="replace").splitlines() if "rror" in line or "fatal" in line
            ]
            raise LabError(f"{self.name} ended at once: {said[-1].strip() if said else f'its log is {self.log}'}")
        child.returncode = 0  # it is to outlive this process, which need not wait for it

    def is_ready(self) -> bool:
        return _answers(self.name)

    def end(self) -> None:
        """End it, and wait until it is gone."""
        with suppress(TimedOut):
            _signal(self.pids(), signal.SIGTERM)
            wait(self.pids, lambda pids: not pids, within=ENDING, successes=1, interval=0.05)
        _signal(self.pids(), signal.SIGKILL)
        wait(self.pids, lambda pids: not pids, within=ENDING, successes=1, interval=0.05)


def any_of_both(seen: tuple[int | None, bool]) -> bool:
    status, ready = seen
    return status is not None or ready


def _answers(name: str) -> bool:
    """Return whether a daemon listens: munged on its socket, the others on their ports (proc_net(5), state 0A)."""
    if name == "munged":
        return (files.RUN / "munge.socket").is_socket()
    port = CTLD_PORT if name == "slurmctld" else SLURMD_PORT
    tables = [Path(f"/proc/net/{table}") for table in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


_CONF = str(files.ON_MACHINE / CONF)
_SOCKET = f"--socket={files.RUN}/munge.socket"
MUNGED = Daemon(
    "munged",
    (
        *("--foreground", f"--key-file={files.ON_MACHINE / KEY}", _SOCKET, f"--pid-file={files.RUN}/munged.pid"),
        f"--seed-file={files.KEPT}/munge.seed",
    ),
    _SOCKET,
)
SLURMCTLD = Daemon("slurmctld", ("-D", "-f", _CONF), _CONF)
SLURMD = Daemon("slurmd", ("-D", "-f", _CONF), _CONF)
ALL = (MUNGED, SLURMCTLD, SLURMD)
