"""The constraints between resources, as lines of the map: a pure function over a cluster's CIB (`cibadmin --query`).

The format is that of Pacemaker Explained (rsc_location, rsc_colocation, rsc_order, resource_set, group, clone).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from xml.etree.ElementTree import Element

from halab.kit.xml import parse_xml

CLONES = ("clone", "master")
ALWAYS = "INFINITY"


@dataclass(frozen=True)
class Constraint:
    """A line from `first` to `second`. In a colocation `first` goes where `second` is; in an order `first` comes first;
    in a location `second` is a node, or the words of a rule; in a group `second` follows `first`.
    """

    kind: str
    first: str
    second: str
    score: str


def constraints(cib: str) -> list[Constraint]:
    """Return all constraints, the groups first, and then in the order of the CIB.

    A clone is named as the resource in it, and a group as its first member, as the map has no other places for them.
    """
    root = parse_xml(cib)
    names = {
        outer.get("id", ""): inner.get("id", "")
        for outer in root.iter()
        if outer.tag in (*CLONES, "group") and (inner := outer.find(".//primitive")) is not None
    }
    found = [line for group in root.iter("group") for line in _group(group)]
    for element in root.findall(".//constraints/*"):
        found += _lines(element)
    return [
        replace(line, first=names.get(line.first, line.first), second=names.get(line.second, line.second))
        for line in found
    ]


def _group(group: Element) -> Iterator[Constraint]:
    members = [primitive.get("id", "") for primitive in group.findall("primitive")]
    for first, second in pairwise(members):
        yield Constraint("group", first, second, ALWAYS)


def _lines(element: Element) -> Iterator[Constraint]:
    sets = element.findall("resource_set")
    match element.tag:
        case "rsc_colocation":
            score = element.get("score", ALWAYS)
            pairs = _of_sets(sets, after=False) if sets else [(element.get("rsc", ""), element.get("with-rsc", ""))]
            yield from (Constraint("colocation", first, second, score) for first, second in pairs)
        case "rsc_order":
            kind = element.get("kind") or element.get("score") or "Mandatory"
            pairs = _of_sets(sets, after=True) if sets else [(element.get("first", ""), element.get("then", ""))]
            yield from (Constraint("order", first, second, kind) for first, second in pairs)
        case "rsc_location":
            resources = [ref.get("id", "") for ref in element.findall("resource_set/resource_ref")]
            resources = resources or [element.get("rsc", "") or element.get("rsc-pattern", "")]
            for place, score in _places(element):
                yield from (Constraint("location", resource, place, score) for resource in resources)


def _places(location: Element) -> Iterator[tuple[str, str]]:
    """Yield the node, or the words of a rule, and the score."""
    if node := location.get("node"):
        yield node, location.get("score", "0")
    for rule in location.findall("rule"):
        joint = f" {rule.get('boolean-op', 'and')} "
        words = joint.join(_words(expression.attrib) for expression in rule if expression.get("operation"))
        yield words or "a rule", rule.get("score", "") or rule.get("score-attribute", "0")


def _words(expression: Mapping[str, str]) -> str:
    said = (expression.get(key, "") for key in ("attribute", "operation", "value"))
    return " ".join(word for word in said if word)


def _of_sets(sets: list[Element], after: bool) -> Iterator[tuple[str, str]]:
    """Yield the pairs that resource sets stand for.

    In a set of an order each resource comes after the one before it (`after`). In a set of a colocation each goes where
    the one before it is. Of two sets of a colocation, the earlier one goes where the later one is.
    """
    members = [[ref.get("id", "") for ref in one.findall("resource_ref")] for one in sets]
    chained = [one.get("sequential") != "false" for one in sets]
    for names, is_chain in zip(members, chained, strict=True):
        if is_chain:
            yield from (pair if after else pair[::-1] for pair in pairwise(names))
    for number, (one, other) in enumerate(pairwise(members)):
        if not after:  # the first resource of a chain is the one that the others go to
            ends, begins = one[:1] if chained[number] else one, other[-1:] if chained[number + 1] else other
        else:
            ends, begins = one[-1:] if chained[number] else one, other[:1] if chained[number + 1] else other
        yield from ((end, begin) for end in ends for begin in begins)
