"""What a learner may have written, made harmless to look at: no control characters, no formulas."""

import re

PICTURED = re.compile(r"[\x00-\x08\x0b-\x1f]")
UNSHOWN = re.compile(r"[\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")  # bidi, surrogates
FORMULA = ("=", "+", "-", "@")


def printable(text: str) -> str:
    """With pictures in place of control characters, but for tabs and newlines; what XML cannot hold is gone, too."""
    text = PICTURED.sub(lambda found: chr(0x2400 + ord(found[0])), text.replace("\r\n", "\n"))
    return UNSHOWN.sub("\ufffd", text.replace("\x7f", "\u2421"))


def cell(text: str) -> str:
    """What a spreadsheet does not take for a formula."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
