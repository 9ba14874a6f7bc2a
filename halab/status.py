"""One look at a whole instance: nodes, power, BMCs, steps, resources, and where the VIP is."""

from dataclasses import dataclass

from halab.cluster import ClusterStatus
from halab.crm import ADDRESS_AGENT
from halab.errors import HalabError
from halab.instance import Instance
from halab.lab import Lab
from halab.network import mac
from halab.wait import patience

ARP_PATIENCE = 0.25  # seconds in which every node that has the address answers


@dataclass(frozen=True)
class StatusReport:
    """`cluster` is None when no node has one to tell of; then `reason` says why. `vip_owners` is seen by ARP."""

    instance: Instance
    power: dict[str, str]
    dead_bmcs: list[str]
    cluster: ClusterStatus | None
    reason: str | None
    vip_owners: tuple[str, ...]


def look(instance: Instance) -> StatusReport:
    power = instance.provider.power_states()
    lab = Lab(instance)
    cluster, reason = None, None
    try:
        cluster = lab.status()
    except HalabError as error:
        reason = str(error)
    has_vip = cluster is not None and any(resource.started for resource in cluster.of_agent(ADDRESS_AGENT))
    owners = vip_owners(lab) if has_vip else ()
    return StatusReport(instance, power, instance.dead_bmcs(), cluster, reason, owners)


def vip_owners(lab: Lab) -> tuple[str, ...]:
    """The nodes that answer ARP for the VIP on `lan`: none, one, or in a split brain several."""
    listening = f"{patience(ARP_PATIENCE):g}"  # arping(8) by itself ends with the first answer, or after whole seconds
    ask = ("timeout", "--signal=INT", listening, "arping", "-I", "lan", str(lab.vip))
    answer = lab.workstation.run(*ask).stdout
    return tuple(node.name for node in lab.nodes if mac(node.lan.packed).upper() in answer.upper())
