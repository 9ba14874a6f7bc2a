"""Asking a cluster about itself, out of band, on whichever of its nodes answers."""

from functools import partial

from halab.instance.cluster import ClusterStatus, parse_status
from halab.instance.instance import Instance
from halab.instance.members import lab_names
from halab.kit.errors import CheckFailed, LabError

CRM_MON = ("crm_mon", "--output-as=xml", "--inactive")
ADDRESS_AGENT = "ocf:heartbeat:IPaddr2"


def ask(instance: Instance, *argv: str, input: str | None = None) -> str:
    """Return what one of the cluster's commands prints, on the first node where it succeeds.

    Raises CheckFailed when nodes answer but it fails on each of them, and LabError when no node answers.
    """
    reasons, reached = [], False
    for node in instance.spec.nodes:
        try:
            result = instance.provider.ask(node.name, argv, input=input, timeout=20)
        except LabError as error:
            reasons.append(str(error))
            continue
        reached = True
        if result.ok:
            return result.stdout
        missing = result.rc in (126, 127)  # a shell's exit statuses for a command that is not there
        said = "it is not installed" if missing else result.last_line()
        reasons.append(f"{node.name}: no answer from {argv[0]}: {said}")
    raise (CheckFailed if reached else LabError)("; ".join(reasons))


def status(instance: Instance) -> ClusterStatus:
    """Return the cluster as the first node that answers sees it, with the lab's names of nodes.

    Raises as `ask` does.
    """
    seen = parse_status(ask(instance, *CRM_MON))
    ids = {node.name: node.id for node in seen.nodes.values()}
    return seen.renamed(lab_names(instance.spec.nodes, ids, partial(ask, instance)))


def holders_of_vip(instance: Instance) -> tuple[str, ...]:
    """Return the nodes that have the service's address, as the cluster reports it."""
    return tuple(name for resource in status(instance).of_agent(ADDRESS_AGENT) for name in resource.nodes)
