"""The commands of one command line, which are looked at as a whole before the first of them is run."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

from invoke.exceptions import Exit
from invoke.executor import Executor
from invoke.parser.context import ParserContext
from invoke.tasks import Call

from halab.cli import refusals, terminal
from halab.kit import full_disk, typed
from halab.kit.errors import Exit as Code
from halab.kit.errors import HalabError, LabError
from halab.kit.printable import printable

WORDS_AFTER_DASHES = ("ssh", "class ssh", "class do")


class Chain(Executor):
    """Runs commands in order. Invoke is told of it in invoke.json.

    Where commands have --json, the document of the last of them is all that is printed on standard output. Where a
    command is run on a node, what that prints is all.
    """

    def execute(self, *tasks: Any) -> Any:
        as_json = [task for task in tasks if "json" in task.args and task.args["json"].value]
        for task in as_json[:-1]:
            task.args["json"].value = False
        alone = redirect_stdout(sys.stderr) if typed.after_dashes() else nullcontext()  # what the node's command prints
        with _one_document() if as_json else alone:
            try:
                _refuse(tasks)
                return super().execute(*tasks)
            except KeyboardInterrupt:
                again = f"halab: interrupted; to go on, type the same again: {typed.command_line()}"
                raise Exit(printable(again), code=Code.INTERRUPTED) from None

    def dedupe(self, calls: list[Call]) -> list[Call]:
        """Return all calls, as `inv next next` is two steps."""
        return calls


def _refuse(tasks: Sequence[ParserContext]) -> None:
    """End the command line, before anything is done, when a command was given what it cannot use."""
    try:
        if typed.after_dashes() and (not tasks or tasks[-1].name not in WORDS_AFTER_DASHES):
            takers = " and ".join(WORDS_AFTER_DASHES)
            raise LabError(f"words after -- are for {takers} only, which has to be the last command")
        for task in tasks:
            for argument in task.args.values():
                if argument.got_value and argument.value == "":
                    raise LabError(f"inv {task.name}: {_word(task, argument.name)} is empty")
            refusals.refuse(str(task.name), task.as_kwargs)
    except HalabError as error:
        raise Exit(f"halab: {printable(str(error))}", code=error.exit_code) from None
    except OSError as error:
        raise Exit(f"halab: {printable(full_disk.advice(error) or str(error))}", code=Code.LAB_BROKEN) from None


def _word(task: ParserContext, name: str) -> str:
    word = name.replace("_", "-")
    return word.upper() if task.args[name].positional else f"--{word}"


@contextmanager
def _one_document() -> Iterator[None]:
    """Print one JSON document on standard output; all else goes to the other, even what programs print that are run.

    A command that fails before it has a document prints the reason as one.
    """
    if sys.stdout is None:
        raise Exit("halab: standard output is closed, so there is no place for JSON", code=Code.LAB_BROKEN)
    sys.stdout.flush()
    real = os.dup(1)
    out = os.fdopen(real, "w", encoding="utf-8") if sys.stdout is sys.__stdout__ else sys.stdout
    documents, own = terminal.Documents(out), terminal.documents
    terminal.documents = documents
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except Exit as end:
        if not documents.printed:
            documents.print({"error": str(end.message).removeprefix("halab: "), "exit_status": int(end.code)})
        raise
    finally:
        os.dup2(real, 1)
        terminal.documents = own
