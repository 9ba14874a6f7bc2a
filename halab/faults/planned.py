"""Planned work. It breaks nothing, but clients may notice it all the same."""

from halab.faults import Fault, NothingToBreak, Scene, is_running
from halab.instance import crm
from halab.kit.errors import CheckFailed, HalabError, LabError

CIB = "/var/lib/pacemaker/cib/cib.xml"  # Pacemaker's copy of the CIB on a node; `pcs cluster destroy` removes it
COROSYNC_CONF = "/etc/corosync/corosync.conf"


def _must(scene: Scene, *argv: str) -> None:
    result = scene.node.run(*argv, timeout=120)
    if not result.ok:
        raise LabError(f"{scene.node.name}: `{' '.join(argv)}`: {result.cause()}")


def _name(scene: Scene) -> str:
    """Return the cluster's own name for the node. Raises CheckFailed when there is no cluster."""
    return crm.status(scene.instance).own_name(scene.node.name)


def _find_cluster(scene: Scene) -> None:
    """Raise NothingToBreak, which says why, when there is no cluster."""
    try:
        crm.status(scene.instance)
    except HalabError as error:
        raise NothingToBreak(str(error)) from error


def _standby(scene: Scene) -> None:
    _find_cluster(scene)
    _must(scene, "pcs", "node", "standby", _name(scene))


def _unstandby(scene: Scene) -> None:
    if _is_kept(scene):
        crm.ask(scene.instance, "pcs", "node", "unstandby", _name(scene), timeout=60)


def _ban(scene: Scene) -> None:
    _find_cluster(scene)
    known = crm.vip_resources(scene.instance)
    if not known:
        raise NothingToBreak(f"no resource has the address {scene.instance.spec.vip}, so none can be moved")
    for resource in known:
        _must(scene, "pcs", "resource", "ban", resource.moved, _name(scene))


def _clear(scene: Scene) -> None:
    """Clear the bans of this node only. Others may be the learner's."""
    for resource in crm.vip_resources(scene.instance) if _is_kept(scene) else ():
        name = f"--resource={resource.moved}"
        crm.ask(scene.instance, "crm_resource", "--clear", name, f"--node={_name(scene)}", timeout=60)


def _is_kept(scene: Scene) -> bool:
    """Return whether any node has a CIB, which could hold the change. Otherwise there is nothing to take back."""
    try:
        crm.ask(scene.instance, "test", "-e", CIB)
    except CheckFailed:
        return False
    return True


def _stop(scene: Scene) -> None:
    _find_cluster(scene)
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
