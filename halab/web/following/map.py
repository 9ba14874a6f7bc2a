"""The map of an instance, as the page draws it: pure functions over what was seen.

nodes        of each: name; power (on, off, frozen, absent) and why_off; bmc (answers, dead); member (online,
             standby, maintenance, pending, offline, unclean, or unknown) and dc; arp, whether it answers for the
             VIP; cut, the networks whose cable is pulled; resources, each with id, agent, role and state (started,
             starting, stopping, failed, blocked)
vip          its address, and the owners by ARP
quorum       quorate, votes and expected votes, or None
fencing      whether the cluster has it switched on, or None
stopped      resources that run nowhere
constraints  see constraints.Constraint
faults       those that were injected: name, node and words
reason       why nothing is known of a cluster
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from halab.instance.cluster import ClusterStatus, NodeStatus, ResourceStatus
from halab.instance.state import InjectedFault
from halab.kit.printable import printable
from halab.spec.models import LabSpec
from halab.web.following.constraints import Constraint

VOTES = re.compile(r"^(Expected|Total) votes:\s+(\d+)", re.MULTILINE)
MOST = 300  # resources, or constraints, that a map has; and characters of a text
CHANGING = {"starting": "starting", "promoting": "starting", "stopping": "stopping", "demoting": "stopping"}


@dataclass(frozen=True)
class Votes:
    """The votes that are there, and those that there should be."""

    there: int
    expected: int


@dataclass(frozen=True)
class ClusterSeen:
    """What a node told of its cluster. `vip_resources` have the lab's address."""

    status: ClusterStatus
    votes: Votes | None = None
    constraints: tuple[Constraint, ...] = ()
    vip_resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """All that was seen of an instance. `cluster` is None when no node tells of one; then `reason` says why.

    `pulled` are the cables that are pulled, as pairs of node and network. `owners` answer ARP for the VIP.
    """

    power: Mapping[str, str] = field(default_factory=dict)
    why_off: Mapping[str, str] = field(default_factory=dict)
    dead_bmcs: frozenset[str] = frozenset()
    faults: tuple[InjectedFault, ...] = ()
    pulled: frozenset[tuple[str, str]] = frozenset()
    owners: tuple[str, ...] = ()
    cluster: ClusterSeen | None = None
    reason: str = ""


def made(spec: LabSpec | None, seen: Seen) -> dict[str, Any]:
    """Return the map, without the time. It is empty without a spec: nobody knows what the instance will be."""
    cluster = seen.cluster
    status = cluster.status if cluster else None
    by_node = _by_node(status)
    return {
        "kind": "map",
        "nodes": [_node(node.name, seen, by_node.get(node.name, [])[:MOST]) for node in (spec.nodes if spec else ())],
        "vip": {"address": str(spec.vip) if spec else "", "owners": list(seen.owners)},
        "quorum": _quorum(cluster),
        "fencing": status.fencing if status else None,
        "stopped": [_shown(name) for name, one in status.resources.items() if not one.nodes][:MOST] if status else [],
        "constraints": [_harmless(asdict(line)) for line in cluster.constraints[:MOST]] if cluster else [],
        "faults": [{"name": fault.name, "node": fault.node, "words": fault.words} for fault in seen.faults],
        "reason": "" if cluster else _shown(seen.reason),
    }


def parse_votes(text: str) -> Votes | None:
    """Return the votes that `corosync-quorumtool -s` tells, or None when it tells none."""
    found = {what: int(number) for what, number in VOTES.findall(text)}
    return Votes(found["Total"], found["Expected"]) if found.keys() == {"Total", "Expected"} else None


def why_off(
    node: str, faults: Sequence[InjectedFault], orders: Sequence[Mapping[str, object]], name_of: Callable[[str], str]
) -> str:
    """Return in words who has cut a node's power from outside.

    `orders` is what its BMC was told (see Instance.power_events), and `name_of` makes a name of an address.
    """
    if any(fault.node == node and fault.name == "power-cut" for fault in faults):
        return "its power was cut by a fault"
    told = [order for order in orders if order.get("action") in ("off", "cycle", "reset")]
    if told and not any(order.get("action") == "on" for order in orders[orders.index(told[-1]) :]):
        return f"its BMC was told `{told[-1]['action']}` by {name_of(str(told[-1].get('from', '')))}"
    return ""


def _node(name: str, seen: Seen, resources: list[dict[str, str]]) -> dict[str, Any]:
    status = seen.cluster.status if seen.cluster else None
    power = seen.power.get(name, "absent")
    silent = name in seen.dead_bmcs or any(fault.node == name and fault.name == "bmc-dead" for fault in seen.faults)
    return {
        "name": name,
        "power": power,
        "why_off": _shown(seen.why_off.get(name, "")) if power == "off" else "",
        "bmc": "dead" if silent else "answers",
        "member": _member(status.nodes.get(name)) if status else "unknown",
        "dc": bool(status and status.dc == name),
        "arp": name in seen.owners,
        "resources": resources,
        "cut": sorted(network for node, network in seen.pulled if node == name),
    }


def _member(node: NodeStatus | None) -> str:
    """Return the state that matters most of those that a member has. A node of the lab need not be a member."""
    if node is None:
        return "unknown"
    signs = {
        "unclean": node.unclean,
        "offline": not node.online,
        "pending": node.pending,
        "maintenance": node.maintenance,
        "standby": node.standby,
    }
    return next((sign for sign, shown in signs.items() if shown), "online")


def _by_node(status: ClusterStatus | None) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for instance in status.instances if status else ():
        for node in instance.nodes:
            known = found.setdefault(node, [])
            told = {"id": instance.id, "agent": instance.agent, "role": instance.role, "state": state_of(instance)}
            if told not in known:
                known.append(_harmless(told))
    return found


def state_of(resource: ResourceStatus) -> str:
    """Return the state of a resource that is active somewhere: the worst one that it has."""
    if resource.blocked:
        return "blocked"
    if resource.failed:
        return "failed"
    return CHANGING.get(resource.pending.lower()) or CHANGING.get(resource.role.lower()) or "started"


def _quorum(cluster: ClusterSeen | None) -> dict[str, Any] | None:
    if cluster is None:
        return None
    votes = cluster.votes or Votes(len(cluster.status.online), len(cluster.status.nodes))
    return {"quorate": cluster.status.quorate, "votes": votes.there, "expected": votes.expected}


def _harmless(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: _shown(text) for key, text in texts.items()}


def _shown(text: str) -> str:
    text = printable(text)
    return text if len(text) <= MOST else text[:MOST] + "…"
