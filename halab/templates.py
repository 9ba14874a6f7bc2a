"""Rendering a Jinja template, in which a name that nothing stands for is an error."""

from pathlib import Path


def render(template: Path, **values: object) -> str:
    from jinja2 import Environment, StrictUndefined  # to import it takes longer than most commands do

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(template.read_text()).render(**values)
