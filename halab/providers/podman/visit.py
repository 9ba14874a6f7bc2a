"""Runs a program, as a child, with the files of a tools root in all other namespaces of a container: run as
`python -I -S visit.py DESCRIPTION PROGRAM [ARGUMENT...]`, as root, where podman sees the instance's containers.

DESCRIPTION is a file with what asking.describe() makes. The exit status is the program's, or a shell's. To be quick,
this imports next to nothing.

Root of the node sees the child as soon as it is in the node's pid namespace, and must get nothing of the host by it. So
it is not dumpable, and cannot be traced or looked into (ptrace(2), PTRACE_MODE), and it comes into the node's user
namespace only when the host's files are out of its reach; its mounts belong to the host's user namespace. (A container
runtime, which joins the user namespace first, lets a node's root into the host's root directory now and then.) The
program itself cannot be looked into either, as the tools root's may be run, and not read.
"""

import ctypes
import os
import resource
import sys

TYPE_CHECKING = False  # typing takes as long to import as all else
if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # linux/sched.h
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
    """A system call by its name in libc; raises OSError."""
    if getattr(libc, call)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [text if text is None else text.encode() for text in (source, target, kind, data)]
    must("mount", *words[:3], ctypes.c_ulong(flags), words[3])


def read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def main(description: str, argv: list[str]) -> int:
    lines = [line.split(" ", 1) for line in read(description).decode().splitlines()]
    told = dict(lines)
    must("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    for kind, soft, hard in (map(int, value.split()) for key, value in lines if key == "limit"):
        resource.setrlimit(kind, (soft, hard))
    group, process = f"{told['cgroup']}/halab-{os.getpid()}", f"/proc/{told['pid']}"
    others = [os.open(f"{process}/ns/{name}", os.O_RDONLY) for name in ("net", "ipc", "uts", "cgroup")]
    user, pids = (os.open(f"{process}/ns/{name}", os.O_RDONLY) for name in ("user", "pid"))
    if told["identity"] not in read(f"{process}/cgroup").decode():
        raise ProcessLookupError("the node has just lost its power")
    code = read(told["filter"]) if "filter" in told else b""
    made = attempt(os.mkdir, group)
    must("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    must("setns", pids, 0)  # of children
    child = os.fork()
    if child == 0:
        try:
            attempt(join, group)
            for namespace in others:
                must("setns", namespace, 0)
            see_only(told["root"], told["shm"])
            must("setns", user, CLONE_NEWUSER)
            become_root([int(value) for key, value in lines if key == "drop"], code)
            execute(argv, dict(value.split("=", 1) for key, value in lines if key == "set"))
        except BaseException as error:  # noqa: BLE001  # whatever it is, there is no caller to go back to
            os.write(2, f"{argv[0]}: {error}\n".encode())
            os._exit(error.status if isinstance(error, NotRun) else FAILED)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if made:
        attempt(os.rmdir, group)
    return status if status >= 0 else 128 - status


def attempt(act: "Callable[[str], object]", group: str) -> bool:
    """Do something with the program's own cgroup. What a node has done to prevent that only makes the node's limits not
    hold for this one program.
    """
    try:
        act(group)
    except OSError:
        return False
    return True


def join(group: str) -> None:
    with open(f"{group}/cgroup.procs", "w") as processes:
        processes.write("0")


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
    """Of the user namespace, without some capabilities, and under a seccomp filter."""
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
    """As os.execvpe() does, which cannot import any more what it needs."""
    program = argv[0]
    for place in [program] if "/" in program else [f"{each}/{program}" for each in environment["PATH"].split(":")]:
        try:
            os.execve(place, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NotRun(NOT_EXECUTABLE, error) from None
    raise NotRun(NOT_FOUND, "there is no such program")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except Exception as error:  # noqa: BLE001  # whatever it is, the program was not run, and that is no answer
        os.write(2, f"{sys.argv[2]}: {error}\n".encode())
        sys.exit(FAILED)
