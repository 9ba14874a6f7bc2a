"""The text of an exam's tasks (README.md), filled with the values that were drawn for one learner."""

from halab.exams.draw import paper_of
from halab.exams.sitting import sitting_of
from halab.instance.instance import Instance
from halab.instance.state import Sitting
from halab.kit import templates
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.spec.paper import Paper


def render(instance: Instance) -> str:
    """Return the text in Markdown. Raises LabError when it uses a value that does not exist."""
    return fill(paper_of(instance.folder), instance.spec, sitting_of(instance))


def fill(paper: Paper, spec: LabSpec, sitting: Sitting) -> str:
    """Return the text in Markdown. It can use two values, and shows the learner only what it uses of them.

    `lab` is what lab.toml says after the draw, `drawn` is whatever else was drawn. Raises LabError as `render` does.
    """
    from jinja2 import TemplateError  # importing it takes longer than most commands do

    try:
        return templates.render(paper.text, lab=spec, drawn=sitting.drawn)
    except TemplateError as error:
        raise LabError(f"{paper.text.parent.name}/{paper.text.name}: {error}") from None
