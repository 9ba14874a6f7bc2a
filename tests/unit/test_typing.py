"""What a step types on a node: on a real bash, in place of a node's."""

from collections.abc import Iterator

import pytest

from halab.instance.nodes import Node
from halab.kit.errors import LabError
from halab.walk.lab import Lab
from tests.fakes import World, instance_up


@pytest.fixture
def node(world: World) -> Iterator[Node]:
    lab = Lab(instance_up())
    yield lab._nodes[0]
    lab.close()


def test_a_command_that_prints_what_is_expected_has_to_succeed_as_well(node: Node) -> None:
    assert node.type("echo ready", expect="ready", within=1) == "ready\n"

    with pytest.raises(LabError, match=r"^node1: expected `echo ready; false` to succeed, but its exit status is 1"):
        node.type("echo ready; false", expect="ready", within=1)


def test_a_command_that_is_to_fail_has_to_print_what_is_expected_as_well(node: Node) -> None:
    assert node.type("echo refused; (exit 2)", expect="refused", within=1, fails=True) == "refused\n"

    with pytest.raises(LabError, match="to fail, but it succeeded; it said 'refused'"):
        node.type("echo refused", expect="refused", within=1, fails=True)
    with pytest.raises(LabError, match="to print 'refused' within 1 s; last line was 'other'"):
        node.type("echo other; false", expect="refused", within=1, fails=True)


def test_a_command_is_typed_again_until_it_succeeds(node: Node) -> None:
    typed = "n=$((${n:-0} + 1)); echo ready; [ $n -ge 2 ]"

    assert node.type(typed, expect="ready", within=20) == "ready\n"


def test_what_is_quoted_of_a_failed_command_is_the_cause(node: Node) -> None:
    with pytest.raises(LabError, match="exit status is 1; it said 'Error: no such node'"):
        node.type("echo 'Error: no such node'; echo 'Error: Errors have occurred, therefore pcs gives up'; false")
