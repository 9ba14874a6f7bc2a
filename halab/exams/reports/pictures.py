"""The pictures of outages, made fit to stand together in one page: nothing but shapes, and unique ids."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring

DRAWN = {"svg", "g", "defs", "clipPath", "path", "use", "rect", "text", "tspan"}
LINK = "{http://www.w3.org/1999/xlink}href"


def inline(picture: Path, prefix: str) -> str:
    """Return the `svg` element, to be put into HTML.

    Only shapes are kept: no metadata, and no styles that affect all the page.
    """
    root: Element = fromstring(picture.read_bytes())
    _clean(root, prefix)
    root.attrib |= {"role": "img", "aria-label": picture.stem, "stroke-linejoin": "round"}  # as its style had it
    return str(tostring(root, encoding="unicode"))


def _clean(element: Element, prefix: str) -> None:
    element.tag = _local(element.tag)
    kept: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name in ("href", LINK):
            kept |= {"href": f"#{prefix}{value[1:]}"} if value.startswith("#") else {}
        elif name == "id":
            kept["id"] = f"{prefix}{value}"
        elif not name.startswith(("{", "on")):
            kept[name] = re.sub(r"url\(#", f"url(#{prefix}", value)
    element.attrib.clear()
    element.attrib.update(kept)
    for child in list(element):
        if isinstance(child.tag, str) and _local(child.tag) in DRAWN:
            _clean(child, prefix)
        else:
            element.remove(child)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
