"""Beginning an exam. The draw is made with the instance. The first checkpoint has what the draw breaks."""

from datetime import datetime

from halab.exams.draw import paper_of
from halab.instance.instance import Instance
from halab.instance.state import Sitting, State
from halab.kit.errors import LabError
from halab.walk import bringup, checkpoints
from halab.walk.lab import Lab


def begin(instance: Instance, practice: bool) -> None:
    """Make the state that the learner finds, and start their time. Needs the lock, and nodes that are up.

    The first checkpoint is replaced, so a learner never comes back to what there was before. When this is killed, it
    begins again there; once the checkpoint is replaced, only the beginning has to be remembered.
    """
    sitting = sitting_of(instance)
    if sitting.began:
        return
    if began := checkpoints.find(instance, checkpoints.START).began:
        instance.remember(_begun(instance, began, practice))
        return
    bringup.go_back(instance, checkpoints.START)
    lab = Lab(instance)
    try:
        paper_of(instance.folder).begin(lab, sitting.drawn)
    finally:
        lab.close()
    begun = _begun(instance, datetime.now().astimezone(), practice)
    checkpoints.save(instance, checkpoints.START, begun)
    instance.remember(begun)


def _begun(instance: Instance, began: datetime, practice: bool) -> State:
    sat = sitting_of(instance).model_copy(update={"began": began, "practice": practice})
    return instance.state.model_copy(update={"sitting": sat})


def sitting_of(instance: Instance) -> Sitting:
    paper_of(instance.folder)
    if instance.state.sitting is None:
        raise LabError(f"instance {instance.name} was not made by an exam's beginning; try: inv down, and inv start")
    return instance.state.sitting


def open_sitting(instance: Instance) -> Sitting:
    """Return the sitting. Raises LabError when the exam has not begun, or is over."""
    sitting, exam = sitting_of(instance), instance.folder.name
    if sitting.began is None:
        raise LabError(f"{exam} has not begun; try: inv start {exam}")
    if sitting.finished:
        raise LabError(f"{exam} was handed in at {sitting.finished:%H:%M}; its grade is attempt {sitting.attempts}")
    return sitting
