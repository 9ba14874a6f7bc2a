"""Virtual machines that QEMU emulates, driven through the command line.

`inv test --vm` runs this on a host of its own. Whatever needs the Internet (a distro's image and its box) was made
before.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import Cli


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if Path("/run/libvirt/libvirt-sock").exists() and os.geteuid() == 0:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root and a libvirt; `inv test --vm` brings one"))


@pytest.fixture(scope="session")
def instances() -> Iterator[Callable[..., Cli]]:
    """A function that makes an instance by name. All of them are taken down at the end."""
    made: dict[str, Cli] = {}

    def make(name: str, *options: str) -> Cli:
        return made.setdefault(name, Cli(name, "--provider", "vagrant", "--distro", "debian12", *options))

    yield make
    for cli in made.values():
        cli("down")
