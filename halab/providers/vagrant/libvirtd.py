"""Asking libvirt: one connection for each process, and its errors as one sentence."""

import atexit
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml

URI = "qemu:///system"


def library() -> Any:
    """Return the module libvirt, which containers do without. Raises LabError when it is not installed."""
    try:
        import libvirt
    except ImportError:
        raise LabError("the Python package libvirt-python is missing; `inv up` installs it") from None
    return libvirt


@functools.cache
def connection() -> Any:
    """Return the connection to libvirt, a virConnect. Raises LabError when libvirt does not answer."""
    library().registerErrorHandler(lambda context, error: None, None)  # it would print what is raised as well
    with asking("a connection"):
        opened = library().open(URI)
    atexit.register(opened.close)  # otherwise it closes itself when libvirt's module is half gone, and complains
    return opened


def has_kvm() -> bool:
    """Return whether libvirt can make machines with KVM, which are not emulated."""
    with asking("its capabilities"):
        capabilities = parse_xml(connection().getCapabilities())
    return any(domain.get("type") == "kvm" for domain in capabilities.iter("domain"))


def version() -> tuple[int, int, int]:
    """Return the version of libvirt, for example (9, 0, 0)."""
    number = connection().getLibVersion()
    return number // 1_000_000, number // 1000 % 1000, number % 1000


@contextmanager
def asking(about: str, *harmless: str) -> Iterator[None]:
    """Turn libvirt's errors into a LabError of one sentence, inside the `with`.

    An error with one of the `harmless` texts is ignored: somebody else was faster.
    """
    try:
        yield
    except library().libvirtError as error:
        if not any(words in str(error) for words in harmless):
            raise LabError(f"libvirt, asked about {about}, says: {error}") from None
