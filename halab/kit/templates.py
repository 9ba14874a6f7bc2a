"""Rendering of Jinja templates. A name that has no value is an error."""

from pathlib import Path

from halab.kit.files import read_small


def render(template: Path, **values: object) -> str:
    return _render(template, False, values)


def render_html(template: Path, **values: object) -> str:
    """Return the rendered template. Values are escaped for HTML, unless they are `Markup`."""
    return _render(template, True, values)


def _render(template: Path, escapes: bool, values: dict[str, object]) -> str:
    from jinja2 import Environment, StrictUndefined  # importing it takes longer than most commands do

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    environment.autoescape = escapes
    return environment.from_string(read_small(template)).render(**values)
