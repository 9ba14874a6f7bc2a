"""Who is who: a cluster's own names of its nodes, and those of the lab file.

Whoever sets up a cluster names its members, as node1.example.com for example. So a member is known by its address,
which Corosync tells for each node id (corosync.conf(5), nodelist; cmap_keys(7), runtime.members), or else by the
address that its name has on a node. What is asked is only asked where a name is not one of the lab's.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from halab.kit.errors import HalabError
from halab.spec.models import NodeSpec

Ask = Callable[..., str]  # what a command prints, on some node; see crm.ask
NODE_ID = re.compile(r"^nodelist\.node\.(\d+)\.nodeid \(\w+\) = (\d+)$")
ADDRESS = re.compile(r"^nodelist\.node\.(\d+)\.ring\d+_addr \(\w+\) = (\S+)$")
MEMBER = re.compile(r"^runtime\.members\.(\d+)\.ip \(\w+\) = (.*)$")


def lab_names(nodes: Sequence[NodeSpec], members: Mapping[str, str], ask: Ask) -> dict[str, str]:
    """The lab's names of those members that have other ones, and are nodes of the lab. `members` are node ids by name,
    as crm_mon tells them.
    """
    own = {node.name for node in nodes}
    if members.keys() <= own:
        return {}
    addresses = parse_addresses(_said(ask, "corosync-cmapctl"))
    found: dict[str, str] = {}
    for name in sorted(members.keys() - own):
        places = (*addresses.get(members[name], ()), name)
        node = next(filter(None, (node_at(nodes, place, ask) for place in places)), None)
        if node and node not in members and node not in found.values():  # else it is a name of before
            found[name] = node
    return found


def node_at(nodes: Sequence[NodeSpec], place: str, ask: Ask) -> str | None:
    """The node that has an address, or the address that a name has on the nodes."""
    by_address = {str(address): node.name for node in nodes for address in (node.lan, node.mgmt)}
    return by_address.get(place) or by_address.get((_said(ask, "getent", "ahostsv4", place).split() or [""])[0])


def parse_known_hosts(text: str) -> dict[str, str]:
    """The names under which pcs knows hosts, and where it finds each (/var/lib/pcsd/known-hosts); none, if the text is
    something else.
    """
    try:
        return {name: host["dest_list"][0]["addr"] for name, host in json.loads(text)["known_hosts"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def parse_addresses(cmap: str) -> dict[str, list[str]]:
    """By node id, what `corosync-cmapctl` tells of a node's addresses: those that it has now, then those configured,
    which may be names.
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
