"""Asking libvirt: one connection a process, and its errors as one sentence."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml

URI = "qemu:///system"


def library() -> Any:
    """The module libvirt, which containers do without. Raises LabError when it is not installed."""
    try:
        import libvirt
    except ImportError:
        raise LabError("the Python package libvirt-python is missing; `inv up` installs it") from None
    return libvirt


@functools.cache
def connection() -> Any:
    """A virConnect. Raises LabError when libvirt does not answer."""
    library().registerErrorHandler(lambda context, error: None, None)  # it would print what is raised as well
    with asking("a connection"):
        return library().open(URI)


def has_kvm() -> bool:
    """Whether libvirt can make machines that are not emulated."""
    with asking("its capabilities"):
        capabilities = parse_xml(connection().getCapabilities())
    return any(domain.get("type") == "kvm" for domain in capabilities.iter("domain"))


def version() -> tuple[int, int, int]:
    """The version of libvirt: (9, 0, 0)."""
    number = connection().getLibVersion()
    return number // 1_000_000, number // 1000 % 1000, number % 1000


@contextmanager
def asking(about: str, *harmless: str) -> Iterator[None]:
    """Turn libvirt's errors into one sentence; what is harmless, as somebody else was faster, is no error."""
    try:
        yield
    except library().libvirtError as error:
        if not any(words in str(error) for words in harmless):
            raise LabError(f"libvirt, asked about {about}, says: {error}") from None
