"""What a learner may have written, made harmless for a spreadsheet: no control characters, no formulas."""

from halab.kit.printable import printable

FORMULA = ("=", "+", "-", "@")


def cell(text: str) -> str:
    """Return the text in a form that a spreadsheet does not take for a formula."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
