"""Which nodes a page names: the one reader of pages, for the probe, for measurements and for conditions.

A page is a line of text or HTML, in any case and charset, with the name anywhere. All that is done with it takes time
and memory in proportion to its length, whatever a node sends, and no more than MOST characters are looked at.
"""

import html
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

MOST = 65_536  # bytes of an answer, and characters of a page, that are looked at: a node may send without end
KEPT = 4  # pages whose names are remembered, as the same page comes twenty times a second

# Each alternative matches to the end of the page where it is not closed, so that none is tried twice
INLINE = "a|abbr|b|big|code|em|font|i|kbd|mark|s|samp|small|span|strong|sub|sup|tt|u|var|wbr"
MARKUP = re.compile(
    r"<(?=[a-z/!?])(?:"
    r"!--.*?(?:-->|\Z)"
    r"|(?P<hidden>script|style)\b.*?(?:</(?P=hidden)\b[^>]*>?|\Z)"
    rf"|/?(?P<inline>{INLINE})(?![\w-])[^>]*(?:>|\Z)"
    r"|[^>]*(?:>|\Z))",
    re.DOTALL | re.IGNORECASE,
)
CHUNK = re.compile(rb"\r?\n?([0-9a-f]{1,8})[^\n]*\n", re.IGNORECASE)  # its size, in front of it


def names_of(nodes: Iterable[str], own_names: Mapping[str, str]) -> dict[str, str]:
    """Return the node that is meant by each name: the lab's, and the cluster's own where that is another."""
    return {own: name for name, own in own_names.items()} | {name: name for name in nodes}


def nodes_named(page: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the nodes that a page names, by the names that `names_of` tells."""
    return tuple(sorted({names[name] for name in names_in(page, tuple(names))}))


@lru_cache(KEPT)
def names_in(page: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the names a page has as whole words, in their order.

    The first part of a longer name, node1.example.com, is such a word. What a browser shows decides. Where it shows no
    name, one that only markup glues to another word counts, and then one in a comment, an attribute or a script.
    """
    wanted = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w-])", re.IGNORECASE)
    for view in _views(page[:MOST].replace("\0", "")):
        if found := {name.lower() for name in wanted.findall(view)}:
            return tuple(name for name in names if name.lower() in found)
    return ()


def _views(page: str) -> Iterator[str]:
    yield html.unescape(MARKUP.sub(lambda tag: "" if tag["inline"] else " ", page))
    yield html.unescape(MARKUP.sub(" ", page))
    yield html.unescape(page)


def text_of(head: str, body: bytes) -> str:
    """Return the text of a body as HTTP carries it: in chunks (RFC 9112, 7.1) or compressed (RFC 9110, 8.4.1), asked or
    not. What is broken in it, or still to come, is left out.
    """
    fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*?)\s*$", head.lower(), re.MULTILINE))
    if fields.get("transfer-encoding", "").endswith("chunked"):
        body = b"".join(_chunks(body))
    if fields.get("content-encoding") in ("gzip", "x-gzip", "deflate"):
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MOST)
        except zlib.error:
            body = b""
    return body.decode(errors="replace")  # names of nodes are the same bytes in most charsets, and with NULs in UTF-16


def _chunks(body: bytes) -> Iterator[bytes]:
    at = 0
    while size := CHUNK.match(body, at):
        begin, length = size.end(), int(size[1], 16)
        yield body[begin : begin + length]
        at = begin + length
