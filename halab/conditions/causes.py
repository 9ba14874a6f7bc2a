"""Hints that follow what was seen, where that tells the cause: left-over failures, wrong names, nodes that are away."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address

from halab.conditions.lab import Lab, Node
from halab.instance import simulate

Hints = tuple[str, ...]


def left_over(failures: Mapping[str, Sequence[str]]) -> Hints:
    """Hints on failures that the cluster remembers, by resource the nodes: it goes by their count long after their
    cause is mended (Pacemaker Explained, migration-threshold and start-failure-is-fatal).
    """
    if not failures:
        return ()
    told = ", ".join(f"{resource} on {' and '.join(nodes)}" for resource, nodes in failures.items())
    return (
        "pcs resource failcount show; pcs status, Failed Resource Actions",
        f"the cluster remembers failures, and keeps away from where they were: {told}",
        f"when their cause is mended: {'; '.join(f'pcs resource cleanup {resource}' for resource in failures)}",
    )


def failures_of(lab: Lab, resource: str) -> Hints:
    """Hints on the failures of one resource."""
    known = simulate.failures(lab.ask("cibadmin", "--query"))
    return left_over({name: nodes for name, nodes in known.items() if name == resource})


def away(lab: Lab, missing: Iterable[str]) -> Hints:
    """Hints on why nodes are no members that may run resources."""
    status = lab.status()
    nodes = [lab.node(name) for name in missing]
    for node in nodes:
        if node.power() == "off":
            return "inv status", f"{node.name} has no power", f"inv bmc {node.name} on"
        if node.name in status.nodes and status.nodes[node.name].standby:
            own = status.own_name(node.name)
            return "pcs status", f"{node.name} is a member in standby, and runs nothing", f"pcs node unstandby {own}"
    for node in nodes:
        if node.ask("systemctl", "is-active", "pacemaker_remote").ok:
            continue
        stopped = [unit for unit in ("corosync", "pacemaker") if not node.ask("systemctl", "is-active", unit).ok]
        if stopped:
            wrong = wrong_names(lab)
            return wrong or (
                f"on {node.name}: systemctl status {' '.join(stopped)}; journalctl -u {stopped[0]}",
                f"{' and '.join(stopped)} does not run on {node.name}",
                f"on {node.name}: pcs cluster start",
            )
    return wrong_names(lab)


def wrong_names(lab: Lab) -> Hints:
    """Hints on a node's /etc/hosts in which a node has an address that is not its own, such as 127.0.1.1."""
    places = {node.name: {str(node.lan), str(node.mgmt)} for node in lab.nodes}
    for node in lab.nodes:
        if node.power() != "on":
            continue
        for name, address in misplaced(node.ask("cat", "/etc/hosts").stdout, places):
            whom = "itself" if ip_address(address).is_loopback else f"{address}, which is not {name}"
            return (
                f"on {node.name}: grep -w {name} /etc/hosts; getent ahosts {name}",
                f"{name} stands beside {address} there, so that {node.name} takes that for it, and talks to {whom}",
                f"on {node.name}: take {name} off the line with {address} in /etc/hosts, and leave it beside "
                f"{min(places[name])}; then pcs cluster stop --all, and pcs cluster start --all",
            )
    return ()


def misplaced(hosts: str, places: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return each name with the address that a hosts file (hosts(5)) gives it, where that is not one of its places.

    The first line of a family with the name is the one that counts.
    """
    found: dict[tuple[str, int], str] = {}
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        with suppress(ValueError):
            family = ip_address(address).version
            for name in names:
                found.setdefault((name, family), address)
    return [(name, address) for (name, _), address in found.items() if name in places and address not in places[name]]


def held(lab: Lab, resource: str, node: Node) -> Hints:
    """Hints on left-over failures that decide what would run where, if the resource had to leave the node."""
    cib, here = lab.ask("cibadmin", "--query"), lab.own_name(node)
    failures = simulate.failures(cib)
    if not failures:
        return ()
    plans = [simulate.ban(each, resource, [here]) for each in (cib, simulate.forgiven(cib))]
    now, then = (simulate.places(lab.ask(*simulate.SIMULATE, input=plan)) for plan in plans)
    return left_over(failures) if now != then else ()
