"""What `crm_mon --output-as=xml --inactive` and the like report, as frozen objects: pure functions over XML.

Pacemaker publishes the format as RELAX NG schemas (xml/api/crm_mon-*.rng, nodes-*.rng, resources-*.rng).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from xml.etree.ElementTree import Element

from halab.kit.cause import of_pacemaker
from halab.kit.errors import CheckFailed
from halab.kit.xml import parse_xml

PROMOTED = "Promoted"
FENCING, FENCING_BEFORE = "fencing-enabled", "stonith-enabled"  # since Pacemaker 3.0.2, and before
INSTANCE = re.compile(r":\d+$")  # the number of an instance, where those of a clone have names of their own


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
    `roles` has the role on each of the nodes; `role` is that of all, or names those that there are. `pending` is what
    the cluster is about to do with it, in Pacemaker's word, such as "Starting".
    """

    id: str
    agent: str
    role: str
    managed: bool
    failed: bool
    blocked: bool
    nodes: tuple[str, ...]
    roles: Mapping[str, str] = field(default_factory=dict)
    disabled: bool = False
    pending: str = ""

    @property
    def started(self) -> bool:
        return self.role == "Started" and not self.failed and bool(self.nodes)

    def of_unit(self, unit: str) -> bool:
        """Return whether its agent has systemd start the unit. Pacemaker looks for what is of class `service` among
        systemd's units too, and on a system with systemd a script of init (`lsb`) is a unit.
        """
        kind, _, name = self.agent.partition(":")
        return kind in ("systemd", "service", "lsb") and name.removesuffix(".service") == unit.removesuffix(".service")

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
    """The state of a cluster. `failures` are the resources that have failed somewhere, and were not cleaned up since.
    `own_names` are the cluster's names of nodes that have other names in the lab. `instances` has each instance of a
    clone by itself.
    """

    quorate: bool
    dc: str | None
    fencing: bool
    options: Mapping[str, str]
    nodes: Mapping[str, NodeStatus]
    resources: Mapping[str, ResourceStatus]
    failures: frozenset[str] = frozenset()
    own_names: Mapping[str, str] = field(default_factory=dict)
    instances: tuple[ResourceStatus, ...] = ()

    def renamed(self, names: Mapping[str, str]) -> "ClusterStatus":
        """Return the same status with other names of nodes, wherever a node is named."""

        def new(name: str) -> str:
            return names.get(name, name)

        def moved(resource: ResourceStatus) -> ResourceStatus:
            roles = {new(node): role for node, role in resource.roles.items()}
            return replace(resource, nodes=tuple(map(new, resource.nodes)), roles=roles)

        return replace(
            self,
            dc=None if self.dc is None else new(self.dc),
            nodes={new(name): replace(node, name=new(name)) for name, node in self.nodes.items()},
            resources={name: moved(resource) for name, resource in self.resources.items()},
            instances=tuple(map(moved, self.instances)),
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
    """Return the status in the output of crm_mon.

    Raises CheckFailed when crm_mon says that there is none yet, or no longer. Raises LabError when the text is
    something else.
    """
    root = parse_xml(text)
    summary = root.find("summary")
    if summary is None:
        daemon = root.find("pacemakerd")
        said = of_pacemaker(text) or (f"Pacemaker is {daemon.get('state')}" if daemon is not None else "nothing")
        raise CheckFailed(f"crm_mon tells of no cluster; it said: {said}")
    dc = summary.find("current_dc")
    options = summary.find("cluster_options")
    settings = dict(options.attrib) if options is not None else {}
    instances = tuple(map(_resource, root.findall("resources//resource")))
    return ClusterStatus(
        quorate=dc is not None and dc.get("with_quorum") == "true",
        dc=dc.get("name") if dc is not None else None,
        fencing=settings.get(FENCING, settings.get(FENCING_BEFORE)) == "true",
        options=settings,
        nodes={node.get("name", ""): _node(node) for node in root.findall("nodes/node")},
        resources=_resources(instances),
        failures=frozenset(map(_failed, root.findall("failures/failure"))),
        instances=instances,
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


def _failed(failure: Element) -> str:
    """Return the resource of a failure, whose key is `<resource>_<operation>_<interval>`."""
    return INSTANCE.sub("", failure.get("op_key", "").rpartition(f"_{failure.get('task')}_")[0])


def _resources(instances: Iterable[ResourceStatus]) -> dict[str, ResourceStatus]:
    found: dict[str, ResourceStatus] = {}
    for resource in instances:
        found[resource.id] = _both(found[resource.id], resource) if resource.id in found else resource
    return found


def _both(one: ResourceStatus, other: ResourceStatus) -> ResourceStatus:
    instances = [pair for each in (one, other) for pair in each.roles.items()]
    roles = {**dict(instances), **{node: role for node, role in instances if role == PROMOTED}}
    return replace(
        one,
        role=", ".join(sorted(set(roles.values()))) or one.role,
        managed=one.managed and other.managed,
        failed=one.failed or other.failed,
        blocked=one.blocked or other.blocked,
        nodes=tuple(roles),
        roles=roles,
        disabled=one.disabled and other.disabled,
    )


def _resource(item: Element) -> ResourceStatus:
    role = item.get("role", "")
    roles = {node.get("name", ""): role for node in item.findall("node")}
    return ResourceStatus(
        id=INSTANCE.sub("", item.get("id", "")),
        agent=item.get("resource_agent", "").replace("ocf::", "ocf:"),
        role=role,
        managed=item.get("managed") == "true",
        failed=item.get("failed") == "true",
        blocked=item.get("blocked") == "true",
        nodes=tuple(roles),
        roles=roles,
        disabled=item.get("target_role") == "Stopped",
        pending=item.get("pending", ""),
    )
