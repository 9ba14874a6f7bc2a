"""The whole tutorial on a real cluster, step by step, and what can be seen of the finished cluster."""

from collections.abc import Callable

import pytest

from halab.exams.witness.ear import Ear
from halab.exams.witness.look import Witness
from tests.cli import Cli, addresses_of_host
from tests.labs.walking import steps_of, walk_step

pytestmark = [
    pytest.mark.core,
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
def test_checks_of_a_step_fail_before_it_and_pass_after_it(cli: Cli, step: str) -> None:
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


def test_an_honest_cluster_is_heard_and_accused_of_nothing(cli: Cli) -> None:
    instance = cli.instance()
    names = [node.name for node in instance.spec.nodes]
    ear, witness = Ear(instance), Witness(instance)

    found, silent = [*witness.look(), *witness.without_cluster(names)], ear.silent(names)
    ear.close()

    assert found == []
    assert silent == []


@pytest.mark.parametrize(
    ("does", "undoes", "seen"),
    [
        (
            "mount --bind /usr/bin/true /usr/sbin/crm_mon",
            "umount /usr/sbin/crm_mon",
            "/usr/sbin/crm_mon of node1 is covered by something that is mounted over it",
        ),
        (
            "bash -c 'exec -a pacemakerd sleep 60' >/dev/null 2>&1 & sleep 0.2",
            "pkill -x sleep",
            "pacemakerd of node1 is /usr/bin/sleep, which only calls itself so",
        ),
        (
            "install /usr/bin/sleep /opt/corosync; /opt/corosync 60 >/dev/null 2>&1 & sleep 0.2",
            "pkill -f '^/opt/corosync'; rm /opt/corosync",
            "corosync of node1 runs /opt/corosync, which is not that of its package",
        ),
        (
            "mv /usr/bin/stat /usr/bin/stat.kept; install /usr/bin/true /usr/bin/stat",
            "mv /usr/bin/stat.kept /usr/bin/stat",
            "/usr/bin/stat of node1 is not that of its package",
        ),
        (
            "mv /usr/lib/ocf/resource.d/heartbeat/nginx /root",
            "mv /root/nginx /usr/lib/ocf/resource.d/heartbeat",
            "",  # a package has it, and the node no longer: that is not reported
        ),
    ],
)
def test_what_takes_the_place_of_a_program_is_seen_from_outside(cli: Cli, does: str, undoes: str, seen: str) -> None:
    instance = cli.instance()
    witness = Witness(instance)
    assert instance.provider.run("node1", ["sh", "-c", does]).ok

    found = [finding.sentence for finding in witness.look()]
    instance.provider.run("node1", ["sh", "-c", undoes])

    assert found == [seen][: bool(seen)]
    assert witness.look() == []


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
