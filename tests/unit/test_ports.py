"""How a connection to a port ended, by what bash and timeout(1) print and return, and what a firewall lets in."""

from types import SimpleNamespace
from typing import cast

import pytest

from halab.conditions import Node, lets_in, reached
from halab.kit.process import CommandResult
from halab.walk.lab import Lab

PREFIX = "bash: connect: "
MET = {
    "open": (0, ""),
    "refused": (1, f"{PREFIX}Connection refused\n"),
    "closed": (1, f"{PREFIX}No route to host\n"),
    "closed, silently": (124, ""),
}


def a_lab(rc: int, stderr: str) -> tuple[Lab, Node]:
    node = SimpleNamespace(name="node1", ask=lambda *argv: CommandResult(argv, rc, "", stderr))
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


PORTS = ("2224/tcp", "5405/udp")


@pytest.mark.parametrize(
    ("now", "permanent", "ok"),
    [
        ({"service"}, {"service"}, True),
        ({"service"}, {*PORTS}, True),
        ({*PORTS}, {*PORTS}, True),
        ({"service"}, set(), False),
        (set(), {"service"}, False),
        ({PORTS[0]}, {*PORTS}, False),
    ],
)
def test_a_firewall_lets_in_what_it_lets_in_now_and_later(now: set[str], permanent: set[str], ok: bool) -> None:
    def firewall_cmd(*argv: str) -> CommandResult:
        asked = argv[-1].partition("=")[2]
        known = permanent if "--permanent" in argv else now
        allowed = ("service" if asked == "high-availability" else asked) in known
        return CommandResult(argv, 0 if allowed else 1, "yes\n" if allowed else "no\n", "")

    node = SimpleNamespace(name="node1", ask=firewall_cmd)
    lab = cast(Lab, SimpleNamespace(node=lambda name: node))

    assert lets_in(cast(Node, node), "high-availability", *PORTS).look(lab).ok is ok
    assert not lets_in(cast(Node, node), "https").look(lab).ok
