"""What an instructor hands to a learner: the tasks, with this learner's values, the addresses, and the way in.

A sheet contains nothing else of an exam: no grade.py, no solution, and of what was drawn only what the text tells.
"""

import html
from collections.abc import Sequence
from pathlib import Path

from halab.exams.draw import draw, paper_of
from halab.exams.sitting import sitting_of
from halab.exams.text import fill
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import Sitting, read_state
from halab.kit.errors import LabError
from halab.kit.files import publish
from halab.spec.labs import LabFolder
from halab.spec.models import LabSpec

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ max-width: 50em; margin: 2em auto; font-family: sans-serif }}
td, th {{ padding: 0 1em; text-align: left }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def write(folder: LabFolder, learners: Sequence[str], seed: str | None, directory: Path) -> list[Path]:
    """Write <learner>.md and <learner>.html for each learner, who is the name of an instance, and return these files.

    For an instance that does not exist yet, the draw is made now, by seed. Raises LabError, and writes nothing, when an
    instance is of another lab or was drawn by another seed.
    """
    sheets = {learner: sheet(folder, learner, *_given(folder, learner, seed)) for learner in learners}
    written = []
    for learner, text in sheets.items():
        title = f"{folder.spec.title}: {learner}"
        for suffix, content in ((".md", text), (".html", page(title, text))):
            written.append(directory / f"{learner}{suffix}")
            publish(written[-1], content)
    return written


def sheet(folder: LabFolder, learner: str, spec: LabSpec, sitting: Sitting) -> str:
    """Return a learner's sheet, in Markdown."""
    paper = paper_of(folder)
    file = paper.file
    lines = [
        fill(paper, spec, sitting).rstrip(),
        "",
        "## Points",
        "",
        *_table(("Points", "Task"), [(task.points, task.title) for task in file.tasks]),
        "",
        f"{file.points} points, {file.pass_mark} per cent to pass, {file.minutes} minutes.",
        "",
        "## Addresses",
        "",
        *_table(
            ("", "Address", "Management", "BMC"),
            [
                *((node.name, node.lan, node.mgmt, node.bmc) for node in spec.nodes),
                ("workstation", spec.networks.lan.workstation, spec.networks.mgmt.workstation, ""),
            ],
        ),
        "",
        "## The way in",
        "",
        f"Your instance is called `{learner}`. Select it, then open a shell on a node, or where the clients are:",
        "",
        f"    inv lab --name {folder.name} --instance {learner}",
        *(f"    inv ssh {name}" for name in (*(node.name for node in spec.nodes), "workstation")),
        "",
        *(("What appears in these shells is recorded.", "") if file.recording else ()),
        "`inv grade` tells how far you are, `inv finish` hands in.",
    ]
    return "\n".join(lines) + "\n"


def page(title: str, markdown: str) -> str:
    """Return Markdown as a page of HTML that needs nothing else."""
    from markdown_it import MarkdownIt  # importing it takes a while

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return PAGE.format(title=html.escape(title), body=body)


def _given(folder: LabFolder, learner: str, seed: str | None) -> tuple[LabSpec, Sitting]:
    """Return what a learner has, or will have."""
    state = read_state(instances_dir() / learner)
    if state is None:
        return draw(folder, folder.spec, learner, seed or "")
    if state.lab != folder.name:
        raise LabError(f"instance {learner} is of {state.lab}, not of {folder.name}; name another learner")
    sitting = sitting_of(Instance(learner, state))
    if seed not in (None, sitting.seed):
        raise LabError(f"instance {learner} was drawn by another seed; leave --seed out, or begin with: inv down")
    return state.spec, sitting


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (headings, ["---"] * len(headings), *rows)]
    return [f"| {' | '.join(row)} |" for row in cells]
