"""The trial of an image, on a real node of it."""

from collections.abc import Iterator

import pytest

from halab.cli.selection import Selection, instance_to_make
from halab.instance.instance import Instance
from halab.instance.nodes import Node
from halab.kit.errors import LabError
from halab.kit.paths import state_dir
from halab.kit.process import run
from halab.providers import verdicts
from halab.spec import distros
from halab.walk import trial

# The namespaces are held by a process that outlives what has started it, as it does after a command of the user's
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """An instance that was never brought up, of an image that was never tried. What comes of a trial is forgotten."""
    monkeypatch.setattr(verdicts, "passed", lambda distro, provider, tried: False)
    monkeypatch.setattr(verdicts, "keep", lambda distro, provider, **verdict: None)
    yield instance_to_make(Selection(lab="ha-web", instance="tried", provider="podman", distro="debian12"))
    assert not list((state_dir() / "trials").iterdir())
    left = run(["podman", "ps", "--all", "--format={{.Names}} {{.Labels}}"]).stdout
    assert str(state_dir() / "trials") not in left


def installing(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    """Have the distro install a cluster by these commands."""
    distro = distros.load("debian12")
    commands = distro.commands.model_copy(update={"install_cluster": typed})
    monkeypatch.setattr(distros, "load", lambda name: distro.model_copy(update={"commands": commands}))


def test_a_package_that_the_pool_lacks_is_met_in_the_trial(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    installing(monkeypatch, "apt-get update", "apt-get install -y pacemakker")

    with pytest.raises(LabError) as failed:
        trial.ensure(instance, print)

    assert str(failed.value).startswith(
        "debian12 did not pass its trial: node1: expected `apt-get install -y pacemakker` to succeed"
    )
    assert "Unable to locate package pacemakker" in str(failed.value)


def test_a_unit_that_fails_as_a_node_boots_is_met_in_the_trial(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted = Node.wait_booted

    def wait_booted(self: Node, within: float = 60) -> None:
        booted(self, within)
        self.run("systemd-run", "--unit=halab-fails", "--wait", "false")

    monkeypatch.setattr(Node, "wait_booted", wait_booted)

    with pytest.raises(LabError, match=r"its unit halab-fails\.service failed as it booted"):
        trial.ensure(instance, print)
