"""What Pacemaker would do. Its policy engine is asked about a changed copy of the cluster, and nothing happens.

All are pure functions. The first ones change a copy of the CIB (`cibadmin --query`), the others read what
`crm_simulate` makes of it. So constraints are judged by their effect, and not by what they are called: a group, a
colocation with an order, and resource sets all lead to the same answers. The formats are those of Pacemaker Explained
(rsc_location) and of its published schemas (xml/api/crm_simulate-*.rng). Pacemaker Administration describes the
transition graph.
"""

from collections.abc import Iterable, Iterator, Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml

SIMULATE = ("crm_simulate", "--simulate", "--xml-pipe", "--output-as=xml")
GRAPH = (  # crm_simulate writes the graph to a file only
    "sh",
    "-c",
    "trap 'rm -f \"$graph\"' EXIT; graph=$(mktemp) &&"
    ' crm_simulate --simulate --xml-pipe --save-graph="$graph" >&2 && cat "$graph"',
)

BAN = "halab-ban-"
# Cluster options, node attributes and meta-attributes that keep the cluster from managing something
UNMANAGED = ("maintenance-mode", "maintenance", "is-managed", "is-managed-default")


def node_names(cib: str) -> tuple[str, ...]:
    return tuple(node.get("uname", "") for node in parse_xml(cib).findall("configuration/nodes/node"))


def ban(cib: str, resource: str, nodes: Iterable[str]) -> str:
    """Return a copy of the CIB in which a resource, or a member of a group, may not run on those nodes."""
    root = parse_xml(cib)
    constraints = root.find("configuration/constraints")
    if constraints is None:
        raise LabError("the cluster's CIB has no <constraints>; is this output of cibadmin --query?")
    for node in nodes:
        name = f"{BAN}{resource}-{node}"
        SubElement(constraints, "rsc_location", id=name, rsc=resource, node=node, score="-INFINITY")
    return tostring(root, encoding="unicode")


def banned_in_vain(cib: str) -> list[str]:
    """Return the resources that a copy bans and that do not exist. Such a copy is no valid CIB."""
    root = parse_xml(cib)
    known = {element.get("id") for element in root.findall("configuration/resources//*")}
    bans = [ban for ban in root.iter("rsc_location") if ban.get("id", "").startswith(BAN)]
    return sorted({name for ban in bans if (name := ban.get("rsc", "")) not in known})


def failures(cib: str) -> dict[str, tuple[str, ...]]:
    """Return the nodes on which failures of a resource are remembered, by resource, as they are in fail counts."""
    found: dict[str, tuple[str, ...]] = {}
    for state in parse_xml(cib).findall("status/node_state"):
        for pair in state.iter("nvpair"):
            kind, _, resource = pair.get("name", "").partition("fail-count-")
            if not kind and resource and pair.get("value") != "0":
                name, node = resource.partition("#")[0], state.get("uname", "")
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), node)))
    return found


def forgiven(cib: str) -> str:
    """Return a copy of the CIB in which no failure is remembered, as after `pcs resource cleanup`."""
    root = parse_xml(cib)
    for state in root.findall("status/node_state"):
        for parent in list(state.iter()):
            for child in list(parent):
                name = child.get("name", "")
                failed = child.tag == "lrm_rsc_op" and child.get("id", "").endswith("_last_failure_0")
                if failed or (child.tag == "nvpair" and name.startswith(("fail-count-", "last-failure-"))):
                    parent.remove(child)
    return tostring(root, encoding="unicode")


def managed(cib: str) -> str:
    """Return a copy of the CIB in which the cluster manages all nodes and resources (Pacemaker Explained).

    A cluster in maintenance plans nothing, and leaves everything where it happens to be, whatever constraints say.
    """
    root = parse_xml(cib)
    for options in (*root.iter("cluster_property_set"), *root.iter("meta_attributes"), *_attributes_of_nodes(root)):
        for nvpair in options.findall("nvpair"):
            if nvpair.get("name") in UNMANAGED:
                options.remove(nvpair)
    return tostring(root, encoding="unicode")


def _attributes_of_nodes(root: Element) -> Iterator[Element]:
    for node in (*root.findall("configuration/nodes/node"), *root.findall("status/node_state")):
        yield from node.iter("instance_attributes")


def cold(cib: str) -> str:
    """Return a copy of the CIB as when its nodes have just come online: no resource was started or looked at yet."""
    root = parse_xml(cib)
    for history in root.findall("status/node_state/lrm/lrm_resources"):
        history.clear()
    return tostring(root, encoding="unicode")


def places(answer: str) -> Mapping[str, tuple[str, ...]]:
    """Return where each resource runs in the end, by name, from the output of `SIMULATE`.

    Resources that stop are left out.
    """
    root = parse_xml(answer)
    revised = root.find("revised_cluster_status")
    if revised is None:
        status = root.find("status")
        said = status.get("message") if status is not None else "nothing"
        raise LabError(f"crm_simulate told no revised_cluster_status; it said {said!r}")
    return {
        resource.get("id", ""): tuple(node.get("name", "") for node in resource.findall("node"))
        for resource in revised.findall("resources//resource")
        if resource.get("role") != "Stopped"
    }


def starts_after(graph: str, then: str, first: str) -> bool:
    """Return whether the start of `then` waits for the start of `first`, directly or through other actions.

    `graph` is the output of `GRAPH`. Each synapse in it is a set of actions, with the actions that must be complete
    before they begin. Return False when either resource is not started at all.
    """
    waits_for: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for synapse in parse_xml(graph).findall("synapse"):
        inputs = {action.get("id", "") for action in synapse.findall("inputs/trigger/*")}
        for action in synapse.findall("action_set/*"):
            waits_for[action.get("id", "")] = inputs
            names[action.get("id", "")] = action.get("operation_key", "")
    ahead = [number for number, name in names.items() if name == f"{then}_start_0"]
    seen: set[str] = set()
    while ahead:
        number = ahead.pop()
        if names.get(number) == f"{first}_start_0":
            return True
        if number not in seen:
            seen.add(number)
            ahead.extend(waits_for.get(number, ()))
    return False
