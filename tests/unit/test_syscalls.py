"""The filter of system calls, taken step by step as the kernel does (seccomp(2))."""

import errno
import os
import socket
import struct
import termios
from collections.abc import Sequence

import pytest

from halab.providers import syscalls

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7  # AUDIT_ARCH_*, linux/audit.h
HERE = {"x86_64": X86_64, "aarch64": AARCH64}
CALLS = {  # asm/unistd_64.h, asm-generic/unistd.h
    "x86_64": {"read": 0, "clone": 56, "socket": 41, "ioctl": 16, "ptrace": 101, "keyctl": 250, "unshare": 272}
    | {"setns": 308, "mount": 165, "syslog": 103},
    "aarch64": {"read": 63, "clone": 220, "socket": 198, "ioctl": 29, "ptrace": 117, "keyctl": 219, "unshare": 97}
    | {"setns": 268, "mount": 40, "syslog": 116},
}
NEW = {"open_tree": 428, "fsopen": 430, "clone3": 435, "io_uring_setup": 425, "pidfd_getfd": 438, "mount_setattr": 442}
NEW_USED = {"pidfd_open": 434, "close_range": 436, "faccessat2": 439}
MACHINE = os.uname().machine
GOOD = 0


def answer(call: int, arguments: Sequence[int] = (), arch: int | None = None) -> int:
    """Return the error that the filter has a call fail with, or GOOD."""
    data = struct.pack("=IIQ6Q", call, arch or HERE[MACHINE], 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    steps = list(struct.iter_unpack("=HBBI", syscalls.program()))
    at = value = 0
    while True:
        code, yes, no, constant = steps[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, constant)
            case 0x06:
                return GOOD if constant == 0x7FFF0000 else constant & 0xFFFF
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
                at += yes if holds else no


@pytest.mark.parametrize("call", ["ptrace", "keyctl", "unshare", "setns", "mount", "syslog"])
def test_what_leads_out_of_the_sandbox_is_refused(call: str) -> None:
    assert answer(CALLS[MACHINE][call]) == errno.EPERM


@pytest.mark.parametrize("call", [*NEW.values(), 467, 1000, 0x40000000 + 101])  # the last is ptrace, of the ABI x32
def test_what_is_newer_is_as_if_the_kernel_did_not_have_it(call: int) -> None:
    assert answer(call) == errno.ENOSYS


@pytest.mark.parametrize("call", [*NEW_USED.values(), CALLS[MACHINE]["read"]])
def test_what_programs_use_is_let_through(call: int) -> None:
    assert answer(call) == GOOD


def test_calls_of_another_processor_are_refused_whatever_their_number() -> None:
    assert answer(CALLS[MACHINE]["read"], arch=I386) == errno.ENOSYS


@pytest.mark.parametrize(
    ("call", "arguments", "error"),
    [
        ("clone", [0x003D0F00], GOOD),  # a thread, as glibc makes it
        ("clone", [17], GOOD),  # fork
        *(("clone", [17 | namespace], errno.EPERM) for namespace in (0x10000000, 0x20000, 0x40000000, 0x2000000)),
        ("ioctl", [0, termios.TIOCGWINSZ], GOOD),
        ("ioctl", [0, termios.TIOCSTI], errno.EPERM),
        ("ioctl", [0, 1 << 32 | termios.TIOCSTI], errno.EPERM),  # the kernel leaves out the upper half
        ("ioctl", [0, termios.TIOCLINUX], errno.EPERM),
        *(("socket", [family], GOOD) for family in (socket.AF_UNIX, socket.AF_INET6, socket.AF_PACKET)),
        *(("socket", [family], errno.EAFNOSUPPORT) for family in (38, 40, 0)),  # AF_ALG, AF_VSOCK
    ],
)
def test_some_calls_depend_on_their_arguments(call: str, arguments: list[int], error: int) -> None:
    assert answer(CALLS[MACHINE][call], arguments) == error


def test_the_filter_fits_the_kernel_and_goes_forward_only() -> None:
    steps = list(struct.iter_unpack("=HBBI", syscalls.program()))

    assert len(steps) < 4096  # BPF_MAXINSNS
    assert all(at + 1 + max(yes, no) < len(steps) for at, (_, yes, no, _) in enumerate(steps[:-1]))
