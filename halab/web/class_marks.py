"""The marks of a class in an exam, for the instructor: as JSON, and as the two tables that `inv marks` writes."""

import asyncio

from halab.exams import attempts
from halab.exams.reports import marks
from halab.kit.errors import HalabError, LabError
from halab.web.guard import Guarded, Refused
from halab.web.taught import steps_of


class Marks(Guarded):
    """GET /marks/EXAM is JSON, /marks/EXAM.csv a row for each learner, /marks/EXAM-failed.csv one for each check."""

    needs = "instructor"

    async def get(self, exam: str, kind: str = "") -> None:
        try:
            found = await asyncio.to_thread(_found, exam, kind)
        except HalabError as error:
            raise Refused(404, str(error)) from None
        if not isinstance(found, str):
            self.give(found)
            return
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{exam}{kind}"')
        self.finish(found)


def _found(exam: str, kind: str) -> dict[str, object] | str:
    """Return the marks. Raises LabError for what is no exam."""
    outline = steps_of(exam)
    if outline.exam is None:
        raise LabError(outline.wrong or f"{exam} is no exam, so nothing is graded")
    tasks, learners = [str(name) for name in outline.exam["tasks"]], attempts.learners(exam)
    if kind == ".csv":
        return marks.as_csv([*marks.COLUMNS, *tasks], marks.table(learners, tasks))
    if kind == "-failed.csv":
        return marks.as_csv(marks.FAILED, marks.failed(learners))
    return {"exam": exam, "title": outline.title, "tasks": tasks, "learners": marks.as_data(learners, tasks)}
