"""What each Invoke task for authors of labs does."""

from collections.abc import Sequence

from invoke.parser.context import ParserContext

from halab.authoring import new, schemas
from halab.authoring.lint import lint, lint_docs
from halab.cli.report import Report
from halab.cli.selection import current
from halab.kit.errors import CheckFailed
from halab.kit.paths import short
from halab.spec import labs


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
