"""What `crm_mon --output-as=xml --inactive` and the like report, as frozen objects: pure functions over XML.

Pacemaker publishes the format as RELAX NG schemas (xml/api/crm_mon-*.rng, nodes-*.rng, resources-*.rng).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from xml.etree.ElementTree import Element

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml


@dataclass(frozen=True)
class NodeStatus:
    """The state of one node. `id` is the member's number in Corosync; that of a remote node is its name."""

    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool  # it talks to its peers, but is not yet a member that runs resources
    unclean: bool
    id: str = ""


@dataclass(frozen=True)
class ResourceStatus:
    """The state of one resource, which may be a member of a group. `nodes` are those on which it is active.

    The instances of a clone share one id. Here they are one resource, on all their nodes, as bad as the worst of them.
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
    """A fencing that succeeded: of `node`, by `peer`, whose fencer called it done at `at` (seconds since the epoch)."""

    node: str
    peer: str
    at: float


@dataclass(frozen=True)
class ClusterStatus:
    """The state of a cluster. `own_names` are the cluster's names of nodes that have other names in the lab."""

    quorate: bool
    dc: str | None
    fencing: bool
    options: Mapping[str, str]
    nodes: Mapping[str, NodeStatus]
    resources: Mapping[str, ResourceStatus]
    own_names: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> "ClusterStatus":
        """Return the same status with other names of nodes, wherever a node is named."""

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
        """Return the cluster's name of a node of the lab."""
        return self.own_names.get(node, node)

    @property
    def online(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.online and not node.unclean and not node.pending)

    def where(self, resource: str) -> tuple[str, ...]:
        """Return the nodes on which a resource is active. They are none when there is no such resource."""
        return self.resources[resource].nodes if resource in self.resources else ()

    def of_agent(self, agent: str) -> tuple[ResourceStatus, ...]:
        """Return the resources of an agent.

        Its name is as Pacemaker writes it: `ocf:heartbeat:IPaddr2`, `stonith:fence_ipmilan`.
        """
        return tuple(resource for resource in self.resources.values() if resource.agent == agent)


def parse_status(text: str) -> ClusterStatus:
    """Return the status in the output of crm_mon. Raises LabError when the text is something else."""
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
    """Return the devices by which the node that was asked can fence NODE.

    The text is the output of `stonith_admin --list NODE --output-as=xml`.
    """
    return tuple(item.text or "" for item in parse_xml(text).iter("item") if item.get("name") == "device")


def parse_history(text: str) -> list[Fenced]:
    """Return the fencings that succeeded, without those that failed or are under way.

    The text is the output of `stonith_admin --history NODE --output-as=xml`.
    """
    events = [event for event in parse_xml(text).iter("fence_event") if event.get("status") == "success"]
    return [
        Fenced(event.get("target", ""), event.get("delegate", ""), _epoch(event.get("completed", "")))
        for event in events
        if event.get("action") in ("reboot", "off")
    ]


def _epoch(text: str) -> float:
    """Return a time that Pacemaker wrote as seconds since the epoch. Return 0 when it is no time."""
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
