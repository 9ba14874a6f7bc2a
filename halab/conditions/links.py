"""What Corosync says of the links between the cluster's nodes (corosync-cfgtool(8), corosync-cmapctl(8))."""

import re
from ipaddress import IPv4Address
from typing import Literal

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node

Network = Literal["lan", "mgmt"]
LINK = re.compile(r"LINK: (\d+) \S+ \(\S+->(\S+)\)(.*)")  # and then "enabled", "connected", as far as it is
PRIORITY = re.compile(r"interface\.(\d+)\.knet_link_priority \(u8\) = (\d+)")


def linked(*networks: Network) -> Condition:
    """Each node of the cluster is connected to each other one by a link between their addresses on each network."""

    def look(lab: Lab) -> Observation:
        apart = [
            f"{node.name} to {peer.name} on {network}"
            for node in lab.nodes
            for peer in lab.others(node)
            for network in networks
            if not any(to == _on(network, peer) and " connected" in is_ for _, to, is_ in _links(node))
        ]
        return Observation(not apart, f"not connected: {', '.join(apart)}" if apart else "all are connected")

    hints = (
        "corosync-cfgtool -n, on each node: which links are there, and are they connected?",
        "a link is between addresses of one network, and each has an UDP port of its own: 5405, 5406, and so on",
        "pcs cluster config shows the addresses of each link; pcs cluster link add adds one",
    )
    return Condition(f"the nodes are connected on {' and on '.join(networks)}", look, hints)


def preferred(network: Network) -> Condition:
    """What the nodes of the cluster say to each other goes over a network, as long as that is whole.

    In mode `passive` that is the link with the highest priority; of several such, the one with the lowest number
    (knet_handle_set_link_policy of libknet).
    """

    def look(lab: Lab) -> Observation:
        ways = {node.name: _way(node, lab.others(node)[0]) for node in lab.nodes}
        seen = "; ".join(f"{name}: {way}" for name, way in ways.items())
        return Observation(set(ways.values()) == {network}, seen)

    hints = (
        "corosync-cmapctl | grep -E 'link_mode|link_priority', on each node",
        "corosync.conf(5), link_mode and knet_link_priority: passive takes the link with the highest priority",
        "pcs cluster link update, with the number of the link and options link_priority=10, of a stopped cluster",
    )
    return Condition(f"the cluster prefers {network}", look, hints)


def _way(node: Node, peer: Node) -> str:
    said = node.ask("corosync-cmapctl").stdout
    if found := re.search(r"totem\.link_mode \(str\) = (?!passive)(\w+)", said):
        return f"every network, as link_mode is {found[1]}"
    priorities = {int(number): int(priority) for number, priority in PRIORITY.findall(said)}
    links = {number: to for number, to, _ in _links(node)}
    if not links:
        return "none"
    best = max(links, key=lambda number: (priorities.get(number, 1), -number))
    return next((name for name in ("lan", "mgmt") if links[best] == _on(name, peer)), str(links[best]))


def _links(node: Node) -> list[tuple[int, IPv4Address, str]]:
    """Return number, the peer's address, and what they are, of the links to all peers."""
    said = node.ask("corosync-cfgtool", "-n").stdout
    return [(int(number), IPv4Address(to), is_) for number, to, is_ in LINK.findall(said)]


def _on(network: Network, node: Node) -> IPv4Address:
    return node.lan if network == "lan" else node.mgmt
