"""A checkpoint goes to another machine, for which another state directory stands, and the learner goes on there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import Cli

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


@pytest.fixture
def here(instances: Callable[..., Cli]) -> Cli:
    return instances("travel")


@pytest.fixture
def elsewhere(tmp_path: Path, here: Cli) -> Iterator[Callable[..., str]]:
    """The same instance's commands, typed on the other machine. It has the image, as the cache is the user's."""

    def type_there(*arguments: str, expect: int = 0) -> str:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
            return here(*arguments, expect=expect)

    yield type_there
    type_there("down")


def test_a_learner_goes_on_on_another_machine(here: Cli, elsewhere: Callable[..., str], tmp_path: Path) -> None:
    file = str(tmp_path / "work.halab")
    here("up", "walk", "--to", "setup", timeout=1800)
    here("ssh", "node1", "--", "echo by hand >/root/note && mkdir /srv/mine && rm /etc/issue")
    here("save", "mine", "export-checkpoint", file, "--name", "mine")

    told = elsewhere("import-checkpoint", file)

    assert "is up at mine: node1, node2 on debian12" in told
    assert "by hand" in elsewhere("ssh", "node1", "--", "cat", "/root/note")
    elsewhere("ssh", "node1", "--", "test ! -e /etc/issue && test -d /srv/mine")
    elsewhere("check", "--step", "setup")
    here("check", "--step", "setup")  # both are there, under the same name and addresses
    elsewhere("next")
    assert "already" in elsewhere("import-checkpoint", file, expect=3)

    elsewhere("down")

    here("check", "--step", "setup")
    here("ssh", "node1", "--", "test -f /root/note")
