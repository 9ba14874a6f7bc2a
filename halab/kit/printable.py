"""Text that came from a node, made harmless to show on a terminal or on a page."""

import re

PICTURED = re.compile(r"[\x00-\x08\x0b-\x1f]")
# C1 controls, characters that change the direction of text, other ends of lines, and what XML cannot hold
UNSHOWN = re.compile(r"[\x80-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return the text with pictures in place of control characters, except tabs and newlines.

    U+FFFD takes the place of each character in UNSHOWN.
    """
    text = PICTURED.sub(lambda found: chr(0x2400 + ord(found[0])), text.replace("\r\n", "\n"))
    return UNSHOWN.sub("\ufffd", text.replace("\x7f", "\u2421"))
