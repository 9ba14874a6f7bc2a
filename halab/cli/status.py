"""One look at a whole instance: nodes, power, BMCs, steps, resources, and where the VIP is."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from halab.instance import crm
from halab.instance.cluster import ClusterStatus
from halab.instance.instance import Instance
from halab.kit.errors import HalabError
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF
from halab.spec.models import mac
from halab.walk.lab import Lab

ARP_PATIENCE = 0.25  # seconds in which every node that has the address answers


LIMITS = {  # what is said of a node that has met one
    "memory": "{0} had no memory left of its {1.memory} MiB: some of its processes were killed, or all of them",
    "processes": "{0} could start no more than its {1.processes} processes",
    "disk": "{0} has no room left on its disk of {1.disk} GiB",
}

ENDED = {  # what is said of a node that is off because its own system has ended
    SWITCHED_OFF: "{0} is off because its own system has switched it off, as poweroff and halt do",
    REBOOTS: "{0} reboots: {1}",
    CRASHED: "{0}'s system has crashed: {1}",
}
FIRMWARE = "its firmware starts the system within seconds"
NO_FIRMWARE = "its BMC, which would start the system, is dead; try: inv up"


@dataclass(frozen=True)
class StatusReport:
    """What `status` has seen. `cluster` is None when no node tells of one; then `reason` says why. `vip_owners` are
    by ARP; `vip_resources` are configured with the VIP's address. `ended` has nodes that are off, by how their own
    systems ended (see Provider.ended); `starting`, those whose firmware is about to start a system.
    """

    instance: Instance
    power: dict[str, str]
    limits_met: dict[str, list[str]]
    dead_bmcs: list[str]
    cluster: ClusterStatus | None
    reason: str | None
    vip_owners: tuple[str, ...]
    vip_resources: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)
    starting: Sequence[str] = ()


def look(instance: Instance) -> StatusReport:
    power = instance.provider.power_states()
    lab = Lab(instance)
    cluster, reason = None, None
    try:
        cluster = lab.status()
    except HalabError as error:
        reason = str(error)
    names = _vip_resources(instance) if cluster is not None else ()
    has_vip = cluster is not None and any(cluster.where(name) for name in names)
    owners = vip_owners(lab) if has_vip else ()
    ended = {node: how for node in power if power[node] == "off" and (how := instance.provider.ended(node))}
    limits, dead, starting = instance.provider.limits_met(), instance.dead_bmcs(), instance.starting()
    return StatusReport(instance, power, limits, dead, cluster, reason, owners, names, ended, starting)


def _vip_resources(instance: Instance) -> tuple[str, ...]:
    try:
        return tuple(resource.id for resource in crm.vip_resources(instance))
    except HalabError:  # the cluster has gone since it told its status
        return ()


def vip_owners(lab: Lab) -> tuple[str, ...]:
    """Return the nodes that answer ARP for the VIP on `lan`: none, one, or, in a split brain, several."""
    # arping(8) by itself ends with the first answer, or after whole seconds
    listening = ARP_PATIENCE * lab.pace.slowness
    ask = ("timeout", "--signal=INT", f"{listening:g}", "arping", "-I", "lan", str(lab.vip))
    answer = lab.workstation.run(*ask).stdout
    return tuple(node.name for node in lab.nodes if mac(node.lan.packed).upper() in answer.upper())


def limits_met(report: StatusReport) -> list[str]:
    """Return a sentence for each limit that a node has met since it was powered on."""
    machine = report.instance.spec.machine
    return [LIMITS[limit].format(node, machine) for node, met in report.limits_met.items() for limit in met]


def why_off(report: StatusReport) -> list[str]:
    """Return a sentence for each node that is off by itself, or not for long."""
    told = {node: f"{node} has power: {FIRMWARE}" for node in report.starting if report.power[node] == "off"}
    for node, how in report.ended.items():
        told[node] = ENDED[how].format(node, NO_FIRMWARE if node in report.dead_bmcs else FIRMWARE)
    return list(told.values())


def as_data(report: StatusReport) -> dict[str, Any]:
    """Return what `inv status --json` prints."""
    instance, cluster = report.instance, report.cluster
    members = cluster.nodes if cluster else {}

    def member(name: str) -> str:
        if name not in members:
            return ""
        node = members[name]
        signs = {
            "unclean": node.unclean,
            "offline": not node.online,
            "pending": node.pending,
            "standby": node.standby,
            "maintenance": node.maintenance,
        }
        return next((sign for sign, shown in signs.items() if shown), "online")

    return {
        "instance": instance.name,
        "lab": instance.state.lab,
        "provider": instance.state.provider,
        "distro": instance.state.distro,
        "restoring": instance.state.restoring,
        "faults": [fault.model_dump() for fault in instance.state.faults],
        "nodes": [
            {
                "name": node.name,
                "lan": str(node.lan),
                "power": report.power[node.name],
                "ended": report.ended.get(node.name),
                "starting": node.name in report.starting,
                "bmc": "dead" if node.name in report.dead_bmcs else str(node.bmc),
                "member": member(node.name),
                "limits_met": report.limits_met[node.name],
            }
            for node in instance.spec.nodes
        ],
        "steps": [
            {"name": step.name, "title": step.title, "outcome": instance.state.outcome(step.name)}
            for step in instance.folder.steps
        ],
        "cluster": {"quorate": cluster.quorate, "dc": cluster.dc, "fencing": cluster.fencing} if cluster else None,
        "resources": [dataclasses.asdict(resource) for resource in cluster.resources.values()] if cluster else [],
        "reason": report.reason,
        "vip": {"address": str(instance.spec.vip), "owners": list(report.vip_owners)},
    }
