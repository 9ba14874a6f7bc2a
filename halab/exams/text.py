"""The text of an exam's tasks (README.md), filled with the values that were drawn for one learner."""

from collections.abc import Sequence

from halab.exams.draw import paper_of
from halab.exams.sitting import sitting_of
from halab.instance.instance import Instance
from halab.instance.state import Sitting
from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.paths import short
from halab.spec.lab_code import apart
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn, Paper

FILLING = 60.0  # seconds for the texts of hundreds of draws


def render(instance: Instance) -> str:
    """Return the text in Markdown. Raises LabError when it uses a value that does not exist."""
    return fill(paper_of(instance.folder), instance.spec, sitting_of(instance))


def fill(paper: Paper, spec: LabSpec, sitting: Sitting) -> str:
    """Return the text in Markdown. It can use two values, and shows the learner only what it uses of them.

    `lab` is what lab.toml says after the draw, `drawn` is whatever else was drawn. Raises LabError as `render` does.
    """
    file = short(paper.text)
    return apart(lambda: _fill(paper, spec, sitting.drawn), str(file))


def wrong(paper: Paper, draws: Sequence[Draw]) -> list[str]:
    """Return what is wrong with the text for any of these draws, each of which a learner may have."""

    def find() -> list[str]:
        found = []
        for spec, drawn in draws:
            try:
                _fill(paper, spec, drawn)
            except LabError as error:
                found.append(str(error))
        return list(dict.fromkeys(found))

    try:
        return apart(find, str(short(paper.text)), within=FILLING)
    except LabError as error:
        return [str(error)]


def _fill(paper: Paper, spec: LabSpec, drawn: Drawn) -> str:
    from jinja2 import TemplateError  # importing it takes longer than most commands do

    try:
        return templates.render(paper.text, lab=spec, drawn=drawn)
    except LabError:
        raise
    except Exception as error:  # noqa: BLE001  # an author may have written anything between the braces
        line = getattr(error, "lineno", None)
        what = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
        raise LabError(f"{short(paper.text)}: {what}{f' (line {line})' if line else ''}") from None
