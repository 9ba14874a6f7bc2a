"""Real clusters on podman, driven through the command line as a user does it. tests/exams uses the same fixtures.

Every test session has a state directory of its own, so that no instance of the user is seen or touched.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from halab.conditions import fencing, online, served_by_owner
from halab.conditions.checks import Outcome, evaluate
from halab.providers.images import FALLBACK
from halab.walk.lab import Lab
from tests.cli import Cli, addresses_of_host

SESSION = uuid.uuid4().hex[:6]


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

    def make(name: str, lab: str = "ha-web", *options: str, distro: str = FALLBACK) -> Cli:
        what = ("--name", lab, "--provider", "podman", "--distro", distro)
        cli = Cli(f"t{SESSION}-{name}", *what, *options)
        return made.setdefault(name, cli)

    yield make
    for cli in made.values():
        cli("down")


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli], request: pytest.FixtureRequest) -> Cli:
    """The file's own instance of a lab that begins with the finished cluster of ha-web."""
    cli = instances(request.path.stem.removeprefix("test_"), "failover")
    cli("up", timeout=1800)
    return cli


@pytest.fixture
def lab(cli: Cli) -> Iterator[Lab]:
    """That lab with its cluster whole: as the test before left it, or else put back."""
    lab = Lab(cli.instance())
    wanted = (online(), fencing(True), served_by_owner("virtual_ip"))
    if not all(evaluate("", condition, lab, within=0).outcome is Outcome.PASSED for condition in wanted):
        cli("up", "reset", "--to", "start")
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def host_addresses() -> str:
    """The addresses in the host's own namespace before any lab."""
    return addresses_of_host()
