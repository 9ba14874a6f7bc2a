"""Rendering a Jinja template, in which a name that nothing stands for is an error."""

from pathlib import Path


def render(template: Path, **values: object) -> str:
    return _render(template, False, values)


def render_html(template: Path, **values: object) -> str:
    """What is put in is escaped, unless it is `Markup`."""
    return _render(template, True, values)


def _render(template: Path, escapes: bool, values: dict[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined  # to import it takes longer than most commands do

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    environment.autoescape = escapes
    return environment.from_string(template.read_text()).render(**values)
