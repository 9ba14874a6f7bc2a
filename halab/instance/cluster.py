"""What `crm_mon --output-as=xml --inactive` and its kin say, as frozen objects: pure functions over XML.

The format is published by Pacemaker as RELAX NG schemas (xml/api/crm_mon-*.rng, nodes-*.rng, resources-*.rng).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from xml.etree.ElementTree import Element

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml


@dataclass(frozen=True)
class NodeStatus:
    """`id` is the member's number in Corosync; that of a remote node is its name."""

    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool  # it talks to its peers, and is not a member that runs resources yet
    unclean: bool
    id: str = ""


@dataclass(frozen=True)
class ResourceStatus:
    """One resource; a member of a group counts by itself. `nodes` are those it is active on.

    The instances of a clone have one id and are one resource here, on all their nodes, as bad as the worst of them.
    """

    id: str
    agent: str
    role: str
    managed: bool
    failed: bool
    blocked: bool
    nodes: tuple[str, ...]

    @property
    def started(self) -> bool:
        return self.role == "Started" and not self.failed and bool(self.nodes)

    @property
    def is_fence_device(self) -> bool:
        return self.agent.startswith("stonith:")


@dataclass(frozen=True)
class Fenced:
    """A fencing that was done: of `node`, by `peer`, whose fencer called it done at `at` (since the epoch)."""

    node: str
    peer: str
    at: float


@dataclass(frozen=True)
class ClusterStatus:
    """`own_names` are the cluster's names of nodes that are known by other ones here."""

    quorate: bool
    dc: str | None
    fencing: bool
    options: Mapping[str, str]
    nodes: Mapping[str, NodeStatus]
    resources: Mapping[str, ResourceStatus]
    own_names: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> "ClusterStatus":
        """The same with other names of nodes, wherever one is named."""

        def new(name: str) -> str:
            return names.get(name, name)

        return replace(
            self,
            dc=None if self.dc is None else new(self.dc),
            nodes={new(name): replace(node, name=new(name)) for name, node in self.nodes.items()},
            resources={
                name: replace(resource, nodes=tuple(map(new, resource.nodes)))
                for name, resource in self.resources.items()
            },
            own_names={to: name for name, to in names.items()},
        )

    def own_name(self, node: str) -> str:
        """What the cluster calls a node of the lab."""
        return self.own_names.get(node, node)

    @property
    def online(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.online and not node.unclean and not node.pending)

    def where(self, resource: str) -> tuple[str, ...]:
        """The nodes a resource is active on; empty when there is no such resource."""
        return self.resources[resource].nodes if resource in self.resources else ()

    def of_agent(self, agent: str) -> tuple[ResourceStatus, ...]:
        """The resources of an agent, named as Pacemaker does: `ocf:heartbeat:IPaddr2`, `stonith:fence_ipmilan`."""
        return tuple(resource for resource in self.resources.values() if resource.agent == agent)


def parse_status(text: str) -> ClusterStatus:
    """Raises LabError when the text is no output of crm_mon."""
    root = parse_xml(text)
    summary = root.find("summary")
    if summary is None:
        raise LabError("crm_mon answered with XML that has no <summary>; is this a Pacemaker older than 2.1?")
    dc = summary.find("current_dc")
    options = summary.find("cluster_options")
    settings = dict(options.attrib) if options is not None else {}
    return ClusterStatus(
        quorate=dc is not None and dc.get("with_quorum") == "true",
        dc=dc.get("name") if dc is not None else None,
        fencing=settings.get("stonith-enabled") == "true",
        options=settings,
        nodes={node.get("name", ""): _node(node) for node in root.findall("nodes/node")},
        resources=_resources(root.findall("resources//resource")),
    )


def parse_devices(text: str) -> tuple[str, ...]:
    """`stonith_admin --list NODE --output-as=xml`: the devices by which the node that is asked can fence NODE."""
    return tuple(item.text or "" for item in parse_xml(text).iter("item") if item.get("name") == "device")


def parse_history(text: str) -> list[Fenced]:
    """`stonith_admin --history NODE --output-as=xml`: what was done, not what failed, or is being done."""
    events = [event for event in parse_xml(text).iter("fence_event") if event.get("status") == "success"]
    return [
        Fenced(event.get("target", ""), event.get("delegate", ""), _epoch(event.get("completed", "")))
        for event in events
        if event.get("action") in ("reboot", "off")
    ]


def _epoch(text: str) -> float:
    """Seconds since the epoch, of a time as Pacemaker writes it; 0 for one that is none."""
    try:
        return datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-")).timestamp()
    except ValueError:
        return 0


def _node(node: Element) -> NodeStatus:
    def flag(name: str) -> bool:
        return node.get(name) == "true"

    return NodeStatus(
        name=node.get("name", ""),
        online=flag("online"),
        standby=flag("standby"),
        maintenance=flag("maintenance"),
        pending=flag("pending"),
        unclean=flag("unclean"),
        id=node.get("id", ""),
    )


def _resources(items: list[Element]) -> dict[str, ResourceStatus]:
    found: dict[str, ResourceStatus] = {}
    for resource in map(_resource, items):
        found[resource.id] = _both(found[resource.id], resource) if resource.id in found else resource
    return found


def _both(one: ResourceStatus, other: ResourceStatus) -> ResourceStatus:
    return replace(
        one if one.nodes else other,
        managed=one.managed and other.managed,
        failed=one.failed or other.failed,
        blocked=one.blocked or other.blocked,
        nodes=one.nodes + other.nodes,
    )


def _resource(item: Element) -> ResourceStatus:
    return ResourceStatus(
        id=item.get("id", ""),
        agent=item.get("resource_agent", "").replace("ocf::", "ocf:"),
        role=item.get("role", ""),
        managed=item.get("managed") == "true",
        failed=item.get("failed") == "true",
        blocked=item.get("blocked") == "true",
        nodes=tuple(node.get("name", "") for node in item.findall("node")),
    )
