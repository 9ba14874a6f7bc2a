"""What a connection to a port met, told from what bash and timeout(1) print and return."""

from types import SimpleNamespace
from typing import cast

import pytest

from halab.conditions import reached
from halab.lab import Lab
from halab.nodes import Node
from halab.process import CommandResult

PREFIX = "bash: connect: "
MET = {
    "open": (0, ""),
    "refused": (1, f"{PREFIX}Connection refused\n"),
    "closed": (1, f"{PREFIX}No route to host\n"),
    "closed, silently": (124, ""),
}


def a_lab(rc: int, stderr: str) -> tuple[Lab, Node]:
    node = SimpleNamespace(name="node1", run=lambda *argv: CommandResult(argv, rc, "", stderr))
    return cast(Lab, SimpleNamespace(node=lambda name: node)), cast(Node, node)


@pytest.mark.parametrize("answer", ["open", "refused", "closed"])
@pytest.mark.parametrize("met", MET)
def test_each_answer_is_told_from_the_others(met: str, answer: str) -> None:
    lab, node = a_lab(*MET[met])

    seen = reached(node, node, 2224, answer).look(lab)

    assert seen.ok is (met.partition(",")[0] == answer)
    assert seen.known


@pytest.mark.parametrize("answer", ["open", "refused", "closed"])
def test_a_connection_that_was_not_even_tried_tells_nothing_of_the_port(answer: str) -> None:
    lab, node = a_lab(1, "bash: node9: Name or service not known\n")

    seen = reached(node, node, 2224, answer).look(lab)

    assert not seen.ok
    assert not seen.known
