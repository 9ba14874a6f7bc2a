"""The text of an exam's tasks, README.md, with the values that were drawn for one learner in it."""

from halab.exams.draw import paper_of
from halab.exams.sitting import sitting_of
from halab.instance.instance import Instance
from halab.instance.state import Sitting
from halab.kit import templates
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.spec.paper import Paper


def render(instance: Instance) -> str:
    """Markdown. Raises LabError when the text asks for what there is not."""
    return fill(paper_of(instance.folder), instance.spec, sitting_of(instance))


def fill(paper: Paper, spec: LabSpec, sitting: Sitting) -> str:
    """The text has `lab`, what lab.toml says after the draw, and `drawn`, what else was: it tells what it uses."""
    from jinja2 import TemplateError  # to import it takes longer than most commands do

    try:
        return templates.render(paper.text, lab=spec, drawn=sitting.drawn)
    except TemplateError as error:
        raise LabError(f"{paper.text.parent.name}/{paper.text.name}: {error}") from None
