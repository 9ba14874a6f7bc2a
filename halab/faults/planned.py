"""Planned work. Nothing is broken by it, and clients may notice all the same."""

from halab import crm
from halab.errors import LabError
from halab.faults import Fault, Scene


def _must(scene: Scene, *argv: str) -> None:
    result = scene.node.run(*argv, timeout=120)
    if not result.ok:
        raise LabError(f"{scene.node.name}: `{' '.join(argv)}`: {result.last_line()}")


def _standby(scene: Scene) -> None:
    _must(scene, "pcs", "node", "standby", scene.node.name)


def _unstandby(scene: Scene) -> None:
    _must(scene, "pcs", "node", "unstandby", scene.node.name)


def _address(scene: Scene) -> str:
    known = crm.status(scene.instance).of_agent(crm.ADDRESS_AGENT)
    if not known:
        raise LabError(f"there is no resource of the agent {crm.ADDRESS_AGENT} to move")
    return known[0].id


def _ban(scene: Scene) -> None:
    _must(scene, "pcs", "resource", "ban", _address(scene), scene.node.name)


def _clear(scene: Scene) -> None:
    _must(scene, "pcs", "resource", "clear", _address(scene))


def _stop(scene: Scene) -> None:
    _must(scene, "pcs", "cluster", "stop")


def _start(scene: Scene) -> None:
    _must(scene, "pcs", "cluster", "start")


FAULTS = (
    Fault("standby", "planned: the node is told to give up its resources", _standby, _unstandby),
    Fault("move", "planned: the address is sent away from the node, by a ban that is cleared afterwards", _ban, _clear),
    Fault(
        "stop-cluster",
        "planned: the cluster's software is stopped on the node",
        _stop,
        _start,
        keeps_out=True,
    ),
)
