"""Real clusters on podman, driven through the command line as a user does it.

Every test session has a state directory of its own, so that no instance of the user is seen or touched.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from halab.instance import Instance
from halab.paths import ROOT

SESSION = uuid.uuid4().hex[:6]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="containers with networks of their own need root"))


class Cli:
    """`inv` on one instance."""

    def __init__(self, instance: str, options: tuple[str, ...] = ()) -> None:
        self.name = instance
        self._select = ("lab", "--instance", instance, *options)

    def __call__(self, *arguments: str, expect: int = 0, timeout: float = 400) -> str:
        """Run `inv lab --instance ... ARGUMENTS`; fail unless its exit status is as expected; return its output."""
        done = self._run(arguments, expect, timeout)
        return done.stdout + done.stderr

    def _run(self, arguments: tuple[str, ...], expect: int, timeout: float) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == expect, f"inv {' '.join(arguments)}: {done.stdout[-4000:]}\n{done.stderr[-2000:]}"
        return done

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *self._select, *arguments]

    def json(self, *arguments: str, expect: int = 0) -> Any:
        _selected, _, data = self._run((*arguments, "--json"), expect, timeout=400).stdout.partition("\n")
        return json.loads(data)

    def instance(self) -> Instance:
        return Instance.open(self.name)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's own state directory; the cache with the images stays the user's."""
    home = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(home)
    yield home
    del os.environ["XDG_STATE_HOME"]


@pytest.fixture(scope="session")
def instances() -> Iterator[Callable[..., Cli]]:
    """Makes instances by name, and takes them all down in the end."""
    made: dict[str, Cli] = {}

    def make(name: str, *options: str) -> Cli:
        return made.setdefault(name, Cli(f"t{SESSION}-{name}", options))

    yield make
    for cli in made.values():
        cli("down")


@pytest.fixture(scope="session")
def walked(instances: Callable[..., Cli]) -> Cli:
    """The instance `main` with every step passed; walked only where the tests before have not done it."""
    cli = instances("main")
    cli("up", timeout=1800)
    if any(step["outcome"] != "passed" for step in cli.json("status")["steps"]):
        cli("walk")
    return cli


@pytest.fixture(scope="session")
def host_addresses() -> str:
    """What the host's own namespace has before any lab."""
    return addresses_of_host()


def addresses_of_host() -> str:
    return subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
