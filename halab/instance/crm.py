"""Asking a cluster about itself, out of band, on whichever of its nodes answers."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from halab.instance import hangs
from halab.instance.addresses import AddressResource, having
from halab.instance.cluster import ClusterStatus, parse_status
from halab.instance.instance import Instance
from halab.instance.members import lab_names
from halab.kit.errors import CheckFailed, LabError

CRM_MON = ("crm_mon", "--output-as=xml", "--inactive")
PATIENCE = 10.0  # seconds that a command may take; one that waits on purpose is given that much longer
AGAIN = 2.0  # seconds in place of PATIENCE on a node where an earlier one hung; such nodes are asked last
Read = TypeVar("Read")


def ask(instance: Instance, *argv: str, input: str | None = None, timeout: float = PATIENCE) -> str:
    """Return what one of the cluster's commands prints, on the first node where it succeeds.

    Raises CheckFailed when nodes answer, but it fails or hangs on each of them, and LabError when no node answers.
    """
    return _read(instance, argv, str, input, timeout)


def _read(
    instance: Instance, argv: tuple[str, ...], read: Callable[[str], Read], input: str | None, timeout: float
) -> Read:
    """Return what `read` makes of the output on the first node where the command succeeds. It may raise CheckFailed."""
    reasons, reached = [], False
    for node in sorted(instance.spec.nodes, key=lambda node: node.name in instance.hanging):
        patience = timeout - PATIENCE + AGAIN if node.name in instance.hanging else timeout
        try:
            result = hangs.ask(instance.provider, node.name, argv, input=input, timeout=patience)
            instance.hanging.discard(node.name)
            reached = True
            if result.ok:
                return read(result.stdout)
        except (LabError, CheckFailed) as error:
            if isinstance(error, hangs.Hangs):
                instance.hanging.add(node.name)
            reached = reached or isinstance(error, CheckFailed)
            reasons.append(str(error))
            continue
        missing = result.rc in (126, 127)  # a shell's exit statuses for a command that is not there
        said = "it is not installed" if missing else result.cause()
        reasons.append(f"{node.name}: no answer from {argv[0]}: {said}")
    raise (CheckFailed if reached else LabError)("; ".join(reasons))


def status(instance: Instance) -> ClusterStatus:
    """Return the cluster as the first node that answers sees it, with the lab's names of nodes.

    Raises as `ask` does.
    """
    seen = _read(instance, CRM_MON, parse_status, None, PATIENCE)
    ids = {node.name: node.id for node in seen.nodes.values()}
    return seen.renamed(lab_names(instance.spec.nodes, ids, partial(ask, instance)))


def vip_resources(instance: Instance) -> tuple[AddressResource, ...]:
    """Return the resources that have the lab's address: one, unless somebody made none, or several. Raises as `ask`."""
    return having(ask(instance, "cibadmin", "--query", "--scope=resources"), instance.spec.vip)


def active(instance: Instance) -> str:
    """Return the one node on which the resource with the lab's address is active.

    Raises CheckFailed when there is no such resource, or when it is active on no node, or on several. Raises as `ask`.
    """
    vip, seen = instance.spec.vip, status(instance)
    names = [resource.id for resource in vip_resources(instance)]
    if not names:
        raise CheckFailed(f"no resource of the cluster has the address {vip}")
    nodes = tuple(dict.fromkeys(node for name in names for node in seen.where(name)))
    if len(nodes) != 1:
        where = ", ".join(nodes) or "no node"
        raise CheckFailed(f"{' and '.join(names)}, with the address {vip}, is active on {where}, expected one node")
    return nodes[0]
