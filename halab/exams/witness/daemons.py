"""The processes of a node's cluster: do they run their packages' programs, with their packages' libraries?

They are read from the host's /proc, which a node cannot change. The files are reached through /proc/PID/exe and
/proc/PID/map_files, so it does not matter what is at their paths by now, or is mounted there.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from halab.exams.witness.reference import Reference, canonical
from halab.exams.witness.units import LOADED

CHILDREN = ("usr/libexec/pacemaker", "usr/lib/pacemaker")  # on Enterprise Linux, and on Debian
NEEDED = ("corosync", "pacemakerd", "pacemaker-based", "pacemaker-fenced", "pacemaker-execd", "pacemaker-controld")
COMM = 15  # characters of a program's name that the kernel keeps (proc(5), comm)
_MAPPED = re.compile(r"^(?P<range>[0-9a-f]+-[0-9a-f]+) ..x. \S+ \S+ \S+\s+(?P<path>[/\[].*)$", re.MULTILINE)
DELETED = " (deleted)"


@dataclass(frozen=True)
class Process:
    pid: int

    def read(self, name: str) -> bytes:
        """Return the content of a file of /proc/PID. It is empty when the process has ended."""
        try:
            return Path(f"/proc/{self.pid}/{name}").read_bytes()
        except OSError:
            return b""

    @property
    def names(self) -> set[str]:
        """The names that the process gives itself, as a set.

        A script in /etc/init.d that starts a daemon has the daemon's name, but is not the daemon: for it the set is
        empty.
        """
        arguments = self.read("cmdline").split(b"\0")
        if arguments[1:] and arguments[1].startswith(b"/etc/init.d/"):
            return set()
        called = [self.read("comm").strip(), arguments[0].rpartition(b"/")[2]]
        return {name.decode(errors="replace") for name in called}

    @property
    def program(self) -> str | None:
        """The path on the node of the program that runs. None when the process has ended, or is one of the kernel's."""
        try:
            return str(Path(f"/proc/{self.pid}/exe").readlink()).removesuffix(DELETED)
        except OSError:
            return None

    def code(self) -> Iterator[tuple[str, str]]:
        """Yield each file that the process has mapped to be run: where to reach it, and its path on the node."""
        for mapped in _MAPPED.finditer(self.read("maps").decode(errors="replace")):
            if not mapped["path"].startswith("["):
                yield f"/proc/{self.pid}/map_files/{mapped['range']}", mapped["path"].removesuffix(DELETED)


class Daemons:
    """The daemons of one node."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._right: dict[tuple[int, ...], str] = {}  # files that were right: device, inode, size, ctime -> path

    def look(self, first_process: int) -> tuple[dict[str, str], frozenset[str]]:
        """Return what is wrong, by daemon, and the names of the daemons that are genuine."""
        wrong: dict[str, str] = {}
        genuine: set[str] = set()
        for process in processes(first_process):
            program = process.program
            if program is None:
                continue
            name = program.rpartition("/")[2]
            if name not in self._programs:
                for called in process.names & self.called:
                    wrong[called] = f"is {program}, which only calls itself so"
            elif fault := self._fault(process, name):
                wrong[name] = fault
            else:
                genuine.add(name)
        return wrong, frozenset(genuine)

    def _fault(self, process: Process, name: str) -> str | None:
        if not self._is_right(f"/proc/{process.pid}/exe", self._programs[name]):
            return f"runs {process.program}, which is not that of its package" if process.program else None
        for variable in process.read("environ").decode(errors="replace").split("\0"):
            if LOADED.match(variable) and not variable.endswith("="):
                return f"was started with {variable}"
        libraries = ((file, path) for file, path in process.code() if path != process.program)
        for file, path in libraries:
            if not self._is_right(file, canonical(path)) and process.program:
                return f"runs code of {path}, which is not that of a package"
        return None

    def _is_right(self, file: str, path: str) -> bool:
        """Return whether the file that `file` leads to has the content that a package has at `path`.

        A file that is gone counts as right.
        """
        try:
            opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            found = os.fstat(opened)
            signature = (found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
            if self._right.get(signature) == path:
                return True
            known = self._reference.find(path)
            if not stat.S_ISREG(found.st_mode) or known is None or known.st_size != found.st_size:
                return False
            if not self._reference.is_same(path, opened):
                return False
            self._right[signature] = path
            return True
        finally:
            os.close(opened)

    @cached_property
    def _programs(self) -> dict[str, str]:
        """The programs of the cluster's daemons, and of systemd, which starts them: name -> path in their packages."""
        found = {"systemd": "usr/lib/systemd/systemd", "corosync": "usr/sbin/corosync"}
        found["pacemakerd"] = "usr/sbin/pacemakerd"
        for place in CHILDREN:
            with suppress(OSError):
                names = [file.name for file in (self._reference.tools / place).iterdir()]
                found |= {name: f"{place}/{name}" for name in names if name.startswith("pacemaker-")}
        return found

    @cached_property
    def called(self) -> set[str]:
        return {*self._programs, *(name[:COMM] for name in self._programs)}


def processes(first_process: int) -> list[Process]:
    """Return all processes of a node: those in the pid namespace of its first process; none when that has ended."""
    namespace = _namespace(first_process, "pid")
    if namespace is None:
        return []
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [Process(pid) for pid in pids if _namespace(pid, "pid") == namespace]


def mount_tables(first_process: int, names: set[str]) -> list[str]:
    """Return the mount tables of the node's first process, and of its processes with these names.

    Each mount namespace is read once.
    """
    wanted = [Process(first_process), *(each for each in processes(first_process) if each.names & names)]
    namespaces = {_namespace(process.pid, "mnt"): process for process in wanted}
    return [process.read("mountinfo").decode(errors="replace") for process in namespaces.values()]


def _namespace(pid: int, kind: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return None
