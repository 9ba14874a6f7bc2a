"""Reports of attempts at an exam, each made of nothing but what is kept of an attempt.

schema      what grade.json holds, as JSON Schema
junit       JUnit XML, for what shows test results
gradescope  results.json, for Gradescope
marks       CSV of a whole class
page        one HTML file, with the pictures of outages (pictures) and a player of what was typed (recordings)
text        what a learner may have written, made harmless to look at
"""

from pathlib import Path

from halab.exams.attempts import GRADE, Attempt
from halab.exams.reports import gradescope, junit, page
from halab.kit.files import publish


def write_all(attempt: Attempt) -> list[Path]:
    """Write them beside grade.json. Returns where all of them are.

    What could not be graded gets no results.json: Gradescope would take it for a low score.
    """
    texts = {"report.html": page.html(attempt), "junit.xml": junit.xml(attempt)}
    if attempt.grade.verdict != "not graded":
        texts["results.json"] = gradescope.results(attempt)
    for name, text in texts.items():
        publish(attempt.directory / name, text)
    return [attempt.directory / name for name in (GRADE, *texts)]
