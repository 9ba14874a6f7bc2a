"""Planned work. It breaks nothing, but clients may notice it all the same."""

from halab.faults import Fault, Scene, is_running
from halab.instance import crm
from halab.kit.errors import CheckFailed, LabError

CIB = "/var/lib/pacemaker/cib/cib.xml"  # Pacemaker's copy of the CIB on a node; `pcs cluster destroy` removes it
COROSYNC_CONF = "/etc/corosync/corosync.conf"


def _must(scene: Scene, *argv: str) -> None:
    result = scene.node.run(*argv, timeout=120)
    if not result.ok:
        raise LabError(f"{scene.node.name}: `{' '.join(argv)}`: {result.last_line()}")


def _name(scene: Scene) -> str:
    """Return the cluster's own name for the node. Raises CheckFailed when there is no cluster."""
    return crm.status(scene.instance).own_name(scene.node.name)


def _standby(scene: Scene) -> None:
    _must(scene, "pcs", "node", "standby", _name(scene))


def _unstandby(scene: Scene) -> None:
    if _is_kept(scene):
        crm.ask(scene.instance, "pcs", "node", "unstandby", _name(scene))


def _addresses(scene: Scene) -> list[str]:
    return [resource.id for resource in crm.status(scene.instance).of_agent(crm.ADDRESS_AGENT)]


def _ban(scene: Scene) -> None:
    known = _addresses(scene)
    if not known:
        raise LabError(f"there is no resource of the agent {crm.ADDRESS_AGENT} to move")
    _must(scene, "pcs", "resource", "ban", known[0], _name(scene))


def _clear(scene: Scene) -> None:
    """Clear the bans of this node only. Others may be the learner's."""
    for address in _addresses(scene) if _is_kept(scene) else ():
        crm.ask(scene.instance, "crm_resource", "--clear", f"--resource={address}", f"--node={_name(scene)}")


def _is_kept(scene: Scene) -> bool:
    """Return whether any node has a CIB, which could hold the change. Otherwise there is nothing to take back."""
    try:
        crm.ask(scene.instance, "test", "-e", CIB)
    except CheckFailed:
        return False
    return True


def _stop(scene: Scene) -> None:
    crm.status(scene.instance)  # raises an error that says why, when there is no cluster to stop
    _must(scene, "pcs", "cluster", "stop")


def _start(scene: Scene) -> None:
    """Start the cluster on a node that runs. When one without power boots, it starts its cluster, or not, by itself."""
    if is_running(scene) and scene.node.run("test", "-e", COROSYNC_CONF).ok:
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
