"""Runs programs, as its children, in all namespaces of a container but that of mounts: they have the files of a tools
root. It is started as root, where podman sees the instance's containers, by `python -I -S visit.py DESCRIPTION`. It
stays for as long as it is asked, as a Python takes longer to start than most of these programs do.

DESCRIPTION is a file with what asking.describe() returns. Standard input is a socket (SOCK_SEQPACKET). This process
first sends READY on it, or the reason why not. Then it receives requests. A request has the arguments of a program,
with a NUL between them, and four files: the program's standard input, output and errors, and a socket. On that socket
this process tells the program's pid and, when it has ended, its exit status as a shell has it, a line each. The program
stays a zombie until the other end of that socket is closed.

Root of the node sees a child as soon as it is in the node's pid namespace, and must get nothing of the host by it. So a
child is not dumpable, and cannot be traced or looked into (ptrace(2), PTRACE_MODE). It joins the node's user namespace
only when the host's files are out of its reach, and its mounts belong to the host's user namespace. (A container
runtime joins the user namespace first, which lets a node's root into the host's root directory now and then.) The
program itself cannot be looked into either, because files of the tools root may be run, and not read. Nothing here
keeps a namespace of the node alive, because an address must die with the node.
"""

import ctypes
import os
import resource
import select
import socket
import sys
from collections.abc import Callable

CLONE_NEWNS = 0x00020000  # linux/sched.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096  # linux/mount.h
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH, SIGKILL = 2, 9
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24  # linux/prctl.h
SECCOMP_MODE_FILTER, INSTRUCTION = 2, 8  # bytes: struct sock_filter
DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit statuses, as shells have them
FAILED = 125  # exit status when a program was not even looked for
READY = b"ready"
MOST = 2**18  # bytes of a request: an argument has half of that at most (execve(2))
INIT = "/proc/1"  # the node's, where only its pid namespace is seen
libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class NotRun(Exception):
    """The program is not there, or none."""

    def __init__(self, status: int, why: object) -> None:
        super().__init__(str(why))
        self.status = status


def must(call: str, *arguments: object) -> None:
    """Make a system call, which is named as in libc. Raises OSError."""
    if getattr(libc, call)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [text if text is None else text.encode() for text in (source, target, kind, data)]
    must("mount", *words[:3], ctypes.c_ulong(flags), words[3])


def read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


class Node:
    """The node that is visited. From then on this process sees only a tools root. `told` is the description."""

    def __init__(self, told: list[list[str]]) -> None:
        one = dict(told)
        must("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
        for kind, soft, hard in (map(int, value.split()) for key, value in told if key == "limit"):
            resource.setrlimit(kind, (soft, hard))
        pids = os.open(f"/proc/{one['pid']}/ns/pid", os.O_RDONLY)
        network = os.open(f"/proc/{one['pid']}/ns/net", os.O_RDONLY)
        if one["identity"] not in read(f"/proc/{one['pid']}/cgroup").decode():
            raise ProcessLookupError("the node has just lost its power")
        self._code = read(one["filter"]) if "filter" in one else b""
        self._dropped = [int(value) for key, value in told if key == "drop"]
        self._settings = dict(value.split("=", 1) for key, value in told if key == "set")
        self._limiting = [os.open(value, os.O_WRONLY) for key, value in told if key == "join"]
        self._cgroup, self._group = os.open(one["cgroup"], os.O_RDONLY | os.O_DIRECTORY), f"halab-{os.getpid()}"
        must("unshare", CLONE_NEWNS)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        must("setns", pids, 0)  # of children
        self._look_from(network, one["root"], one["shm"])
        for file in (pids, network):
            os.close(file)

    def _look_from(self, network: int, root: str, shm: str) -> None:
        """Have a child, which is in the node's pid namespace, make what this process sees too."""
        if child := os.fork():
            if os.waitpid(child, 0)[1]:
                raise OSError("the tools root cannot be mounted")
            os.chdir("/")
            return
        try:
            must("setns", network, 0)
            see_only(root, shm)
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  # whatever it is, there is no caller to go back to
            os.write(2, f"{error}\n".encode())
            os._exit(FAILED)

    def start(self, argv: list[str], files: list[int]) -> int:
        """Start a program; return its pid."""
        attempt(lambda: os.mkdir(self._group, dir_fd=self._cgroup))
        child = os.fork()
        if child == 0:
            self._become(argv, files)
        return child

    def _become(self, argv: list[str], files: list[int]) -> None:
        try:
            os.setsid()
            for number, file in enumerate(files):
                os.dup2(file, number)
            self._enter()
            execute(argv, self._settings)
        except BaseException as error:  # noqa: BLE001  # whatever it is, there is no caller to go back to
            os.write(2, f"{argv[0]}: {error}\n".encode())
            os._exit(error.status if isinstance(error, NotRun) else FAILED)

    def _enter(self) -> None:
        for processes in self._limiting:
            os.write(processes, b"0")
        attempt(self._join)
        namespaces = [os.open(f"{INIT}/ns/{name}", os.O_RDONLY) for name in ("net", "ipc", "uts", "cgroup", "user")]
        for namespace in namespaces:
            must("setns", namespace, 0)  # the last one's rights are those of the node's root
        become_root(self._dropped, self._code)

    def _join(self) -> None:
        """Join a cgroup of version 2, so that a program is frozen with the node, and limited where that limits."""
        processes = os.open(f"{self._group}/cgroup.procs", os.O_WRONLY, dir_fd=self._cgroup)
        os.write(processes, b"0")

    def leave(self) -> None:
        attempt(lambda: os.rmdir(self._group, dir_fd=self._cgroup))


class Asked:
    """A program that was started, and whoever waits for it."""

    def __init__(self, pid: int, report: socket.socket) -> None:
        self.pid = pid
        self.report = report

    def tell(self, what: int) -> None:
        attempt(lambda: self.report.send(f"{what}\n".encode()))

    def tell_status(self) -> None:
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert ended  # noqa: S101  # as it was waited for
        self.tell(ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status)


def serve(node: Node, talk: socket.socket) -> None:
    """Do what is asked, all at once, until nobody can ask any more; then end what runs still."""
    running: dict[int, Asked] = {}  # by a descriptor of the process: pidfd_open(2)
    try:
        attend(node, talk, running)
    finally:
        for asked in running.values():
            os.kill(asked.pid, SIGKILL)
            os.waitpid(asked.pid, 0)


def attend(node: Node, talk: socket.socket, running: dict[int, Asked]) -> None:
    ended: dict[int, Asked] = {}  # by the descriptor of the report
    waiting = select.poll()
    waiting.register(talk, select.POLLIN)
    while True:
        for file, _ in waiting.poll():
            if file == talk.fileno():
                request, files, _, _ = socket.recv_fds(talk, MOST, 4)
                if not request:
                    return
                for received in files:
                    os.set_inheritable(received, False)  # a program has its own three, and no other one's
                if asked := begin(node, request.decode("utf-8", "surrogateescape").split("\0"), files):
                    process = os.pidfd_open(asked.pid)
                    running[process] = asked
                    waiting.register(process, select.POLLIN)
            elif file in running:
                asked = running.pop(file)
                asked.tell_status()
                ended[asked.report.fileno()] = asked
                waiting.register(asked.report, 0)  # which tells when the other end is closed
                waiting.unregister(file)
                os.close(file)
            else:
                asked = ended.pop(file)
                os.waitpid(asked.pid, 0)
                waiting.unregister(file)
                asked.report.close()


def begin(node: Node, argv: list[str], files: list[int]) -> Asked | None:
    """Start a program. When that cannot be, tell so and return None."""
    *standard, report = files
    try:
        asked = Asked(node.start(argv, standard), socket.socket(fileno=report))
        asked.tell(asked.pid)
        return asked
    except OSError as error:  # a node without power takes no new process
        os.write(standard[2], f"{argv[0]}: {error}\n".encode())
        with socket.socket(fileno=report) as refused:
            refused.send(f"0\n{FAILED}\n".encode())
        return None
    finally:
        for file in standard:
            os.close(file)


def attempt(act: Callable[[], object]) -> None:
    """Do something that may fail. When a node has spoilt the programs' own cgroup, its limits do not hold for them;
    when nobody waits for an answer any more, it is lost.
    """
    try:
        act()
    except OSError:
        return


def see_only(root: str, shm: str) -> None:
    """Have a directory, read-only, as the root, with the namespaces' own /proc and /sys, and the node's /dev/shm."""
    mount(root, root, None, MS_BIND)
    mount("none", root, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", f"{root}/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    mount("tmpfs", f"{root}/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m")
    for name in DEVICES:
        os.close(os.open(f"{root}/dev/{name}", os.O_CREAT))
        mount(f"/dev/{name}", f"{root}/dev/{name}", None, MS_BIND)
    for link, place in LINKS:
        os.symlink(place, f"{root}/dev/{link}")
    os.mkdir(f"{root}/dev/shm")
    mount(shm, f"{root}/dev/shm", None, MS_BIND)
    os.chdir(root)
    must("pivot_root", b".", b".")  # pivot_root(2), NOTES
    must("umount2", b".", MNT_DETACH)
    os.chdir("/")


def become_root(dropped: list[int], code: bytes) -> None:
    """Become root of the user namespace, without some capabilities, and under a seccomp filter."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.umask(0o022)
    for capability in dropped:
        must("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    must("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if code:
        made = Filter(len(code) // INSTRUCTION, code)
        must("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(made), 0, 0)


def execute(argv: list[str], environment: dict[str, str]) -> None:
    """Do what os.execvpe() does. That one cannot import any more what it needs."""
    program = argv[0]
    for place in [program] if "/" in program else [f"{each}/{program}" for each in environment["PATH"].split(":")]:
        try:
            os.execve(place, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NotRun(NOT_EXECUTABLE, error) from None
    raise NotRun(NOT_FOUND, "there is no such program")


def main(description: str) -> int:
    talk = socket.socket(fileno=os.dup(0))
    try:
        node = Node([line.split(" ", 1) for line in read(description).decode().splitlines()])
        talk.send(READY)
    except Exception as error:  # noqa: BLE001  # whatever it is, nothing can be asked, and that is no answer
        talk.send(str(error).encode())
        return FAILED
    serve(node, talk)
    node.leave()
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1]))
