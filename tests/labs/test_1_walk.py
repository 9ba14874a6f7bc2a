"""The whole tutorial on a real cluster, step by step, each of them proven."""

from collections.abc import Callable

import pytest

from tests.cli import Cli, addresses_of_host
from tests.labs.walking import steps_of, walk_step

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # BMCs live on
]


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    return instances("main")


def test_up_makes_bare_nodes_and_leaves_the_host_alone(cli: Cli, host_addresses: str) -> None:
    cli("up", timeout=1800)

    status = cli.json("status")

    assert [node["power"] for node in status["nodes"]] == ["on", "on"]
    assert all(step["outcome"] is None for step in status["steps"])
    assert status["cluster"] is None
    assert addresses_of_host() == host_addresses


@pytest.mark.parametrize("step", steps_of("ha-web"))
def test_step_is_proven(cli: Cli, step: str) -> None:
    walk_step(cli, step)


def test_walk_with_nothing_left_says_so(cli: Cli) -> None:
    output = cli("walk", expect=2)

    assert "every step is passed" in output


def test_status_tells_where_the_vip_is(cli: Cli) -> None:
    status = cli.json("status")

    owners = status["vip"]["owners"]
    assert len(owners) == 1
    assert next(item["nodes"] for item in status["resources"] if item["id"] == "virtual_ip") == owners
    assert status["cluster"] == {"quorate": True, "dc": status["cluster"]["dc"], "fencing": True}


@pytest.mark.parametrize("checkpoint", ["start", "constraints"])  # proving went to each of the others
def test_reset_to_a_checkpoint_is_verified(cli: Cli, checkpoint: str) -> None:
    cli("reset", "--to", checkpoint)

    passed = [step["name"] for step in cli.json("status")["steps"] if step["outcome"] == "passed"]
    assert passed[-1:] == ([] if checkpoint == "start" else [checkpoint])
    installed = cli.instance().provider.run("node1", ["sh", "-c", "command -v pcs"]).ok
    assert installed is (checkpoint != "start")


def test_a_log_keeps_every_command_and_its_output(cli: Cli) -> None:
    log = (cli.instance().directory / "logs" / "vip.log").read_text()

    assert "[root@node1 ~]# pcs resource create virtual_ip" in log
    assert "Cluster name: ha_cluster" in log
