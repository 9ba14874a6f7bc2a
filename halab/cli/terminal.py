"""The terminal as halab prints on it."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from halab.kit.printable import printable


class Terminal(Console):
    """It gets no control sequences but those that rich makes, whatever is in the text: a node may have printed it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
