"""What halab prints on: the terminal of a person, and JSON documents for programs."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from halab.kit.printable import printable


class Terminal(Console):
    """A terminal that gets only those control sequences that rich makes, as a node may have printed the text."""

    @classmethod
    def on(cls, file: TextIO) -> Self:
        wide = None if file.isatty() else 200  # what is piped is searched, not looked at
        return cls(file=file, width=wide, highlight=False, emoji=False, soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)

    def on_broken_pipe(self) -> NoReturn:
        """Let the error go on, with which rich would end the program as if a check had failed."""
        raise  # rich handles the BrokenPipeError when it calls this


class Documents:
    """Where JSON documents are printed: a file, or else standard output."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self.printed = False

    def print(self, data: object) -> None:
        self.printed = True
        print(json.dumps(data, indent=2, default=_plain), file=self._file or sys.stdout, flush=True)


documents = Documents()


def dump(data: object) -> None:
    """Print a JSON document."""
    documents.print(data)


def _plain(value: object) -> Any:
    return str(value) if isinstance(value, Path) or not hasattr(value, "__dict__") else vars(value)
