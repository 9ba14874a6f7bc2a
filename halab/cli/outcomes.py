"""The word and the colour of an outcome, wherever one is printed."""

from halab.conditions.checks import Outcome

WORDS = {Outcome.PASSED: "PASS", Outcome.FAILED: "FAIL", Outcome.UNKNOWN: "ERROR"}
COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNKNOWN: "yellow"}


def marked(outcome: Outcome) -> str:
    """Return the word in its colour, in rich's markup."""
    return f"[{COLOURS[outcome]}]{WORDS[outcome]}[/]"
