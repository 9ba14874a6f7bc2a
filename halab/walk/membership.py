"""What a step types to change who is in the cluster, where that takes more than one command of pcs."""

from collections.abc import Sequence

from halab.conditions.lab import Node


def remove_node(node: Node, others: Sequence[Node]) -> None:
    """Take a node out of the cluster for good, and make sure that none of the others remembers it.

    Before Pacemaker 2.1.7, `crm_node --remove`, which pcs types as well, may end before the controller has heard of it
    (https://github.com/ClusterLabs/pacemaker/pull/3171). The next controller that is elected then adds the node again,
    as unclean, and the cluster waits for a fencing for which there is no device.
    """
    others[0].type(f"pcs cluster node remove {node.name}", within=120)
    for other in others:
        forgotten = rf"\A(?!.*\b{node.name}\b).*\b{other.name} member"
        other.type(f"crm_node --force --remove {node.name}; crm_node --list", expect=forgotten, within=60)
