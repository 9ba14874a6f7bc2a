"""What the page of an instance is told: the lesson, events from where it was, the lock, and who asks for help."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from halab.conditions.checks import CheckResult, Outcome
from halab.instance.event_log import NAME, EventLog
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import InjectedFault, Sitting
from halab.kit.audience import Said
from halab.kit.errors import LabError
from halab.walk.lab import Checked
from halab.web import live, tail, taught
from halab.web.access import Who
from halab.web.blocks import blocks
from halab.web.lesson import ask_for_help, clock, lesson
from halab.web.tail import Tail
from halab.web.taught import Taught
from tests.page_server import PageServer, message

MARKUP = "<script>alert(1)</script>"


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


def texts(told: list[tail.Told]) -> list[str]:
    return [one.event["text"] for one in told]


def all_of(reader: Tail) -> list[tail.Told]:
    found: list[tail.Told] = []
    while new := reader.read():
        found += new
    return found


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[..., Tail]]:
    """Make readers of the log there."""
    with ExitStack() as closed:

        def new(after: int | None = None) -> Tail:
            reader = Tail(tmp_path, after)
            closed.callback(reader.close)
            return reader

        yield new


def begins(command: str) -> bytes:
    return line(kind="command_begins", command=command, text=command)


def test_a_page_that_has_seen_nothing_is_told_the_present_command(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    said = b"".join(line(kind="said", text=str(number)) for number in range(5))
    (tmp_path / NAME).write_bytes(begins("walk") + said + begins("check") + said + begins("ssh"))

    assert texts(all_of(follow())) == ["check", "0", "1", "2", "3", "4", "ssh"]


def test_of_a_long_command_it_is_told_the_last_events(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    (tmp_path / NAME).write_bytes(
        begins("walk") + b"".join(line(kind="said", text=str(at)) for at in range(tail.LAST * 2))
    )

    assert texts(all_of(follow())) == [str(at) for at in range(tail.LAST, tail.LAST * 2)]


def test_it_goes_on_where_it_was_and_follows_what_comes(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    with EventLog(tmp_path, "check") as log:
        first = all_of(follow())
        log.tell(Said("one"))
        reader = follow(first[-1].at)
        assert texts(all_of(reader)) == ["one"]
        log.tell(Said("two"))
        assert texts(all_of(reader)) == ["two"]


def test_half_a_line_is_waited_for_and_what_is_no_json_left_out(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    file = tmp_path / NAME
    file.write_bytes(b'{"text": "wh')
    reader = follow(0)
    assert all_of(reader) == []

    with file.open("ab") as log:
        log.write(b'ole"}\n{"text"\n\n[1]\n' + line(text="next"))

    found = all_of(reader)
    assert texts(found) == ["whole", "next"]
    assert found[-1].at == file.stat().st_size


def test_a_line_that_is_too_long_is_no_event_and_places_stay_right(
    tmp_path: Path, follow: Callable[..., Tail], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "AT_ONCE", 100)
    monkeypatch.setattr(tail, "LONGEST", 300)
    file = tmp_path / NAME
    file.write_bytes(line(text="before") + line(text="x" * 5000) + line(text="after"))

    found = all_of(follow(0))

    assert texts(found) == ["before", "after"]
    assert [texts(all_of(follow(one.at))) for one in found] == [["after"], []]


def test_nothing_is_lost_when_another_log_begins(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    file = tmp_path / NAME
    file.write_bytes(line(text="old"))
    reader = follow(0)
    assert texts(all_of(reader)) == ["old"]
    with file.open("ab") as log:
        log.write(line(text="last"))
    file.rename(tmp_path / f"{NAME}.1")
    file.write_bytes(line(text="new"))

    assert texts([*all_of(reader), *all_of(reader), *all_of(reader)]) == ["last", "new"]


def test_a_page_that_comes_back_after_that_goes_on_in_the_old_log(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    old = line(text="old") + line(text="older and longer")
    (tmp_path / f"{NAME}.1").write_bytes(old + line(text="last"))
    (tmp_path / NAME).write_bytes(line(text="new"))
    reader = follow(len(old))

    assert texts([*all_of(reader), *all_of(reader), *all_of(reader)]) == ["last", "new"]


def test_an_instance_that_is_made_anew_is_followed_again(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    file = tmp_path / NAME
    file.write_bytes(line(text="old"))
    reader = follow(0)
    assert texts(all_of(reader)) == ["old"]
    file.unlink()
    assert all_of(reader) == []

    file.write_bytes(line(text="new"))

    assert texts([*all_of(reader), *all_of(reader)]) == ["new"]


def test_a_log_is_read_only_when_it_has_changed(tmp_path: Path, follow: Callable[..., Tail]) -> None:
    file, reader = tmp_path / NAME, follow(0)
    assert reader.may_have_more()
    assert all_of(reader) == []
    assert not reader.may_have_more()

    for text in ("one", "two"):
        with file.open("ab") as log:
            log.write(line(text=text))
        assert reader.may_have_more()
        assert texts(all_of(reader)) == [text]
        assert not reader.may_have_more()

    file.rename(tmp_path / f"{NAME}.1")
    file.write_bytes(line(text="three"))
    found: list[tail.Told] = []
    while reader.may_have_more():
        found += reader.read()
    assert texts(found) == ["three"]
    file.unlink()
    while reader.may_have_more():
        reader.read()


def test_a_lesson_has_the_next_step_with_its_commands_and_checks(instance: Instance) -> None:
    instance.remember(instance.state.with_step("one", "passed"))

    found = lesson(instance.directory)

    assert [(step["name"], step["outcome"], step["current"]) for step in found["steps"]] == [
        ("one", "passed", False),
        ("two", None, True),
        ("three", None, False),
    ]
    assert found["step"]["name"] == "two"
    assert [entry["kind"] for entry in found["step"]["entries"]] == ["check"]
    assert found["nodes"] == ["node1", "node2"]
    assert "partition" in [fault["name"] for fault in found["faults_known"]]
    assert [point["name"] for point in found["checkpoints"]] == ["start"]


def test_a_lesson_tells_faults_and_that_all_steps_are_passed(instance: Instance) -> None:
    state = instance.state
    for step in ("one", "two", "three"):
        state = state.with_step(step, "passed")
    instance.remember(state.with_fault(InjectedFault(name="power-cut", node="node2")))

    found = lesson(instance.directory)

    assert found["step"] is None
    assert [fault["words"] for fault in found["faults"]] == ["power-cut on node2"]


def test_a_broken_lab_is_told_and_ends_nothing(instance: Instance) -> None:
    (instance.folder.path / "10_one.py").write_text("raise SystemExit(0)\n")

    assert "10_one.py" in lesson(instance.directory)["reason"]


def test_a_lab_that_could_not_be_read_is_read_again_later(
    server: PageServer, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bool] = []

    def read(*_: object) -> Taught:
        if not reads:
            reads.append(True)
            raise LabError("this host is busy")
        return Taught("A lab")

    monkeypatch.setattr(taught, "apart", lambda work, what: read())
    monkeypatch.setattr(taught, "AGAIN", 0.0)
    monkeypatch.setattr(live, "AGAIN", 0.0)

    async def look() -> None:
        cookie = server.login(Who("learner", instance.name))
        async with server.socket(f"/instances/{instance.name}/live", cookie) as page:
            told = await message(page, "lesson")
            while told["title"] != "A lab" or told["reason"]:
                told = await message(page, "lesson")

    asyncio.run(look())
    assert reads


def test_an_instance_that_is_not_there_has_a_lesson_too(server: PageServer) -> None:
    found = lesson(instances_dir() / "nobody")

    assert (found["up"], found["step"], found["nodes"]) == (False, None, [])
    assert "nobody is not up" in found["reason"]


def test_prose_is_text_whatever_is_in_it() -> None:
    found = blocks(f"See {MARKUP} and `{MARKUP}`\n\n# {MARKUP}\n\n    {MARKUP}\n\n- {MARKUP}\n\n{MARKUP}\n")

    assert [block["kind"] for block in found] == ["text", "heading", "code", "list", "text"]
    assert found[0]["runs"] == [
        {"text": f"See {MARKUP} and ", "code": False},
        {"text": MARKUP, "code": True},
    ]
    assert found[2]["text"] == MARKUP
    assert found[3]["items"] == [{"runs": [{"text": MARKUP, "code": False}]}]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("pcs status", "command"),
        ("pcs property set no-quorum-policy=ignore\n    ./inv check", "command"),
        ("2224/tcp      pcsd", "code"),
        ("nginx -t           it tests its configuration", "code"),
        ("Failed Resource Actions:\n      * node3 start", "code"),
        ("<b>bold</b>", "code"),
    ],
)
def test_only_what_can_be_typed_is_set_as_a_command(text: str, kind: str) -> None:
    assert [block["kind"] for block in blocks(f"    {text}\n")] == [kind]


def test_the_clock_of_an_exam_has_its_end_and_when_it_was_handed_in(instance: Instance) -> None:
    began = datetime.now().astimezone()
    exam = Taught(exam={"minutes": 60})

    def of(**changed: object) -> dict[str, object] | None:
        sitting = Sitting(seed="s", drawn={"answer": 42}, **changed)  # type: ignore[arg-type]
        return clock(instance.state.model_copy(update={"sitting": sitting}), exam)

    assert of() is None
    going, handed_in = of(began=began), of(began=began, finished=began + timedelta(minutes=9))
    assert going
    assert handed_in
    assert (going["ends"], going["finished"]) == (began.timestamp() + 3600, None)
    assert handed_in["finished"] == began.timestamp() + 540


def test_of_an_exam_a_learner_is_told_nothing_but_the_sheet(
    monkeypatch: pytest.MonkeyPatch, instance: Instance
) -> None:
    sitting = Sitting(seed="the-seed", drawn={"answer": "forty-two"}, began=datetime.now().astimezone())
    instance.remember(instance.state.model_copy(update={"sitting": sitting}))
    exam = {"minutes": 60, "points": 3, "pass_mark": 50, "hints": False, "recorded": True, "tasks": ["first"]}
    monkeypatch.setattr(taught, "_taught", lambda *_: Taught("An exam", exam=exam, sheet=tuple(blocks("Do this."))))

    text = json.dumps(lesson(instance.directory))

    assert "Do this." in text
    assert "the-seed" not in text
    assert "forty-two" not in text


def test_a_page_is_told_what_changes_in_files_within_a_second(server: PageServer, instance: Instance) -> None:
    async def look() -> None:
        cookie = server.login(Who("learner", instance.name))
        async with server.socket(f"/instances/{instance.name}/live", cookie) as page:
            assert (await message(page, "watched"))["by"] == 0
            assert (await message(page, "lock"))["holder"] is None
            assert (await message(page, "lesson"))["step"]["name"] == "one"

            instance.remember(instance.state.with_step("one", "passed"))
            assert (await message(page, "lesson"))["step"]["name"] == "two"

            ask_for_help(instance.directory, True)
            assert (await message(page, "help"))["asked"]

            with EventLog(instance.directory, "check") as log:
                log.tell(Said("from another terminal"))
            assert (await message(page, "event"))["event"]["kind"] == "command_begins"
            assert (await message(page, "event"))["event"]["text"] == "from another terminal"

    asyncio.run(look())


def test_hints_are_given_only_to_whoever_asks_for_them(server: PageServer, instance: Instance) -> None:
    failed = CheckResult("it is so", Outcome.FAILED, "this", "that", ("look there", "the solution"), 0)

    async def look() -> None:
        cookie = server.login(Who("learner", instance.name))
        async with server.socket(f"/instances/{instance.name}/live", cookie) as page:
            EventLog(instance.directory, "check").tell(Checked(failed))
            event = (await message(page, "event"))["event"]
            assert (event["expected"], event["seen"]) == ("this", "that")
            assert "the solution" not in json.dumps(event)

    asyncio.run(look())


def test_nothing_is_looked_at_when_nobody_looks(
    server: PageServer, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        cookie = server.login(Who("learner", instance.name))
        async with (
            server.socket(f"/instances/{instance.name}/live", cookie) as one,
            server.socket(f"/instances/{instance.name}/live", cookie) as other,
        ):
            await message(one, "lesson")
            await message(other, "lesson")
            assert list(server.application.settings["watched"]) == [instance.name]
        while server.application.settings["watched"]:
            await asyncio.sleep(0.01)

    asyncio.run(look())
    looked: list[Path] = []
    monkeypatch.setattr(live, "times_of", looked.append)
    server.in_loop(lambda: None)
    assert looked == []
