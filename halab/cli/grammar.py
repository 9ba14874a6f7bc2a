"""What is wrong with a command line that Invoke does not understand, in a sentence."""

import re
from collections.abc import Sequence

from invoke.exceptions import ParseError

from halab.kit.toml import suggestion
from halab.kit.typed import groups, shown


def wrong(error: ParseError, commands: Sequence[str]) -> str:
    """Return what is wrong, and what may have been meant. Invoke's own words are about its internals."""
    context = error.context
    command = f"inv {context.name}" if context and context.name else "inv"
    if valueless := re.fullmatch(r"Flag <Argument: ([\w-]+).* needed value and was not given one!", str(error)):
        return f"{command}: --{valueless[1].replace('_', '-')} needs a value"
    unknown = re.fullmatch(r"No idea what (.*) is!", str(error), re.DOTALL)
    if unknown is None and context and context.missing_positional_args:
        words = " ".join(str(argument.name).upper() for argument in context.missing_positional_args)
        return f"{command} needs {words}; see: inv --help {context.name}"
    if unknown is None:
        return f"{command}: {error}"
    word = unknown[1][1:-1]
    if word.startswith("-"):
        options = [flag for flag in context.flags if flag.startswith("--")] if context else []
        return f"{command} has no option {shown(word)}, {suggestion(word, options or ['--help'])}"
    if context and context.name in ("ssh", "class ssh"):
        return f"{shown(word)} is no command of inv; words for the node come after --, as in: inv ssh node1 -- ls"
    if seconds := groups(commands).get(word):
        return f"after inv {word} comes one of: {', '.join(seconds)}"
    return f"there is no command {shown(word)}, {suggestion(word, commands)}"
