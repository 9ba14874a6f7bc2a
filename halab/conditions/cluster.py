"""What the cluster says of its members, its properties, its resources and its fence devices."""

import math
from collections.abc import Sequence

from halab.conditions import causes
from halab.conditions.checks import Condition, Observation
from halab.conditions.fencing import CUTS, fenced, logged
from halab.conditions.lab import Lab, Node
from halab.instance.cluster import parse_devices
from halab.instance.members import node_at, parse_known_hosts
from halab.kit.errors import CheckFailed
from halab.kit.parallel import for_each

ANSWER = 3.0  # seconds that another node's pcsd is given to answer pcs; it does so in a fraction of one


def authorized() -> Condition:
    """Some node may drive pcsd on every node: `pcs pcsd status`, which asks each with the stored token.

    A node that does not answer, as a firewall drops what is sent to it, is not waited for as long as pcs would wait.
    """

    def look(lab: Lab) -> Observation:
        first, *rest = lab.nodes
        said = {first: _obstacle(lab, first)}
        if said[first]:
            said |= dict(zip(rest, for_each(rest, lambda node: _obstacle(lab, node)), strict=True))
        if able := [node.name for node, obstacle in said.items() if not obstacle]:
            return Observation(True, f"{able[0]} is authorized everywhere")
        told = "; ".join(f"{node.name}: {obstacle}" for node, obstacle in said.items())
        return Observation(False, told, hints=lambda: causes.wrong_names(lab))

    hints = (
        "pcs pcsd status, followed by the names of all nodes",
        "hacluster needs the same password on every node: passwd hacluster, on each",
        "pcs host auth, followed by the names of all nodes, as the user hacluster",
    )
    return Condition("pcs on one node is authorized on every node", look, hints, steady=True)


def _obstacle(lab: Lab, node: Node) -> str:
    """Return what keeps pcs on a node from driving every node, or "". It knows them by whatever names (pcs(8), host
    auth).
    """
    specs = [each.spec for each in lab.nodes]
    hosts = parse_known_hosts(node.ask("cat", "/var/lib/pcsd/known-hosts").stdout)
    names = {each.name: each.name for each in lab.nodes}
    for name, place in hosts.items():
        at = node_at(specs, place, lambda *argv: node.ask(*argv).stdout)
        if at in names and at not in hosts:
            names[at] = name
    patience = f"--request-timeout={math.ceil(ANSWER * lab.pace.slowness)}"
    result = node.ask("pcs", "pcsd", "status", *names.values(), patience)
    if result.ok:
        return ""
    told = [line.strip() for line in result.stdout.splitlines() if line.strip() and not line.endswith(": Online")]
    return ", ".join(told) or result.cause()


def online(*nodes: Node) -> Condition:
    """These nodes, or else every node of the lab, are online members, none in standby."""

    def look(lab: Lab) -> Observation:
        try:
            status = lab.status()
        except CheckFailed as error:
            return Observation(False, str(error), hints=lambda: causes.wrong_names(lab))
        here = [name for name in status.online if not status.nodes[name].standby]
        missing = sorted({node.name for node in nodes or lab.nodes} - set(here))
        seen = f"online: {', '.join(here) or 'none'}; not: {', '.join(missing) or 'none'}"
        return Observation(not missing, seen, hints=lambda: causes.away(lab, missing))

    hints = (
        "pcs status, on each node: do they tell the same story? inv status: has each node power?",
        "a node that sees only itself is cut off by a firewall; one that tells nothing runs no cluster software",
        "pcs cluster start --all; pcs node unstandby --all; journalctl -u corosync -u pacemaker tells the rest",
    )
    who = " and ".join(node.name for node in nodes) or "every node"
    return Condition(f"{who} {'are' if len(nodes) > 1 else 'is'} online", look, hints)


def quorate() -> Condition:
    def look(lab: Lab) -> Observation:
        status = lab.status()
        away = [node.name for node in lab.nodes if node.name not in status.online]
        return Observation(
            status.quorate,
            f"partition {'with' if status.quorate else 'WITHOUT'} quorum, DC {status.dc}",
            hints=lambda: causes.away(lab, away),
        )

    hints = (
        "corosync-quorumtool: how many votes are there, and how many are needed?",
        "pcs cluster start --all: every node must be a member",
    )
    return Condition("the partition has quorum", look, hints)


def option(name: str, value: str, *as_good: str) -> Condition:
    """A cluster property is set to a value (`pcs property`), or to one that means the same, read from the CIB."""

    def look(lab: Lab) -> Observation:
        query = ("crm_attribute", "--type=crm_config", f"--name={name}", "--query", "--quiet")
        lab.status()  # tells why, when there is no cluster to ask
        try:
            seen = lab.ask(*query).strip()
        except CheckFailed:
            return Observation(False, f"{name} is not set")
        return Observation(seen in (value, *as_good), f"{name} is {seen}")

    hints = (
        "pcs property config",
        f"{name} is a property of the cluster, not of a resource or a node",
        f"pcs property set {name}={value}",
    )
    return Condition(f"{name} is {value}", look, hints, steady=True)


def fencing(on: bool) -> Condition:
    """Fencing is enabled, or disabled, as crm_mon sees it."""

    def look(lab: Lab) -> Observation:
        seen = lab.status().fencing
        return Observation(seen is on, f"stonith-enabled is {str(seen).lower()}")

    hints = (
        "pcs property config",
        "stonith-enabled is true unless somebody has turned it off",
        f"pcs property set stonith-enabled={str(on).lower()}",
    )
    return Condition(f"stonith-enabled is {str(on).lower()}", look, hints, steady=True)


def started(resource: str, on: Node | None = None) -> Condition:
    """A resource is started on exactly one node, or on exactly that node."""
    place = on.name if on else "one node"

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        if resource not in known:
            return Observation(False, f"there is no resource {resource}; there are: {', '.join(known) or 'none'}")
        found = known[resource]
        ok = found.started and len(found.nodes) == 1 and (on is None or found.nodes == (on.name,))
        return Observation(
            ok,
            f"{resource} is {found.role} on {', '.join(found.nodes) or 'no node'}{_flags(found.failed, found.blocked)}",
            hints=lambda: causes.failures_of(lab, resource),
        )

    hints = (
        f"pcs status: where is {resource}, and what does Failed Resource Actions say of it?",
        "what is Stopped without a failure may wait for something: fencing, quorum, a constraint, a disabled resource",
        f"mend the cause, then: pcs resource enable {resource}; pcs resource cleanup {resource}",
    )
    return Condition(f"{resource} is started on {place}", look, hints)


def managed() -> Condition:
    """The cluster starts, watches and stops all of its resources: no maintenance mode, nothing unmanaged."""

    def look(lab: Lab) -> Observation:
        status = lab.status()
        left = [resource.id for resource in status.resources.values() if not resource.managed]
        resting = [node.name for node in status.nodes.values() if node.maintenance]
        whole = status.options.get("maintenance-mode") == "true"
        seen = f"unmanaged: {', '.join(left) or 'nothing'}; in maintenance: {', '.join(resting) or 'no node'}"
        return Observation(not left and not resting, seen, hints=lambda: _at_rest(whole, left, resting))

    hints = (
        "pcs status says it in capitals; pcs property config",
        "maintenance is for the whole cluster, a node, or a resource",
        "pcs property set maintenance-mode=false; pcs node unmaintenance --all; pcs resource manage RESOURCE",
    )
    return Condition("the cluster manages all of its resources", look, hints)


def together(first: str, second: str) -> Condition:
    """Two resources are started on the same node."""

    def look(lab: Lab) -> Observation:
        status = lab.status()
        places = status.where(first), status.where(second)
        words = [", ".join(place) or "no node" for place in places]
        return Observation(
            places[0] == places[1] and len(places[0]) == 1, f"{first} is on {words[0]}, {second} on {words[1]}"
        )

    hints = (
        "pcs status: where is each of them?",
        f"pcs constraint: what binds {second} to {first}?",
        f"pcs constraint colocation add {second} with {first}",
    )
    return Condition(f"{first} and {second} are started on the same node", look, hints)


def bmc_power(node: Node, state: str) -> Condition:
    """The node's BMC answers IPMI on the workstation with that power state."""

    def look(lab: Lab) -> Observation:
        result = lab.workstation.run(*lab.credentials.ipmitool(node.bmc), "power", "status")
        return Observation(result.stdout.strip() == f"Chassis Power is {state}", result.cause(), known=result.ok)

    hints = (
        f"on the workstation: ipmitool -I lanplus -H {node.bmc} with -U and -P, power status",
        f"inv status tells whether the BMC of {node.name} runs, and whether the node has power",
        f"inv bmc {node.name} on",
    )
    return Condition(f"the BMC of {node.name} says that power is {state}", look, hints)


def can_be_fenced(node: Node) -> Condition:
    """A device that is started can fence the node, and a peer of the node has it: `stonith_admin --list`.

    Each node tells only of the devices that may run on it, so the peers are asked; the node is no help to itself.
    """

    def look(lab: Lab) -> Observation:
        status = lab.status()
        known, victim = status.resources, status.own_name(node.name)
        found: dict[str, str] = {}
        for peer in lab.others(node):
            result = peer.ask("stonith_admin", "--list", victim, "--output-as=xml", timeout=30)
            found |= dict.fromkeys(parse_devices(result.stdout) if result.ok else (), peer.name)
        usable = [device for device in found if device in known and known[device].started]
        seen = [f"{device} ({'started' if device in usable else 'not started'})" for device in found]
        return Observation(
            bool(usable),
            f"devices of peers that can fence {node.name}: {', '.join(seen) or 'none'}",
            hints=lambda: _not_started(node, list(found)) if found else (),
        )

    hints = (
        f"on a peer: stonith_admin --list {node.name}; pcs stonith status",
        f"{node.name} must be in a device's pcmk_host_list; one that is stopped could not log in to {node.bmc}",
        f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} pcmk_host_list={node.name} lanplus=1 ...",
    )
    return Condition(f"a started device of a peer can fence {node.name}", look, hints)


def fenced_by_peer(node: Node) -> Condition:
    """Another node's Pacemaker has told the node's BMC, over IPMI, to take its power.

    This is read from the BMC's own event log and from the peer's fencer, or its log if that was started again since.
    """

    def look(lab: Lab) -> Observation:
        peers = {str(other.mgmt) for other in lab.others(node)}
        orders = [event for event in lab.power_events(node) if event["action"] in CUTS]
        by_peer = [event for event in orders if event["from"] in peers]
        seen = f"the BMC of {node.name} was told {len(by_peer)} times by a peer to cut the power"
        if not by_peer:
            return Observation(False, seen)
        if fenced(lab, node) or logged(lab, node):
            return Observation(True, f"{seen}, as Pacemaker ordered")
        return Observation(False, f"{seen}; no Pacemaker says that it ordered that")

    hints = (
        "pcs stonith history; what counts here is the log of the BMC itself",
        "a device that was never used is a hope: use it while nothing depends on it",
        f"on a peer: pcs stonith fence {node.name}",
    )
    return Condition(f"{node.name} was fenced by a peer through its BMC", look, hints)


def _not_started(node: Node, devices: Sequence[str]) -> tuple[str, ...]:
    names = " ".join(devices)
    return (
        f"pcs stonith status; pcs stonith config {names}; pcs status, Failed Resource Actions",
        f"{names} is for {node.name}, and could not log in to {node.bmc}: the address, the account, lanplus=1?",
        "; ".join(f"pcs stonith cleanup {device}" for device in devices) + ", when that is mended",
    )


def _at_rest(whole: bool, left: Sequence[str], resting: Sequence[str]) -> tuple[str, ...]:
    if whole:
        return "pcs property config", "the whole cluster is in maintenance", "pcs property set maintenance-mode=false"
    if resting:
        names = " ".join(resting)
        return "pcs status", f"in maintenance: {names}, with all that runs there", f"pcs node unmaintenance {names}"
    names = " ".join(left)
    return f"pcs resource config {names}", f"the cluster leaves alone: {names}", f"pcs resource manage {names}"


def _flags(failed: bool, blocked: bool) -> str:
    return (", failed" if failed else "") + (", blocked" if blocked else "")
