"""Listening to nodes: who is silent. Nobody is silent when nobody could listen."""

import pytest

from halab.exams.witness import ear
from halab.exams.witness.ear import Ear
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from tests.unit.test_replaced import begun, folders, program

__all__ = ["begun", "folders", "program"]


@pytest.mark.parametrize("address", ["192.168.1.11", "192.168.2.11"])
def test_a_node_that_is_not_heard_is_silent(begun: Instance, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    node1, node2 = begun.spec.nodes
    heard = str(node1.lan if address.startswith("192.168.1.") else node1.mgmt)
    monkeypatch.setattr(begun.provider, "bridge_argv", lambda argv: ["echo", heard])
    listening = Ear(begun)

    silent = listening.silent([node1.name, node2.name])
    listening.close()

    assert silent == [node2.name]


def test_nobody_is_silent_when_nobody_could_listen(begun: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun.provider, "bridge_argv", lambda argv: ["false"])
    listening = Ear(begun)

    with pytest.raises(LabError, match="nobody could listen"):
        listening.silent(["node1"])
    listening.close()


def test_all_nodes_are_listened_to_for_long_enough(begun: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(begun.provider, "bridge_argv", lambda argv: [*(asked.extend(argv) or ()), "true"])

    Ear(begun).close()

    assert asked[-5:] == [
        str(ear.PATIENCE),
        *(str(address) for node in begun.spec.nodes for address in (node.lan, node.mgmt)),
    ]
