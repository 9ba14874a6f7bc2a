"""Which files of an instance a browser may have, and the instructor's board and marks, which are made of files."""

import asyncio
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from halab.instance.event_log import NAME, EventLog
from halab.instance.instance import Instance
from halab.instance.state import InjectedFault, Sitting
from halab.kit.audience import Said
from halab.web import board
from halab.web.access import Who
from halab.web.board import Rows, failing
from halab.web.lesson import ask_for_help
from halab.web.taught import Taught
from tests.page_server import PageServer, message

SCRIPT = "<script>document.title = 'run'</script>"
LEARNERS = (
    "measurements/20261127-170000-power-cut/report.json",
    "measurements/20261127-170000-power-cut/run-1.svg",
    "attempts/1/report.html",
)
INSTRUCTORS = (
    "attempts/1/grade.json",
    "attempts/1/junit.xml",
    "attempts/1/20261127-node1.cast",
    "recordings/a-node1.cast",
)
NOBODYS = (
    "state.json",
    "events.jsonl",
    "lock",
    "bmc/node1.events",
    "checkpoints/start.json",
    "measurements/state.json",
    "measurements/x/../state.json",
    "measurements/..%2f..%2fstate.json",
    "measurements/../state.json",
    "attempts/1/..%2f..%2fstate.json",
    "attempts/1/../../state.json",
    "attempts/%2e%2e/state.json",
    "attempts/1/link.json",
    "attempts/1/.hidden.json",
    "recordings/../state.json",
    "recordings/..%2fstate.json",
    "recordings/link.cast",
    "shells/node1+x.sock",
    "grade.py",
)


@pytest.fixture
def files(instance: Instance) -> Path:
    """The instance's directory, with a file at each of these places."""
    for place in (*LEARNERS, *INSTRUCTORS, "bmc/node1.events", "shells/node1+x.sock", "attempts/1/.hidden.json"):
        file = instance.directory / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SCRIPT)
    (instance.directory / "attempts/1/link.json").symlink_to(instance.directory / "state.json")
    (instance.directory / "recordings/link.cast").symlink_to(instance.directory / "state.json")
    return instance.directory


def test_a_learner_has_measurements_and_reports_and_no_more(server: PageServer, files: Path) -> None:
    cookie = server.login(Who("learner", files.name))

    def status(place: str) -> int:
        return server.get(f"/instances/{files.name}/{place}", cookie).status

    assert [status(place) for place in LEARNERS] == [200] * len(LEARNERS)
    assert {status(place) for place in INSTRUCTORS} <= {403, 404}
    assert {status(place) for place in NOBODYS} <= {400, 403, 404}


def test_an_instructor_has_recordings_and_grades_too_but_never_the_draw(server: PageServer, files: Path) -> None:
    cookie = server.login(Who("instructor"))

    def status(place: str) -> int:
        return server.get(f"/instances/{files.name}/{place}", cookie).status

    assert [status(place) for place in (*LEARNERS, *INSTRUCTORS)] == [200] * len((*LEARNERS, *INSTRUCTORS))
    assert {status(place) for place in NOBODYS} <= {400, 403, 404}


@pytest.mark.parametrize("place", [*LEARNERS, *INSTRUCTORS])
def test_what_a_learner_typed_runs_nothing(server: PageServer, files: Path, place: str) -> None:
    answer = server.get(f"/instances/{files.name}/{place}", server.login(Who("instructor")))

    policy = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert not [part for part in policy if part.startswith("script-src") or "allow-" in part]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/",
        "/static/.",
        "/modules/../../../etc/passwd",
        "/modules/@xterm/xterm/package.json",
        "/modules/lit-html/../lit-html/lit-html.js",
        "/etc/passwd",
        "//etc/passwd",
    ],
)
def test_the_page_has_its_own_files_and_no_others(server: PageServer, path: str) -> None:
    assert server.get(path, server.login(Who("instructor"))).status in (400, 404)


def test_the_pages_scripts_are_scripts(server: PageServer) -> None:
    answer = server.get("/static/main.js")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert server.get("/static/main.js", **{"If-None-Match": answer.headers["Etag"]}).status == 304


def test_the_board_has_a_row_for_each_instance_from_its_files(instance: Instance) -> None:
    began = datetime.now().astimezone() - timedelta(minutes=10)
    state = instance.state.with_step("one", "passed").with_fault(InjectedFault(name="power-cut", node="node2"))
    instance.remember(state)
    ask_for_help(instance.directory, True)
    (instance.directory.parent / "half-made").mkdir()

    half_made, row = Rows().look()

    assert (half_made["instance"], half_made["up"]) == ("half-made", False)
    assert (row["instance"], row["lab"], row["up"], row["title"]) == (instance.name, "tiny", True, instance.spec.title)
    assert [step["outcome"] for step in row["steps"]] == ["passed", None, None]
    assert row["faults"] == ["power-cut on node2"]
    assert row["asks_for_help"]
    assert row["holder"] is None
    assert row["time_left"] is None
    assert began.timestamp() < row["last_activity"]


def test_the_board_tells_how_much_time_an_exam_has_left(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    began = datetime.now().astimezone() - timedelta(minutes=10)
    monkeypatch.setattr(board, "steps_of", lambda lab: Taught("An exam", exam={"minutes": 60}))
    sitting = Sitting(seed="the-seed", drawn={"answer": "forty-two"}, began=began)
    instance.remember(instance.state.model_copy(update={"sitting": sitting}))

    (row,) = Rows().look()

    assert 2995 < row["time_left"] <= 3000
    assert "the-seed" not in json.dumps(row)
    assert "forty-two" not in json.dumps(row)
    assert row["verdict"] is None


def test_the_board_tells_what_an_attempt_came_to(instance: Instance) -> None:
    for number, verdict in ((9, "failed"), (10, "passed"), (11, "not graded")):
        place = instance.directory / "attempts" / str(number)
        place.mkdir(parents=True)
        grade = {
            "verdict": verdict,
            "points": number,
            "of": 20,
            "percent": 50,
            "pass_mark": 40,
            "late": False,
            "at": "",
        }
        (place / "grade.json").write_text(json.dumps(grade))

    (row,) = Rows().look()

    assert (row["points"], row["of"], row["verdict"]) == (10, 20, "passed")


def test_an_instance_whose_state_is_spoilt_has_a_row_that_says_so(instance: Instance) -> None:
    (instance.directory / "state.json").write_text("{")

    (row,) = Rows().look()

    assert not row["up"]
    assert "not readable" in row["failing"]


def test_no_node_is_asked_for_the_board(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Instance) -> None:
        raise AssertionError

    monkeypatch.setattr(Instance, "provider", property(refuse))

    assert Rows().look()[0]["up"]


def events(*kinds: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"pid": 1, **kind}).encode() + b"\n" for kind in kinds)


def test_what_fails_now_is_the_first_failed_check_of_the_last_command_that_judges() -> None:
    begins = {"kind": "command_begins", "command": "check"}
    good, bad = ({"kind": "checked", "sentence": what, "outcome": what} for what in ("passed", "failed"))
    other = {"kind": "checked", "sentence": "another one", "outcome": "failed"}
    shell = {"kind": "command_begins", "command": "ssh", "pid": 2}

    assert failing(events(begins, good, bad, other, shell)) == "failed"
    assert failing(events(begins, bad) + b'{"half": ') == "failed"
    assert failing(events(begins, bad, begins, good)) == ""
    assert failing(b"") == ""


def test_the_board_is_told_what_changes(
    server: PageServer, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "LOOK", 0.05)

    async def look() -> None:
        async with server.socket("/board", server.login(Who("instructor"))) as page:
            (row,) = (await message(page, "board"))["rows"]
            assert row["steps"][0]["outcome"] is None

            instance.remember(instance.state.with_step("one", "passed"))

            (row,) = (await message(page, "board"))["rows"]
            assert row["steps"][0]["outcome"] == "passed"

    asyncio.run(look())


def test_a_row_is_made_anew_only_when_its_files_have_changed(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(board, "row", lambda directory: made.append(directory.name) or {"exam_clock": None})
    rows = Rows()

    rows.look()
    rows.look()
    assert made == [instance.name]

    with EventLog(instance.directory, "check") as log:
        log.tell(Said("something"))
    os.utime(instance.directory / NAME, (1, 1_900_000_000))
    rows.look()
    assert made == [instance.name] * 2


def test_marks_are_of_exams_only(server: PageServer, instance: Instance) -> None:
    cookie = server.login(Who("instructor"))

    assert [server.get(f"/marks/{exam}", cookie).status for exam in ("tiny", "nothing")] == [404, 404]
