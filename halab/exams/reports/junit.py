"""An attempt as JUnit XML: a test suite for each task, a test case for each check.

No schema of JUnit has properties of a test case, so a suite's `system-out` lists the points of each check.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from halab.conditions.checks import Outcome
from halab.exams.attempts import Attempt
from halab.exams.grade import Grade, Mark, TaskScore
from halab.kit.printable import printable

ENDED = {Outcome.FAILED: "failure", Outcome.UNKNOWN: "error"}


def xml(attempt: Attempt) -> str:
    root = Element("testsuites")
    for number, task in enumerate(attempt.grade.tasks):
        root.append(_suite(attempt.grade, task, number))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(grade: Grade, task: TaskScore, number: int) -> Element:
    marks = grade.marks_of(task)
    suite = Element(
        "testsuite",
        name=printable(task.title),
        package=grade.exam,
        id=str(number),
        timestamp=f"{grade.at:%Y-%m-%dT%H:%M:%S}",
        hostname=grade.instance,
        tests=str(len(marks)),
        failures=str(sum(mark.outcome is Outcome.FAILED for mark in marks)),
        errors=str(sum(mark.outcome is Outcome.UNKNOWN for mark in marks)),
        time=_seconds(sum(mark.seconds for mark in marks)),
    )
    properties = SubElement(suite, "properties")
    for name, value in {"points": task.points, "of": task.of, "seed": grade.seed, "verdict": grade.verdict}.items():
        SubElement(properties, "property", name=name, value=printable(str(value)))
    suite.extend(_case(grade, mark) for mark in marks)
    worth = [f"{mark.earned} of {mark.points} points: {printable(mark.sentence)}" for mark in marks]
    SubElement(suite, "system-out").text = "\n".join(worth)
    SubElement(suite, "system-err")
    return suite


def _case(grade: Grade, mark: Mark) -> Element:
    case = Element(
        "testcase",
        name=printable(mark.sentence),
        classname=f"{grade.exam}.{mark.task}",
        time=_seconds(mark.seconds),
    )
    if mark.outcome in ENDED:
        kind = str(mark.outcome) if mark.points else "warning"
        message = f"expected {printable(mark.expected)}, seen {printable(mark.seen)}"
        SubElement(case, ENDED[mark.outcome], type=kind, message=message).text = printable(mark.told)
    return case


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
