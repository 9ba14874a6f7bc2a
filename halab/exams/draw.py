"""What a learner is given. The same exam, instance and seed give the same draw on every machine."""

from halab.instance.state import Sitting
from halab.kit.chance import Chance
from halab.kit.errors import LabError
from halab.kit.paths import short
from halab.spec.lab_code import apart
from halab.spec.labs import LabFolder
from halab.spec.models import LabSpec
from halab.spec.paper import Paper


def source(exam: str, instance: str, seed: str) -> Chance:
    """Return what is drawn from. It depends only on these."""
    return Chance(exam, instance, seed)


def draw(folder: LabFolder, spec: LabSpec, instance: str, seed: str) -> tuple[LabSpec, Sitting]:
    """Draw for one learner. Return the lab as this learner gets it, and what is remembered of the draw."""
    grader = folder.path / "grade.py"
    drawn_spec, drawn = apart(
        lambda: paper_of(folder).draw(source(folder.name, instance, seed), spec), str(short(grader))
    )
    return drawn_spec, Sitting(seed=seed, drawn=drawn)


def paper_of(folder: LabFolder) -> Paper:
    """Return the exam of a lab. Raises LabError for a lab that is not an exam."""
    if folder.paper is None:
        raise LabError(f"{folder.name} is no exam, so nothing is graded; inv labs tells which are")
    return folder.paper
