"""Real clusters on podman, driven through the command line as a user does it. tests/exams uses the same fixtures.

Every test session has a state directory of its own, so that no instance of the user is seen or touched.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import Cli, addresses_of_host

EXAMS = Path(__file__).parent.parent / "exams"
SESSION = uuid.uuid4().hex[:6]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    for item in items:
        if {Path(__file__).parent, EXAMS} & set(item.path.parents):
            item.add_marker(pytest.mark.skip(reason="containers with networks of their own need root"))


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's own state directory. The cache with the images stays the user's."""
    home = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as environment:  # once for each folder of tests that has this fixture
        environment.setenv("XDG_STATE_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def instances() -> Iterator[Callable[..., Cli]]:
    """A function that makes an instance by name. All are taken down at the end: even idle nodes take processor time."""
    made: dict[str, Cli] = {}

    def make(name: str, lab: str = "ha-web", *options: str) -> Cli:
        what = ("--name", lab, "--provider", "podman", "--distro", "debian12")
        cli = Cli(f"t{SESSION}-{name}", *what, *options)
        return made.setdefault(name, cli)

    yield make
    for cli in made.values():
        cli("down")


@pytest.fixture(scope="session")
def host_addresses() -> str:
    """The addresses in the host's own namespace before any lab."""
    return addresses_of_host()
