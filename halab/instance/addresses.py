"""Which resource of a cluster has an address: pure functions over its CIB (`cibadmin --query`).

A resource is known by the address that it is configured with, not by its name or its place. The format is that of
Pacemaker Explained (primitive, template, instance_attributes, nvpair).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from xml.etree.ElementTree import Element

from halab.kit.xml import parse_xml

AGENTS = ("IPaddr2", "IPaddr")  # of any provider; both are told the address as `ip`
CLONES = ("clone", "master")


@dataclass(frozen=True)
class AddressResource:
    """A resource that has an address. `moved` is what is named to move it: itself, or the clone that it is in."""

    id: str
    moved: str


def having(cib: str, address: IPv4Address) -> tuple[AddressResource, ...]:
    """Return the resources that have this address, in the order of the CIB."""
    root = parse_xml(cib)
    known = {name: element for element in root.iter() if (name := element.get("id"))}
    return tuple(
        AddressResource(primitive.get("id", ""), clone or primitive.get("id", ""))
        for primitive, clone in _primitives(root, "")
        if any(_same(value, address) for value in _addresses(primitive, known))
    )


def _primitives(element: Element, clone: str) -> Iterator[tuple[Element, str]]:
    """Yield each primitive below an element, and the clone that it is in, or ""."""
    for child in element:
        if child.tag == "primitive":
            yield child, clone
        else:
            yield from _primitives(child, child.get("id", "") if child.tag in CLONES else clone)


def _addresses(primitive: Element, known: Mapping[str, Element]) -> Iterator[str]:
    template = known.get(primitive.get("template", ""))
    parts = [primitive] if template is None else [primitive, template]
    if not any(part.get("type") in AGENTS for part in parts):
        return
    for part in parts:  # what a primitive says itself comes before what its template says
        pairs = [_meant(pair, known) for said in part.findall("instance_attributes") for pair in _meant(said, known)]
        found = [pair.get("value", "") for pair in pairs if pair.get("name") == "ip"]
        if found:
            yield from found
            return


def _meant(element: Element, known: Mapping[str, Element]) -> Element:
    return known.get(element.get("id-ref", ""), element)


def _same(text: str, address: IPv4Address) -> bool:
    try:
        return ip_address(text.strip()) == address
    except ValueError:
        return False
