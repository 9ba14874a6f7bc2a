"""The system calls that a sandbox does without (seccomp(2)): a program of the filter that bubblewrap loads.

What is refused makes namespaces and mounts, looks into other processes or the kernel, or types on the terminal that the
sandbox was started on. Unprivileged programs have other uses for none of it. Calls that are newer than 2019 are as if
the kernel did not have them, but for those that programs use. The other kinds of sockets are refused as well: vsock(7),
for example, leads out of a network namespace.
"""

import ctypes
import errno
import socket
import struct
import sys
import termios
from collections.abc import Iterator, Sequence

REFUSED = (
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "name_to_handle_at", "open_by_handle_at"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "perf_event_open", "userfaultfd", "bpf"),
    *("add_key", "keyctl", "request_key", "syslog", "acct", "quotactl", "swapon", "swapoff", "reboot"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "socketcall"),
)
NEWER = 424  # from here on a call has the same number on all processors; linux/include/uapi/asm-generic/unistd.h
NEWER_USED = (424, 434, 436, 437, 439, 441, 444, 445, 446, 449, 452)
"""pidfd_send_signal, pidfd_open, close_range, openat2, faccessat2, epoll_pwait2, landlock_*, futex_waitv, fchmodat2"""
NAMESPACES = 0x7E020000  # clone(2), CLONE_NEW*
SOCKETS = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET)
TERMINAL = (termios.TIOCSTI, termios.TIOCLINUX, termios.TIOCSETD)  # ioctl_tty(2)
LOAD, EQUAL, AT_LEAST, ANY_OF, END = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
ALLOW, FAIL = 0x7FFF0000, 0x00050000  # linux/seccomp.h
NUMBER, PROCESSOR = 0, 4  # where these are in what a filter is given (struct seccomp_data)


def program() -> bytes:
    """Return the filter for this processor."""
    library = ctypes.CDLL("libseccomp.so.2")  # which crun and systemd use
    library.seccomp_arch_native.restype = ctypes.c_uint32

    def number(call: str) -> int:
        """Return the number of a system call. It is negative when this processor's kernel has none."""
        return int(library.seccomp_syscall_resolve_name(call.encode()))

    return b"".join(
        [
            _step(LOAD, PROCESSOR),
            _step(EQUAL, library.seccomp_arch_native(), 1, 0),
            _step(END, FAIL | errno.ENOSYS),
            _step(LOAD, NUMBER),
            *_choose(AT_LEAST, NEWER, [*_unless(NEWER_USED, errno.ENOSYS)]),
            *(
                step
                for call in REFUSED
                if (at := number(call)) >= 0
                for step in _choose(EQUAL, at, [_fail(errno.EPERM)])
            ),
            *_choose(EQUAL, number("clone"), [_argument(0), _step(ANY_OF, NAMESPACES, 0, 1), *_end(errno.EPERM)]),
            *_choose(EQUAL, number("socket"), [_argument(0), *_unless(SOCKETS, errno.EAFNOSUPPORT)]),
            *_choose(EQUAL, number("ioctl"), [_argument(1), *_if(TERMINAL, errno.EPERM)]),
            _step(END, ALLOW),
        ]
    )


def _choose(how: int, value: int, steps: Sequence[bytes]) -> list[bytes]:
    """Return steps that are taken when what was loaded is that value, or at least that value. They end the filter."""
    return [_step(how, value, 0, len(steps)), *steps]


def _unless(values: Sequence[int], error: int) -> Iterator[bytes]:
    """Fail unless what was loaded is one of these values."""
    for number, value in enumerate(values):
        yield _step(EQUAL, value, len(values) - number, 0)
    yield from _end(error)


def _if(values: Sequence[int], error: int) -> Iterator[bytes]:
    """Fail if what was loaded is one of these values."""
    for number, value in enumerate(values):
        yield _step(EQUAL, value, len(values) - number - 1, 1 if value == values[-1] else 0)
    yield from _end(error)


def _end(error: int) -> list[bytes]:
    """Return two steps: the first fails, the second does not."""
    return [_fail(error), _step(END, ALLOW)]


def _fail(error: int) -> bytes:
    return _step(END, FAIL | error)


def _argument(number: int) -> bytes:
    """Load the lower half of an argument; the upper half of these means nothing."""
    return _step(LOAD, 16 + 8 * number + (4 if sys.byteorder == "big" else 0))


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """Return one instruction (struct sock_filter). `yes` and `no` are how many of the next ones are left out."""
    return struct.pack("=HBBI", code, yes, no, value)
