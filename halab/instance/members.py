"""Who is who: the names that a cluster gives its nodes, and those of the lab file.

Whoever sets up a cluster names its members, for example node1.example.com. So a member is recognised by its address.
Corosync tells the address of each node id (corosync.conf(5), nodelist; cmap_keys(7), runtime.members). If it does not,
the address is the one that the member's name has on a node. Nodes are asked only about names that the lab does not
have.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from halab.kit.errors import HalabError
from halab.spec.models import NodeSpec

Ask = Callable[..., str]  # returns what a command prints, on some node; see crm.ask
NODE_ID = re.compile(r"^nodelist\.node\.(\d+)\.nodeid \(\w+\) = (\d+)$")
ADDRESS = re.compile(r"^nodelist\.node\.(\d+)\.ring\d+_addr \(\w+\) = (\S+)$")
MEMBER = re.compile(r"^runtime\.members\.(\d+)\.ip \(\w+\) = (.*)$")


def lab_names(nodes: Sequence[NodeSpec], members: Mapping[str, str], ask: Ask) -> dict[str, str]:
    """Return the lab's name of each member that is a node of the lab and has another name in the cluster.

    `members` maps the cluster's names to node ids, as crm_mon reports them.
    """
    own = {node.name for node in nodes}
    if members.keys() <= own:
        return {}
    addresses = parse_addresses(_said(ask, "corosync-cmapctl"))
    found: dict[str, str] = {}
    for name in sorted(members.keys() - own):
        places = (*addresses.get(members[name], ()), name)
        node = next(filter(None, (node_at(nodes, place, ask) for place in places)), None)
        if node and node not in members and node not in found.values():  # otherwise it is an earlier name
            found[name] = node
    return found


def node_at(nodes: Sequence[NodeSpec], place: str, ask: Ask) -> str | None:
    """Return the node that has this address, or the address that this name has on the nodes.

    Return None if none has.
    """
    by_address = {str(address): node.name for node in nodes for address in (node.lan, node.mgmt)}
    return by_address.get(place) or by_address.get((_said(ask, "getent", "ahostsv4", place).split() or [""])[0])


def parse_known_hosts(text: str) -> dict[str, str]:
    """Return the names under which pcs knows hosts, with the address where it finds each.

    The text is /var/lib/pcsd/known-hosts. Return nothing if it is something else.
    """
    try:
        return {name: host["dest_list"][0]["addr"] for name, host in json.loads(text)["known_hosts"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def parse_addresses(cmap: str) -> dict[str, list[str]]:
    """Return each node's addresses, by node id, from the output of `corosync-cmapctl`.

    The addresses that it has now come first, then the configured ones, which may be names.
    """
    ids: dict[str, str] = {}
    now, configured = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for line in cmap.splitlines():
        if found := NODE_ID.match(line):
            ids[found[1]] = found[2]
        elif found := ADDRESS.match(line):
            configured[found[1]].append(found[2])
        elif found := MEMBER.match(line):
            now[found[1]] += re.findall(r"ip\(([^)]+)\)", found[2])
    for place, number in ids.items():
        now[number] += configured[place]
    return dict(now)


def _said(ask: Ask, *argv: str) -> str:
    try:
        return ask(*argv)
    except HalabError:
        return ""
