"""The colour of an outcome, wherever its word is printed."""

from halab.conditions.checks import Outcome

COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNKNOWN: "yellow"}


def marked(outcome: str | None) -> str:
    """Return the word in its colour, in rich's markup. What is no outcome, as that of a step under way, is returned."""
    if outcome not in set(Outcome):
        return outcome or ""
    known = Outcome(outcome)
    return f"[{COLOURS[known]}]{known.word}[/]"
