"""An attempt as Gradescope's results.json (gradescope-autograders.readthedocs.io, Autograder Specifications)."""

import json
from typing import Any

from halab.conditions.checks import Outcome
from halab.exams.attempts import Attempt
from halab.exams.grade import Mark
from halab.kit.printable import printable


def results(attempt: Attempt) -> str:
    grade = attempt.grade
    late = ", after the time was over" if grade.late else ""
    said = f"{grade.title}: {grade.points} of {grade.of} points, {grade.percent:g} per cent: {grade.verdict}{late}"
    kept = {"exam", "instance", "seed", "began", "at", "late", "percent", "pass_mark", "verdict"}
    data = {
        "score": grade.points,
        "execution_time": grade.seconds,
        "output": printable(said),
        "output_format": "text",  # otherwise what a learner wrote would be HTML
        "test_output_format": "text",
        "visibility": "visible",
        "tests": [
            _test(mark, f"{number}.{place}")
            for number, task in enumerate(grade.tasks, 1)
            for place, mark in enumerate(grade.marks_of(task), 1)
        ],
        "extra_data": grade.model_dump(mode="json", include=kept),
    }
    return json.dumps(data, indent=2) + "\n"


def _test(mark: Mark, number: str) -> dict[str, Any]:
    passed = mark.outcome is Outcome.PASSED
    return {
        "name": printable(mark.sentence),
        "number": number,
        "score": mark.earned,
        "max_score": mark.points,
        "status": "passed" if passed else "failed",
        "output": "" if passed else printable(mark.told),
        "tags": [mark.task],
    }
