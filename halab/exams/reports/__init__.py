"""Reports of attempts at an exam. Each is made only from what is kept of an attempt.

schema      what grade.json holds, as JSON Schema
junit       JUnit XML, for programs that show test results
gradescope  results.json, for Gradescope
marks       CSV of a whole class
page        one HTML file, with the pictures of outages (pictures) and a player of terminals (recordings)
text        what a learner may have written, made harmless for a spreadsheet
"""

from pathlib import Path

from halab.exams.attempts import Attempt
from halab.exams.grade import GRADE
from halab.exams.reports import gradescope, junit, page
from halab.kit.files import publish


def write_all(attempt: Attempt) -> list[Path]:
    """Write all reports beside grade.json, and return their paths and its own.

    An attempt that could not be graded gets no results.json: Gradescope would take it for a low score.
    """
    texts = {"report.html": page.html(attempt), "junit.xml": junit.xml(attempt)}
    if attempt.grade.verdict != "not graded":
        texts["results.json"] = gradescope.results(attempt)
    for name, text in texts.items():
        publish(attempt.directory / name, text)
    return [attempt.directory / name for name in (GRADE, *texts)]
