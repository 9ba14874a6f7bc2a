"""A command that hangs on a node: the cluster's fault where the node does other things, or else the lab's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from halab.conditions import authorized, command, online
from halab.conditions.checks import Outcome, evaluate
from halab.instance import crm
from halab.instance.instance import Instance
from halab.kit.errors import CheckFailed, LabError
from halab.kit.process import CommandResult, NotDone, run
from halab.walk.lab import Lab
from tests.fakes import FakeProvider, World, instance_up

STARTED = (Path(__file__).parent.parent / "fixtures" / "crm_mon" / "started.xml").read_text()
Hang = Callable[..., None]


@pytest.fixture
def instance(world: World) -> Instance:
    world.crm_mon = STARTED
    return instance_up()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Hang:
    """Have these programs hang on some nodes."""

    def these(*programs: str, nodes: Sequence[str] = ("node1", "node2")) -> None:
        real = FakeProvider.run

        def run_or_hang(self: FakeProvider, node: str, argv: Sequence[str], **rest: object) -> CommandResult:
            if argv[0] in programs and node in nodes:
                raise NotDone(f"`{' '.join(argv)}` did not finish within {rest['timeout']:g} s")
            return real(self, node, argv)

        monkeypatch.setattr(FakeProvider, "run", run_or_hang)

    return these


def test_a_program_that_does_not_end_is_told_from_one_that_fails() -> None:
    with pytest.raises(NotDone, match=r"`sleep 5` did not finish within 0\.1 s"):
        run(["sleep", "5"], timeout=0.1)


def test_a_cluster_that_hangs_fails_the_check(instance: Instance, hang: Hang) -> None:
    hang("crm_mon")

    result = evaluate("", online(), Lab(instance), within=0)

    assert result.outcome is Outcome.FAILED
    assert result.seen.startswith("node1: `crm_mon --output-as=xml --inactive` did not finish within 10 s, while the")


def test_a_node_on_which_everything_hangs_tells_nothing_of_the_cluster(instance: Instance, hang: Hang) -> None:
    hang("crm_mon", "true")

    assert evaluate("", online(), Lab(instance), within=0).outcome is Outcome.UNKNOWN
    with pytest.raises(LabError, match="`true` did not finish"):
        crm.status(instance)


def test_another_node_is_asked_where_one_hangs(instance: Instance, hang: Hang) -> None:
    hang("crm_mon", nodes=["node1"])

    assert crm.status(instance).online == ("node1", "node2")


def test_pcs_that_hangs_is_not_authorized(instance: Instance, hang: Hang) -> None:
    hang("pcs")

    result = evaluate("", authorized(), Lab(instance), within=0)

    assert result.outcome is Outcome.FAILED
    assert "while the node does other things" in result.seen


def test_pcs_waits_no_longer_for_a_silent_firewall_than_the_check_can(instance: Instance, world: World) -> None:
    evaluate("", authorized(), Lab(instance), within=0)

    assert "pcs pcsd status node1 node2 --request-timeout=3" in world.typed


def test_what_is_quoted_of_pcs_is_which_node_does_not_answer(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, said = FakeProvider.run, "  node1: Online\n  node2: Offline\n"

    def offline(self: FakeProvider, node: str, argv: Sequence[str], **rest: object) -> CommandResult:
        return CommandResult(tuple(argv), 2, said, "") if argv[0] == "pcs" else real(self, node, argv)

    monkeypatch.setattr(FakeProvider, "run", offline)

    result = evaluate("", authorized(), Lab(instance), within=0)

    assert (result.outcome, result.seen) == (Outcome.FAILED, "node1: node2: Offline; node2: node2: Offline")


@pytest.mark.parametrize("own", [True, False])
def test_a_command_that_hangs_fails_whosever_programs_it_runs(instance: Instance, hang: Hang, own: bool) -> None:
    hang("sh")
    lab = Lab(instance)

    result = evaluate("", command(lab.nodes[0], "ssh node2 true", own=own), lab, within=0)

    assert result.outcome is Outcome.FAILED
    assert result.seen.startswith("node1: `sh -c ssh node2 true` did not finish within ")


def test_a_node_is_asked_by_the_same_rule(instance: Instance, hang: Hang) -> None:
    hang("stonith_admin")

    with pytest.raises(CheckFailed, match="did not finish within 30 s"):
        Lab(instance).nodes[0].ask("stonith_admin", timeout=30)


def test_a_node_that_hangs_is_asked_last_and_not_waited_for_again(
    instance: Instance, world: World, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang("crm_mon", nodes=["node1"])
    crm.status(instance)
    world.typed.clear()
    crm.status(instance)
    asked_first = list(world.typed)

    hang("crm_mon")
    with pytest.raises(CheckFailed, match=r"within 10 s.*within 2 s"):
        crm.status(instance)

    assert asked_first == ["crm_mon --output-as=xml --inactive"]  # of node2, so node1 was not even tried


def test_a_node_that_answers_again_is_asked_as_before(instance: Instance, world: World) -> None:
    instance.hanging.update(["node1", "node2"])

    crm.status(instance)

    assert instance.hanging == {"node2"}
