"""Frames between a shell's daemon and who speaks to it: one letter, the length, and that many bytes.

OUTPUT is what the shell has printed. WORDS is a JSON object; what these say is told in shelld.py.
"""

import json
from collections.abc import Iterator
from typing import Any

OUTPUT, WORDS = b"o", b"w"
HEADER = 5  # bytes: the letter and the length
MOST = 2**18  # bytes of a frame


class Garbled(Exception):
    """What came is no frame, or no JSON object."""


def output(data: bytes) -> bytes:
    return OUTPUT + len(data).to_bytes(4, "big") + data


def words(said: dict[str, Any]) -> bytes:
    data = json.dumps(said).encode()
    return WORDS + len(data).to_bytes(4, "big") + data


def length(header: bytes | bytearray) -> int:
    """Return how many bytes follow a header. Raises Garbled."""
    size = int.from_bytes(header[1:HEADER], "big")
    if header[:1] not in (OUTPUT, WORDS) or size > MOST:
        raise Garbled
    return size


def taken(received: bytearray) -> Iterator[dict[str, Any]]:
    """Take each whole frame out of what was received, and yield what it says. Raises Garbled."""
    while len(received) >= HEADER and len(received) >= (end := HEADER + length(received)):
        data = bytes(received[HEADER:end])
        del received[:end]
        yield said(data)


def said(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        raise Garbled from None
    if not isinstance(found, dict):
        raise Garbled
    return found
