"""What halab prints on: the terminal of a person, and JSON documents for programs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, TextIO

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


def dump(data: object) -> None:
    """Print a JSON document on standard output."""
    print(json.dumps(data, indent=2, default=_plain))


def _plain(value: object) -> Any:
    return str(value) if isinstance(value, Path) or not hasattr(value, "__dict__") else vars(value)
