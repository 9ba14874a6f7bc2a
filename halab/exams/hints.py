"""Hints in an exam, for checks that break nothing. The exam's author sets their price."""

from halab.conditions.checks import Outcome
from halab.exams import grading
from halab.exams.draw import paper_of
from halab.exams.sitting import sitting_of
from halab.instance.instance import Instance
from halab.kit.errors import LabError


def give(instance: Instance) -> str:
    """Give one more hint for the first check that does not pass, count it, and return the text. Needs the lock.

    Raises LabError when the exam gives no hints.
    """
    sitting, cost = sitting_of(instance), paper_of(instance.folder).file.hint_cost
    if cost is None and not sitting.practice:
        raise LabError(f"{instance.folder.name} gives no hints")
    mark = next((mark for mark in grading.look(instance) if mark.outcome is not Outcome.PASSED), None)
    if mark is None:
        return "All passes that can be told without breaking anything; inv grade tells the rest."
    texts = mark.hints or (f"expected: {mark.expected}",)
    shown = min(sitting.hints.get(mark.sentence, 0) + 1, len(texts))
    taken = sitting.model_copy(update={"hints": {**sitting.hints, mark.sentence: shown}})
    instance.remember(instance.state.model_copy(update={"sitting": taken}))
    price = "" if sitting.practice or not cost else f"\nCost so far: {cost * sum(taken.hints.values())} points."
    lines = [f"  {number}. {hint}" for number, hint in enumerate(texts[:shown], 1)]
    return "\n".join([f"{mark.sentence}:", *lines]) + price
