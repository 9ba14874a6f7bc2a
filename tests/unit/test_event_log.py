"""The event log of an instance, by which another program follows what commands do to it."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from halab.conditions.checks import CheckResult, Outcome
from halab.exams.attempts import Attempt, Graded
from halab.exams.grade import Mark, Marked
from halab.faults.registry import Healed, Injected
from halab.instance import event_log
from halab.instance.event_log import LONGEST, Asked, CommandBegins, CommandEnds, EventLog
from halab.instance.instance import instances_dir
from halab.instance.state import InjectedFault
from halab.kit.audience import Begins, Ends, Event, Reported, Said
from halab.kit.errors import Exit, LabError
from halab.kit.paths import ROOT
from halab.kit.recording import whole_lines
from halab.measure.outages import Claim, Sample, Seen
from halab.measure.probing import TOLD_EVERY, Samples, tell_between
from halab.measure.records import Measured
from halab.measure.run import RunBegins
from halab.measure.writes import Write
from halab.proof import Cell, Proven
from halab.spec.labs import Step
from halab.walk.lab import Checked, Typed
from halab.walk.walk import StepBegins, StepEnds, StepReport, WalkEnds
from tests.fakes import FakeAudience, World
from tests.inv import Inv
from tests.unit.test_exam_reports import a_grade
from tests.unit.test_exams import write_exam
from tests.unit.test_measure import CUT, TOLD, a_measurement, a_run

CHECK = CheckResult("it is there", Outcome.FAILED, "this", "that", ("look there",), 1.5)
FAULT = InjectedFault(name="power-cut", node="node1")
STEP = Step("one", "Do one", "Why.", Path("10_one.py"), print, print)
REPORT = StepReport("one", "Do one", Outcome.FAILED, Path("one.log"), [CHECK], None, 2.5)
EVENTS = [
    CommandBegins(),
    Said("Instance tiny is up."),
    Begins("Healing"),
    Ends("Healing"),
    Asked("all is lost"),
    StepBegins(STEP, "perform"),
    Typed("[root@node1 ~]# true\n"),
    Checked(CHECK),
    StepEnds(REPORT),
    WalkEnds(),
    Injected(FAULT),
    Healed((FAULT,)),
    RunBegins({"name": "power-cut", "node": "node1"}, 1, 2, 1.0, {"node1": True}, {"virtual_ip": ("node1",)}),
    Samples((Sample(1.0, 0.1, None),), (Claim(1.0, ("node1",)),), (Write(1.0, 1, True),)),
    Measured(a_measurement(a_run(CUT, TOLD)), Path("measurements/1")),
    Marked(Mark.of("first", 6, CHECK)),
    Graded(Attempt(Path("attempts/1"), a_grade(), (), ()), (Path("attempts/1/grade.json"),)),
    Reported(Path("attempts/1/report.html")),
    Proven(Cell("one", "wrong", "it is there", Outcome.FAILED, "that", right=False)),
    CommandEnds(Exit.CHECK_FAILED, "step one is not passed"),
]


def kinds(base: type[Event] = Event) -> Iterator[type[Event]]:
    """Yield all kinds of events that halab has."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log, as a program reads it that knows nothing of halab."""
    found = []
    for line in whole_lines(file.read_bytes()).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def told(file: Path) -> list[str]:
    return [line["kind"] for line in lines(file)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def up(world: World, inv: Inv, monkeypatch: pytest.MonkeyPatch) -> Inv:
    """`inv`, with the instance `tiny` up."""
    monkeypatch.setattr("halab.providers.host.ensure", lambda tools, say: None)
    inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12")
    assert inv("up") == Exit.GOOD
    return inv


def log_of_tiny() -> Path:
    return instances_dir() / "tiny" / "events.jsonl"


@pytest.mark.parametrize("event", EVENTS, ids=[event.kind for event in EVENTS])
def test_each_kind_of_event_is_one_line(file: Path, event: Event) -> None:
    EventLog(file.parent, "walk").tell(event)

    (line,) = file.read_text().splitlines()
    found = json.loads(line)
    assert found["kind"] == event.kind
    assert found["command"] == "walk"
    assert found["pid"] == os.getpid()
    assert isinstance(found["time"], float)


def test_no_kind_of_event_is_forgotten_and_each_has_a_name_of_its_own() -> None:
    assert {type(event) for event in EVENTS} == set(kinds())
    assert len({event.kind for event in EVENTS}) == len(EVENTS)


def test_the_docs_tell_of_each_kind_of_event() -> None:
    text = (ROOT / "docs" / "events.md").read_text()

    assert [event.kind for event in EVENTS if f"`{event.kind}`" not in text] == []


def test_a_check_has_its_hints_and_a_mark_only_where_to_look(file: Path) -> None:
    two_hints = CheckResult("so", Outcome.FAILED, "this", "that", ("look there", "the solution"), 0)
    log = EventLog(file.parent, "check")

    log.tell(Checked(two_hints))
    log.tell(Marked(Mark.of("first", 6, two_hints)))

    check, mark = lines(file)
    assert check["hints"] == ["look there", "the solution"]
    assert mark["look"] == ["look there"]
    assert "the solution" not in json.dumps(mark)


def test_a_walk_is_followed_while_it_goes_on(up: Inv, world: World) -> None:
    seen: dict[str, list[str]] = {}
    world.before_perform = lambda step: seen.setdefault(step, [*told(log_of_tiny())])

    up("walk", "--to", "one")

    assert seen["one"][-2:] == ["command_begins", "step_begins"]
    assert told(log_of_tiny())[len(seen["one"]) :] == ["checked", "step_ends", "walk_ends", "command_ends"]


def test_up_is_followed_from_its_begin_although_the_instance_was_not_there(up: Inv) -> None:
    assert told(log_of_tiny()) == ["command_begins", "begins", "ends", "said", "command_ends"]


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [(["walk"], 0, ""), (["check"], 1, "step one is not passed"), (["step", "tow"], 3, 'did you mean "two"?')],
)
def test_a_command_tells_how_it_ends(up: Inv, arguments: list[str], status: int, reason: str) -> None:
    up(*arguments)

    last = lines(log_of_tiny())[-1]
    assert (last["kind"], last["command"], last["status"]) == ("command_ends", arguments[0], status)
    assert reason in last["reason"]


def test_a_command_that_is_interrupted_tells_so(up: Inv, world: World) -> None:
    def interrupt(step: str) -> None:
        raise KeyboardInterrupt

    world.before_perform = interrupt

    up("walk")

    assert lines(log_of_tiny())[-1]["status"] == Exit.INTERRUPTED


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_only(file: Path) -> None:
    with pytest.raises(ValueError, match="drawn"), EventLog(file.parent, "start"):
        raise ValueError("what was drawn")

    assert lines(file)[-1]["reason"] == "ValueError"


def test_a_last_line_that_a_kill_tore_is_told_from_whole_ones(file: Path) -> None:
    EventLog(file.parent, "up").tell(Said("whole"))
    with file.open("ab") as torn:
        torn.write(b'{"time": 1.0, "pid": 1, "kind": "sa')
    while_torn = [line["text"] for line in lines(file)]

    EventLog(file.parent, "walk").tell(Said("after it"))

    assert while_torn == ["whole"]
    assert [line["text"] for line in lines(file)] == ["whole", "after it"]


def test_a_full_disk_tears_a_line_and_makes_no_command_fail(up: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [120]

    def written(file: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(file, data[: room[0]])
        room[0] -= done
        return done

    before = len(lines(log_of_tiny()))
    with monkeypatch.context() as full:
        full.setattr(event_log.os, "write", written)
        assert up("save", "mine") == Exit.GOOD
    assert not log_of_tiny().read_bytes().endswith(b"\n")

    assert up("save", "other") == Exit.GOOD

    assert "Checkpoint other is saved" in up.out
    assert [line["command"] for line in lines(log_of_tiny())[before:]][-1] == "save"
    assert told(log_of_tiny())[-5:] == ["command_begins", "begins", "ends", "said", "command_ends"]


def test_a_log_that_cannot_be_written_makes_no_command_fail(up: Inv) -> None:
    log_of_tiny().unlink()
    log_of_tiny().mkdir()

    assert up("walk") == Exit.GOOD


def test_what_a_node_printed_is_made_harmless_and_is_bounded(file: Path) -> None:
    EventLog(file.parent, "walk").tell(Typed("\x1b]0;title\x07\u2028" + "x" * 10**6))

    text = lines(file)[0]["text"]
    assert text.startswith("\u241b]0;title\u2407\ufffdxxx")
    assert len(text) == LONGEST + 1


def test_a_full_log_is_set_aside_when_a_command_begins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "FULL", 1000)
    early = EventLog(file.parent, "ssh")
    early.tell(Said("x" * 2000))

    EventLog(file.parent, "walk").tell(Said("new"))
    early.tell(Said("late"))

    assert [line["text"] for line in lines(file)] == ["new"]
    assert [line["text"] for line in lines(file.with_name("events.jsonl.1"))] == ["x" * 2000, "late"]


def test_a_reset_leaves_the_log_and_down_removes_it(up: Inv) -> None:
    up("walk", "--to", "one")
    before = log_of_tiny().read_bytes()

    up("reset", "--to", "start")
    after = log_of_tiny().read_bytes()
    up("down")

    assert after.startswith(before)
    assert len(after) > len(before)
    assert not log_of_tiny().parent.exists()


def test_a_log_that_was_removed_with_its_instance_is_not_made_again(file: Path) -> None:
    log = EventLog(file.parent, "ssh")
    log.tell(Said("there"))
    file.unlink()

    log.tell(Said("gone"))

    assert not file.exists()


def test_only_the_user_reads_it(file: Path) -> None:
    EventLog(file.parent, "walk").tell(Said("there"))

    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_of_an_exams_draw_is_in_it(
    world: World, inv: Inv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halab.providers.host.ensure", lambda tools, say: None)
    monkeypatch.setattr("halab.exams.reports.write_all", lambda attempt: [])
    write_exam(tmp_path / "labs")
    world.ipmi = "Chassis Power is on"
    inv("lab", "--name", "test", "--provider", "fake", "--distro", "debian12")

    begun = inv("start", "test", "--seed", "s3cr3t")
    inv("grade")

    log = (instances_dir() / "test" / "events.jsonl").read_text()
    drawn = json.loads((instances_dir() / "test" / "state.json").read_text())["sitting"]["drawn"]["wanted"]
    assert begun == Exit.GOOD
    assert '"kind": "graded"' in log
    assert "s3cr3t" not in log
    assert f'"{drawn}"' not in log


def test_samples_come_at_most_ten_times_a_second_and_none_is_left_out() -> None:
    audience, seen, now = FakeAudience(), Seen(), [0.0]
    printed = [json.dumps(["http", number * 0.05, 0.001, ["node1"]]) for number in range(100)]  # five seconds
    arrived = []

    def arrive() -> Iterator[str]:
        for line in printed:
            now[0] += 0.05
            arrived.append(line)
            yield line

    seen.read(tell_between(arrive(), seen, audience, clock=lambda: now[0]), {"node1": "node1"})

    batches = audience.told(Samples)
    assert 5 / TOLD_EVERY * 0.8 <= len(batches) <= 5 / TOLD_EVERY + 1
    assert [sample for batch in batches for sample in batch.samples] == seen.samples
    assert len(seen.samples) == len(arrived) == 100


def test_the_log_never_says_why_it_was_not_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(event_log.os, "open", refuse)

    with pytest.raises(LabError, match="the lab's own"), EventLog(file.parent, "walk"):
        raise LabError("the lab's own")

    assert not file.exists()
