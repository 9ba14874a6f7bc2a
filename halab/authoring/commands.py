"""What each Invoke task for authors of labs does."""

from collections.abc import Sequence

from invoke.parser.context import ParserContext

from halab import labs
from halab.authoring import new, schemas
from halab.authoring.lint import lint, lint_docs
from halab.errors import CheckFailed
from halab.paths import short
from halab.report import Report
from halab.selection import current


def new_lab(name: str) -> None:
    place = short(new.new_lab(name))
    Report().say(f"{place} is a lab of two steps. Read on in docs/authoring.md, and try: inv lab --name {name} show")


def new_step(name: str, lab: str | None) -> None:
    Report().say(f"{short(new.new_step(name, lab or current().lab))} is there, to be edited.")


def lint_lab(name: str | None, contexts: Sequence[ParserContext], json: bool) -> None:
    """Tell what is wrong with one lab, or with all of them and the prose beside them."""
    found = lint([name] if name else labs.names(), contexts)
    if name is None:
        found += lint_docs(contexts)
    Report(json).findings(found)
    if found.problems:
        raise CheckFailed(f"{len(found.problems)} to mend")


def schema() -> None:
    Report().say(f"Written: {', '.join(str(short(file)) for file in schemas.write())}.")
