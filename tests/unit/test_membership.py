"""What is typed to take a node out of a cluster, and when it counts as forgotten."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from halab.conditions import Node
from halab.walk.membership import remove_node


def typed_to_remove_node3() -> list[tuple[str, str, str | None]]:
    """Return who types what, and what it must print."""
    typed: list[tuple[str, str, str | None]] = []

    def node(name: str) -> Node:
        def type_(command: str, *, expect: str | None = None, **_: Any) -> None:
            typed.append((name, command, expect))

        return cast(Node, SimpleNamespace(name=name, type=type_))

    remove_node(node("node3"), [node("node1"), node("node2")])
    return typed


def test_pcs_removes_a_node_and_then_each_other_one_forgets_it() -> None:
    forget = "crm_node --force --remove node3; crm_node --list"

    assert [(name, command) for name, command, _ in typed_to_remove_node3()] == [
        ("node1", "pcs cluster node remove node3"),
        ("node1", forget),
        ("node2", forget),
    ]


@pytest.mark.parametrize(
    ("listed", "forgotten"),
    [
        ("1 node1 member\n2 node2 member\n", True),
        ("1 node1 member\n2 node2 member\n3 node3 lost\n", False),
        ("3 node3 lost\n1 node1 member\n2 node2 member\n", False),
        ("error: Could not connect to controller: Connection refused\n", False),
    ],
)
def test_a_node_is_forgotten_when_a_controller_that_answers_does_not_list_it(listed: str, forgotten: bool) -> None:
    [_, (_, _, one), (_, _, two)] = typed_to_remove_node3()

    for expected in (one, two):
        assert expected
        assert (re.search(expected, listed, re.DOTALL) is not None) is forgotten
