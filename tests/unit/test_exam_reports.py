"""Reports of an exam. Each says what the grade says, in a form that others read, whatever a learner wrote."""

import csv
import hashlib
import io
import json
import re
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema

from halab.cli import commands, exam_tables
from halab.cli.audience import JsonAudience, RichAudience
from halab.cli.report import Report
from halab.conditions.checks import Outcome
from halab.exams import reports, sitting
from halab.exams.attempts import Attempt, Graded, Learner, read
from halab.exams.draw import draw as draw_exam
from halab.exams.grade import GRADE, Grade, Mark, Marked, TaskScore
from halab.exams.reports import gradescope, junit, marks, page, pictures, recordings
from halab.exams.reports.text import cell
from halab.instance.instance import Instance
from halab.instance.state import Sitting, State
from halab.kit.audience import NOBODY
from halab.kit.errors import Exit
from halab.kit.paths import ROOT
from halab.kit.printable import printable
from halab.measure.timeline import draw
from halab.walk import bringup
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import write_exam
from tests.unit.test_measure import CUT, TOLD, a_measurement, a_run

DATA = Path(__file__).parent / "data"
BEGAN = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
NASTY = "=1+1 </script><img src=x onerror=alert(1)> & \"'\x00\x1b[2J\u202e]]> [red] {{ 7*7 }}\r\nsecond line"
PICTURE = f"""\
<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9" onload="x()">
 <metadata><date>2026</date></metadata><style>* {{ stroke-linejoin: round }}</style><script>x()</script>
 <defs><path id="tick" d="M 0 0"/><clipPath id="clip"><rect width="3"/></clipPath></defs>
 <!-- a comment -->
 <g id="axes" clip-path="url(#clip)" style="clip-path: url(#clip)"><use xlink:href="#tick"/></g>
 <use xlink:href="https://example.com/x.svg#tick"/><image href="https://example.com/x.png"/>
 <foreignObject><p>x</p></foreignObject><text>{"&lt;b&gt;"}</text>
</svg>
"""


def mark(task: str, outcome: Outcome, points: int, text: str = "so", hints: tuple[str, ...] = ("look",)) -> Mark:
    return Mark(
        task=task,
        sentence=f"check {text}",
        outcome=outcome,
        points=points,
        expected=text,
        seen=text,
        hints=hints,
        seconds=1234.5678,
    )


def a_grade(*checks: Mark, **changed: Any) -> Grade:
    """Return a grade of an exam of two tasks. What the checks earn is not added up."""
    whole = Grade(
        exam="exam-repair",
        title="Repair <a> cluster",
        instance="alice",
        seed="7",
        began=BEGAN,
        at=BEGAN + timedelta(minutes=61, seconds=30),
        seconds=12.5,
        late=True,
        practice=False,
        hints=2,
        hints_cost=0,
        points=6,
        of=10,
        percent=60.0,
        pass_mark=70,
        verdict="failed",
        tasks=(
            TaskScore(name="first", title="Do <this> first", points=6, of=6),
            TaskScore(name="second", title="And that", points=0, of=4),
        ),
        checks=checks
        or (
            mark("first", Outcome.PASSED, 6),
            mark("first", Outcome.FAILED, 0, "a warning", ()),
            mark("second", Outcome.FAILED, 4, NASTY, (NASTY, "the answer")),
        ),
    )
    return Grade.model_validate({**whole.model_dump(), **changed})


BROKEN = a_grade(mark("first", Outcome.UNKNOWN, 6, NASTY), mark("second", Outcome.PASSED, 4), verdict="not graded")


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    """An attempt with two pictures, and two recordings, of which one is not a recording at all."""
    directory = tmp_path / "attempts" / "3"
    directory.mkdir(parents=True)
    (directory / GRADE).write_text(a_grade().model_dump_json())
    (directory / "outage-1-power-cut.svg").write_text(PICTURE)
    (directory / "outage-2-reboot.svg").write_text(PICTURE)
    shown = [
        {"version": 2, "width": 80, "height": 24, "title": NASTY},
        [0.5, "o", f"$ {NASTY}"],
        [0.6, "i", "a password"],
        [100.0, "r", "100x30"],
        [101.0, "o", "</script>"],
    ]
    (directory / "shell.cast").write_text("\n".join(map(json.dumps, shown)))
    (directory / "void.cast").write_text("not a recording <b>")
    return read(directory)


class Page(HTMLParser):
    """What a browser would make of the page, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._scripted = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._scripted = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._scripted = self._scripted and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._scripted:
            self.scripts[-1] += data
        else:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute))]


def test_control_characters_and_reordered_text_are_made_visible() -> None:
    shown = printable("a\tb\r\nc\r\x1b[31m\x7f\x9b\u202e\ud800\uffff")

    assert shown == "a\tb\nc␍␛[31m␡\ufffd\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("formula", ["=1", "+1", "-1", "@x", " =1", "\t=1", "\n@x"])
def test_a_spreadsheet_calculates_nothing_that_a_learner_wrote(formula: str) -> None:
    assert cell(formula) == f"'{formula}"


def test_plain_text_is_left_as_it_is_in_a_table() -> None:
    assert cell("a = b - c") == "a = b - c"


@pytest.mark.parametrize("grade", [a_grade(), BROKEN])
def test_a_written_grade_is_as_the_published_schema_says(grade: Grade) -> None:
    published = json.loads((ROOT / "docs" / "schemas" / "grade.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(published)
    written = json.loads(grade.model_dump_json())

    jsonschema.validate(written, published)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written, "verdict": "perhaps"}, published)


def as_junit(grade: Grade) -> ElementTree.Element:
    text = junit.xml(Attempt(Path("1"), grade, (), ()))
    xmlschema.XMLSchema(DATA / "junit.xsd").validate(text)
    return ElementTree.fromstring(text)  # noqa: S314  # made here


def test_junit_has_a_suite_for_each_task_and_a_case_for_each_check() -> None:
    suites = as_junit(a_grade()).findall("testsuite")

    assert [suite.get("name") for suite in suites] == ["Do <this> first", "And that"]
    assert [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("2", "1", "0"),
        ("1", "1", "0"),
    ]
    assert [case.get("classname") for case in suites[0].iter("testcase")] == ["exam-repair.first"] * 2
    assert suites[0].get("time") == "2469.136"
    points = {one.get("name"): one.get("value") for one in suites[0].iter("property")}
    assert (points["points"], points["of"]) == ("6", "6")
    assert (suites[0].findtext("system-out") or "").splitlines()[0] == "6 of 6 points: check so"


def test_junit_tells_what_was_expected_and_seen_and_where_to_look() -> None:
    failure = as_junit(a_grade()).find("testsuite[2]/testcase/failure")

    assert failure is not None
    assert failure.text == (
        "expected: " + printable(NASTY).replace("\n", "\n          ") + "\n"
        "seen:     " + printable(NASTY).replace("\n", "\n          ") + "\n"
        "look:     " + printable(NASTY).replace("\n", "\n          ")
    )
    assert failure.get("type") == "failed"


def test_junit_calls_what_could_not_be_told_an_error_and_no_failure() -> None:
    suite = as_junit(BROKEN).find("testsuite")

    assert suite is not None
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")
    assert suite.find("testcase/error") is not None


def test_gradescope_gets_what_its_specification_says(attempt: Attempt) -> None:
    found = json.loads(gradescope.results(attempt))

    jsonschema.validate(found, json.loads((DATA / "gradescope.schema.json").read_text()))
    assert found["score"] == 6
    assert found["output"] == "Repair <a> cluster: 6 of 10 points, 60 per cent: failed, after the time was over"
    assert [(test["number"], test["score"], test["max_score"], test["status"]) for test in found["tests"]] == [
        ("1.1", 6, 6, "passed"),
        ("1.2", 0, 0, "failed"),
        ("2.1", 0, 4, "failed"),
    ]
    assert found["tests"][2]["output"].startswith("expected: =1+1 </script>")
    assert "the answer" not in found["tests"][2]["output"]
    assert found["extra_data"]["seed"] == "7"


@pytest.fixture
def learners(attempt: Attempt) -> list[Learner]:
    return [
        Learner("alice", Sitting(seed="7", drawn={}, began=BEGAN, attempts=3), attempt),
        Learner("bob", Sitting(seed="-8", drawn={}, began=BEGAN), None),
    ]


def test_a_class_has_a_row_for_each_learner_with_a_column_for_each_task(learners: list[Learner]) -> None:
    tasks = ["first", "second"]

    text = marks.as_csv([*marks.COLUMNS, *tasks], marks.table(learners, tasks))

    assert text.splitlines() == [
        "learner,seed,attempt,at,minutes,points,of,percent,verdict,late,first,second",
        "alice,7,3,2026-01-02T10:31:30+00:00,61.5,6,10,60.0,failed,yes,6,0",
        "bob,'-8,,,,,,,not graded,,,",
    ]


def test_what_learners_failed_is_in_a_table_of_its_own_without_formulas(learners: list[Learner]) -> None:
    text = marks.as_csv(marks.FAILED, marks.failed(learners))

    _, warning, failure = csv.reader(io.StringIO(text))
    shown = f"'{printable(NASTY)}"
    assert warning == ["alice", "first", "check a warning", "a warning", "a warning", ""]
    assert failure == ["alice", "second", f"check {printable(NASTY)}", shown, shown, shown]


def test_a_class_as_data(learners: list[Learner]) -> None:
    alice, bob = marks.as_data(learners, ["first", "second"])

    assert (alice["points"], alice["late"], alice["tasks"]) == (6, True, {"first": 6, "second": 0})
    assert [check["task"] for check in alice["failed"]] == ["first", "second"]
    assert (bob["points"], bob["failed"]) == (None, [])


def test_the_page_runs_nothing_but_the_player_and_loads_nothing(attempt: Attempt) -> None:
    shown = Page(page.html(attempt))

    policy = next(value for value in shown.values("content") if "default-src" in value)
    _, player = shown.scripts
    digest = b64encode(hashlib.sha256(player.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; ")
    assert [attributes for tag, attributes in shown.tags if tag == "script"] == [
        {"type": "application/json", "id": "recordings"},
        {},
    ]
    assert not {tag for tag, _ in shown.tags} & {"img", "link", "iframe", "object", "image", "foreignobject", "a"}
    assert not [name for _, attributes in shown.tags for name in attributes if name in ("src", "srcset", "onload")]
    assert all(value.startswith("#outage-") for value in shown.values("href"))


def test_the_page_says_all_that_the_grade_says(attempt: Attempt) -> None:
    text = Page(page.html(attempt)).text

    assert "Repair <a> cluster" in text
    assert "60 per cent; 70 are needed" in text
    assert "after 61.5 minutes, when the time was over" in text
    assert text.count(printable(NASTY)) == 4  # in the sentence, as expected, as seen, and where to look
    assert "the answer" not in text
    assert "the lab itself did not answer" not in text
    assert text.count("This file is no asciicast") == 1


def test_the_page_says_that_an_attempt_was_not_graded(attempt: Attempt) -> None:
    text = Page(page.html(Attempt(attempt.directory, BROKEN, (), ()))).text

    assert "This attempt does not count." in text
    assert "Outages" not in text
    assert "What was typed" not in text


def test_recordings_in_the_page_end_no_script_and_hold_nothing_typed_in(attempt: Attempt) -> None:
    shown = Page(page.html(attempt))

    film, none = json.loads(shown.scripts[0])
    assert none is None
    assert film["events"] == [[0.5, "o", f"$ {NASTY}"], [2.5, "r", "100x30"], [3.5, "o", "</script>"]]
    assert (film["columns"], film["rows"]) == (80, 24)
    assert shown.values("data-recording") == ["0"]


def test_a_recording_that_breaks_off_is_played_up_to_there(tmp_path: Path) -> None:
    cast = tmp_path / "shell.cast"
    cast.write_text(
        '{"version": 2, "width": 80, "height": 24}\n[1, "o", "a\u2028b"]\n[NaN, "o", "x"]\n[0.5, "o", "c"]\n[2, "o'
    )

    found = recordings.playable(cast)

    assert found
    assert found["title"] == "shell"
    assert found["events"] == [(1.0, "o", "a\u2028b"), (1.0, "o", "c")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "\n", '{"version": 3}'])
def test_what_is_no_recording_of_version_2_is_not_played(tmp_path: Path, text: str) -> None:
    (tmp_path / "shell.cast").write_text(text)

    assert recordings.playable(tmp_path / "shell.cast") is None


def test_ids_in_the_page_are_its_pictures_own(attempt: Attempt) -> None:
    shown = Page(page.html(attempt))

    ids = shown.values("id")
    assert len(ids) == len(set(ids)) == 7
    assert {"outage-1-tick", "outage-2-clip"} < set(ids)
    assert shown.values("href") == ["#outage-1-tick", "#outage-2-tick"]
    assert shown.values("clip-path") == ["url(#outage-1-clip)", "url(#outage-2-clip)"]


def test_a_picture_keeps_nothing_but_shapes(attempt: Attempt) -> None:
    svg = pictures.inline(attempt.timelines[0], "x-")

    assert re.findall(r"<(\w+)", svg) == ["svg", "defs", "path", "clipPath", "rect", "g", "use", "use", "text"]
    assert "onload" not in svg
    assert "&lt;b&gt;" in svg
    assert "example.com" not in svg


def test_a_picture_of_a_real_outage_has_all_that_it_refers_to(tmp_path: Path) -> None:
    run = a_run(CUT, TOLD)
    draw(a_measurement(run), run, [tmp_path / "outage.svg"])

    svg = pictures.inline(tmp_path / "outage.svg", "one-")

    referred = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    assert referred
    assert referred <= set(re.findall(r' id="([^"]+)"', svg))
    assert "power-cut on node1: outage 8.00 s" in svg
    assert "<style" not in svg


def test_all_reports_are_written_beside_the_grade(attempt: Attempt) -> None:
    files = reports.write_all(attempt)

    assert [file.name for file in files] == [GRADE, "report.html", "junit.xml", "results.json"]
    assert all(file.parent == attempt.directory and file.stat().st_size for file in files)
    assert read(attempt.directory) == attempt


def test_gradescope_is_not_told_of_what_could_not_be_graded(attempt: Attempt) -> None:
    files = reports.write_all(Attempt(attempt.directory, BROKEN, (), ()))

    assert "results.json" not in [file.name for file in files]
    assert not (attempt.directory / "results.json").exists()


def test_the_terminal_shows_a_line_for_each_check_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for one in [*a_grade().checks[:2], BROKEN.checks[0]]:
        RichAudience(sys.stdout).tell(Marked(one))

    out = capsys.readouterr().out.splitlines()
    assert out[0] == "PASS       6/6  check so"
    assert out[1:4] == [
        "FAIL   warning  check a warning",
        "                expected: a warning",
        "                seen:     a warning",
    ]
    assert out[4].startswith("ERROR      0/6  check =1+1 </script>")
    assert out[7].startswith("                          second line")  # under what it belongs to
    assert out[-1] == "                look:     look"


def test_a_learner_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    RichAudience(sys.stdout).tell(Marked(a_grade().checks[2]))

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x00" not in out
    assert "[red] {{ 7*7 }}\n" in out


def test_the_terminal_sums_an_attempt_up(attempt: Attempt, capsys: pytest.CaptureFixture[str]) -> None:
    RichAudience(sys.stdout).tell(Graded(attempt, (attempt.directory / GRADE,)))

    assert capsys.readouterr().out.splitlines() == [
        "",
        "   6/6    Do <this> first",
        "   0/4    And that",
        "   0      2 hints",
        "   6/10   60 per cent, 70 are needed: failed, after the time was over",
        f"Kept in {attempt.directory / GRADE}",
    ]


def test_with_json_a_grade_is_all_that_is_on_standard_output(
    attempt: Attempt, capsys: pytest.CaptureFixture[str]
) -> None:
    audience = JsonAudience()

    for one in attempt.grade.checks:
        audience.tell(Marked(one))
    audience.tell(Graded(attempt, ()))

    assert Grade.model_validate_json(capsys.readouterr().out) == attempt.grade


def test_the_terminal_shows_a_class(learners: list[Learner], capsys: pytest.CaptureFixture[str]) -> None:
    Report().marks(learners, ["first", "second"])

    rows = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert rows == [
        ["alice", "3", "61.5", "6/10", "60", "failed, late", "6/6", "0/4"],
        ["bob", "", "", "", "", "not graded", "", ""],
    ]
    assert exam_tables.class_table(learners, []).row_count == 2


@pytest.fixture
def inv(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    """`inv`, with the exam `test` begun on the instances alice, which is selected, and bob."""
    world.ipmi = "Chassis Power is on"
    monkeypatch.setattr(commands.host, "ensure", lambda tools, say: None)
    folder = write_exam(tmp_path / "labs")
    for name in ("bob", "alice"):
        world.done = []
        spec, seat = draw_exam(folder, folder.spec, name, "")
        instance = Instance(name, State(lab="test", provider="fake", distro="debian12", spec=spec, sitting=seat))
        bringup.up(instance, NOBODY)
        sitting.begin(instance, practice=False)
    inv = Inv(capsys, monkeypatch)
    assert inv("lab", "--name", "test", "--instance", "alice") == Exit.GOOD
    return inv


def test_grade_tells_where_its_reports_are(inv: Inv) -> None:
    assert inv("grade") == Exit.CHECK_FAILED

    kept = re.findall(r"Kept in (.*)", inv.out)
    assert [Path(file).name for file in kept] == [GRADE, "report.html", "junit.xml", "results.json"]
    assert all(Path(file).is_file() for file in kept)


def test_grade_with_json_prints_nothing_but_the_grade(inv: Inv) -> None:
    assert inv("grade", "--json") == Exit.CHECK_FAILED

    assert Grade.model_validate_json(inv.out).verdict == "failed"
    assert "FAIL" in inv.err
    assert "Kept in" not in inv.err


def test_report_makes_the_reports_of_an_attempt_anew_and_tells_it_again(inv: Inv, world: World) -> None:
    assert inv("grade") == Exit.CHECK_FAILED
    world.done.append("first")
    assert inv("grade") == Exit.GOOD
    graded = inv.out
    page_file = Path(re.findall(r"Kept in (.*html)", graded)[0])
    page_file.unlink()

    assert inv("report") == Exit.GOOD

    assert inv.out == graded.partition("\n")[2]  # without what grading does
    assert page_file.is_file()
    assert inv.json("report", "--attempt", "1")["points"] == 0


def test_a_report_needs_an_attempt(inv: Inv) -> None:
    assert inv("report") == Exit.LAB_BROKEN
    assert "there is no attempt yet; try: inv grade" in inv.err

    inv("grade")
    assert inv("report", "--attempt", "7") == Exit.LAB_BROKEN
    assert "there is no attempt 7; there are 1" in inv.err


def test_marks_are_of_what_was_graded_last_and_not_of_what_could_not_be_told(inv: Inv, world: World) -> None:
    world.done.append("first")
    assert inv("grade") == Exit.GOOD
    world.looks_broken = True
    assert inv("grade") == Exit.LAB_BROKEN

    alice, bob = inv.json("marks", "test")

    assert (alice["learner"], alice["attempt"], alice["points"], alice["verdict"]) == ("alice", 1, 6, "passed")
    assert alice["tasks"] == {"first": 6, "second": 0}
    assert (bob["learner"], bob["attempt"], bob["verdict"]) == ("bob", None, "not graded")


def test_marks_are_written_to_two_files(inv: Inv, tmp_path: Path) -> None:
    inv("grade")

    assert inv("marks", "test", "--csv", str(tmp_path / "class.csv")) == Exit.GOOD

    rows = list(csv.DictReader((tmp_path / "class.csv").read_text().splitlines()))
    assert [(row["learner"], row["points"], row["first"]) for row in rows] == [("alice", "0", "0"), ("bob", "", "")]
    failed = list(csv.DictReader((tmp_path / "class-failed.csv").read_text().splitlines()))
    assert [row["check"] for row in failed] == [
        "the first thing is done",
        "nothing is odd",
        "the second thing is done",
    ]
    assert str(tmp_path / "class-failed.csv") in inv.out


def test_marks_are_a_table_when_no_file_is_asked_for(inv: Inv) -> None:
    assert inv("marks", "test") == Exit.GOOD

    assert re.search(r"bob .* not graded", inv.out)


def test_marks_of_an_exam_that_nobody_has(inv: Inv, tmp_path: Path) -> None:
    assert inv("marks", "tiny") == Exit.LAB_BROKEN
    assert "tiny is no exam" in inv.err

    (tmp_path / "labs" / "test").rename(tmp_path / "labs" / "other-exam")
    assert inv("marks", "other-exam") == Exit.NOTHING_CHECKED
    assert "nobody on this machine has begun other-exam" in inv.err
