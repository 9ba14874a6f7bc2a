"""Taking a checkpoint to another machine, which here is another state directory."""

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from halab.instance import by_hand
from halab.instance.event_log import NAME as EVENTS
from halab.instance.instance import Instance, instances_dir
from halab.instance.seat import Seat, write_seat
from halab.instance.state import locked
from halab.kit.errors import Exit
from halab.measure import records
from halab.walk import checkpoints, parcels
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_measure import a_measurement
from tests.unit.test_walk import Killed, kill_at

Members = dict[str, bytes]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiny.halab"


@pytest.fixture
def move(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go to another machine, where nothing is."""

    def move() -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
        world.power, world.done, world.saved, world.daemons = {}, [], {}, {}
        world.calls.clear()

    return move


@pytest.fixture
def exported(up: Inv, file: Path, move: Callable[[], None]) -> Inv:
    """`inv` on another machine, to which the second of three steps of `tiny` was taken."""
    assert up("walk", "--to", "two", "export-checkpoint", str(file)) == Exit.GOOD
    move()
    return up


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}


def write(file: Path, content: Members, more: Iterable[tarfile.TarInfo] = ()) -> None:
    """Write a parcel as anybody can."""
    with tarfile.open(file, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member)


def changed(content: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(content), **values}).encode()


def left() -> list[Path]:
    return sorted(instances_dir().glob("*"))


def test_a_learner_goes_on_elsewhere(exported: Inv, file: Path, world: World) -> None:
    assert exported("import-checkpoint", str(file)) == Exit.GOOD

    assert "Instance tiny is up at two: node1, node2 on debian12." in exported.out
    assert world.done == ["one", "two"]
    instance = Instance.open("tiny")
    assert {name: record.outcome for name, record in instance.state.steps.items()} == {"one": "passed", "two": "passed"}
    assert (instance.state.removing, instance.state.restoring) == (False, None)
    assert checkpoints.names(instance) == ["start", "two"]
    assert not (instance.directory / "travel").exists()
    assert exported("next") == Exit.GOOD
    assert world.done == ["one", "two", "three"]
    assert exported("reset", "--to", "start") == Exit.GOOD
    assert world.done == []


def test_what_is_kept_of_an_instance_goes_along(up: Inv, file: Path, move: Callable[[], None]) -> None:
    instance = Instance.open("tiny")
    (instance.directory / "recordings").mkdir()
    (instance.directory / "recordings" / "20260101-120000-node1.cast").write_bytes(b"{}\n[half")
    (instance.directory / "attempts" / "1").mkdir(parents=True)
    (instance.directory / "attempts" / "1" / "grade.json").write_text("{}")
    (instance.directory / "attempts" / "1" / ".grade.json.1234").write_text("half")
    with instance.lock():
        records.keep(instance, a_measurement())
    write_seat(instance.directory, Seat(learner="Ålice", job=7, restarts=1))
    assert up("walk", "--to", "one", "export-checkpoint", str(file)) == Exit.GOOD
    assert file.stat().st_mode & 0o777 == 0o600
    move()

    assert up("import-checkpoint", str(file), "--instance", "another") == Exit.GOOD

    there = Instance.open("another")
    recording = there.directory / "recordings" / "20260101-120000-node1.cast"
    assert (recording.read_bytes(), recording.stat().st_mode & 0o777) == (b"{}\n", 0o600)
    assert [path.name for path in (there.directory / "attempts" / "1").iterdir()] == ["grade.json"]
    assert len(records.everything(there)) == 1
    assert '"command": "walk"' in (there.directory / f"{EVENTS}.1").read_text()
    assert '"command": "import-checkpoint"' in (there.directory / EVENTS).read_text()
    assert not (there.directory / "seat.json").exists()  # the new seat is another one
    assert parcels.about(file).seat == Seat(learner="Ålice", job=7, restarts=1)


def test_the_place_is_that_of_the_last_step_unless_it_is_named(up: Inv, file: Path, world: World) -> None:
    assert up("export-checkpoint", str(file)) == Exit.GOOD
    assert parcels.about(file).checkpoint == "start"
    assert up("walk", "save", "mine", "export-checkpoint", str(file)) == Exit.GOOD
    assert parcels.about(file).checkpoint == "three"
    assert up("reset", "--to", "one", "export-checkpoint", str(file)) == Exit.GOOD
    assert parcels.about(file).checkpoint == "one"

    assert up("export-checkpoint", str(file), "--name", "mine") == Exit.GOOD

    what = parcels.about(file)
    assert (what.checkpoint, sorted(what.state.steps)) == ("mine", ["one", "three", "two"])


def test_a_checkpoint_that_is_not_there_is_told_and_no_file_is_written(up: Inv, file: Path) -> None:
    assert up("export-checkpoint", str(file), "--name", "sart") == Exit.LAB_BROKEN

    assert 'there is no checkpoint "sart", did you mean "start"?' in up.err
    assert list(file.parent.glob("*.halab*")) == []


def test_an_instance_that_is_there_is_not_replaced(exported: Inv, file: Path, world: World) -> None:
    assert exported("import-checkpoint", str(file)) == Exit.GOOD
    world.calls.clear()

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "instance tiny is there already; try: inv down, or another one with --instance" in exported.err
    assert world.calls == []


def test_an_instance_that_another_command_makes_is_not_touched(exported: Inv, file: Path) -> None:
    with locked(instances_dir() / "tiny"):
        assert exported("import-checkpoint", str(file)) == Exit.LOCKED


def test_the_instance_that_the_command_line_selects_is_made(exported: Inv, file: Path) -> None:
    assert exported("lab", "--name", "tiny", "--instance", "mine", "import-checkpoint", str(file)) == Exit.GOOD

    assert [path.name for path in left()] == ["mine"]


@pytest.mark.parametrize(
    ("here", "told"),
    [
        ({"recipe": "older"}, 'its image of debian12 is of recipe "older", here it is recipe'),
        ({"image": "sha256:0123456789abcdef"}, 'its image of debian12 is "0123456789ab", here it is image'),
        ({"distro": "debian13"}, 'is of debian12, and says that its image is of "debian13"'),
        ({"programs": "more"}, "packages were added to one of the pools"),
    ],
)
def test_another_image_is_refused(exported: Inv, file: Path, here: dict[str, str], told: str) -> None:
    content = members(file)
    about = json.loads(content["halab.json"])
    write(file, content | {"halab.json": changed(content["halab.json"], origin={**about["origin"], **here})})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert told in exported.err
    assert left() == []


def test_what_cannot_leave_its_machine_is_told(up: Inv, file: Path, world: World) -> None:
    world.lineage = None

    assert up("export-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "checkpoints cannot be taken to another machine" in up.err
    assert not file.exists()


@pytest.mark.parametrize("moment", ["vet", "adopt", "up", "restore"])
def test_an_import_that_was_killed_leaves_nothing_half(exported: Inv, file: Path, world: World, moment: str) -> None:
    kill_at(world, moment)
    assert exported("import-checkpoint", str(file)) == Exit.INTERRUPTED
    if moment in ("vet", "adopt"):
        assert exported("lab", "--instance", "tiny", "status") == Exit.LAB_BROKEN
        assert "half removed" in exported.err

        assert exported("import-checkpoint", str(file)) == Exit.GOOD
    else:
        assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN
        assert "instance tiny is there, and not all of it is up; try: inv lab --instance tiny up" in exported.err
        assert exported("lab", "--instance", "tiny", "up") == Exit.GOOD

    assert world.done == ["one", "two"]
    assert Instance.open("tiny").state.restoring is None


def test_an_import_that_fails_leaves_nothing(exported: Inv, file: Path, world: World) -> None:
    def fail(call: str) -> None:
        if call == "adopt":
            raise OSError(28, "No space left on device")

    world.before_call = fail

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert left() == []


def test_an_export_that_was_killed_leaves_what_was_there(up: Inv, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("before")

    def killed(*arguments: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as at_the_end:
        at_the_end.setattr("halab.walk.parcels.os.fsync", killed)
        assert up("export-checkpoint", str(file)) == Exit.INTERRUPTED

    assert file.read_text() == "before"
    assert up("export-checkpoint", str(file)) == Exit.GOOD
    assert parcels.about(file).checkpoint == "start"


def test_what_commands_that_were_killed_have_left_of_a_file_is_removed(up: Inv, file: Path) -> None:
    left, being_written = file.with_name(".tiny.halab.4194305"), file.with_name(".tiny.halab.1")  # no process; init
    for path in (left, being_written):
        path.write_text("half")

    assert up("export-checkpoint", str(file)) == Exit.GOOD

    assert sorted(path.name for path in file.parent.glob("*.halab*")) == [being_written.name, file.name]


def test_an_instance_that_is_only_half_up_cannot_be_exported(up: Inv, file: Path) -> None:
    (Instance.open("tiny").directory / "checkpoints" / "start.json").unlink()

    assert up("export-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "instance tiny is only half up; try: inv up" in up.err


def test_work_that_stays_behind_is_told(up: Inv, file: Path) -> None:
    by_hand.note(Instance.open("tiny"))

    assert up("export-checkpoint", str(file)) == Exit.GOOD

    assert "What was done on the nodes since then is not in it" in up.out
    assert up("save", "my-work", "export-checkpoint", str(file), "--name", "my-work") == Exit.GOOD
    assert "since then" not in up.out


def test_what_does_not_verify_is_up_and_selected_all_the_same(
    up: Inv, file: Path, world: World, move: Callable[[], None]
) -> None:
    up("walk", "--to", "two")
    world.done.remove("two")  # by a learner, who is not through
    assert up("save", "mine", "export-checkpoint", str(file), "--name", "mine") == Exit.GOOD
    move()

    assert up("import-checkpoint", str(file), "--instance", "another") == Exit.CHECK_FAILED

    assert "Instance another is up at mine: node1, node2 on debian12." in up.out
    assert Instance.open("another").state.restoring is None
    assert up("status") == Exit.GOOD
    assert "another" in up.out


@pytest.mark.parametrize("part", [0, 1, 20, 0.3, 0.6, 0.9, -1, -8, -9])
def test_a_file_that_is_cut_short_is_refused(exported: Inv, file: Path, part: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content)) if isinstance(part, float) else part])

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "is no exported checkpoint" in exported.err
    assert exported.err.count("\n") == 1
    assert left() == []


def test_a_file_with_another_byte_is_refused(exported: Inv, file: Path) -> None:
    raw = bytearray(gzip.decompress(file.read_bytes()))
    packed = bytearray(gzip.compress(bytes(raw), 0))  # not compressed, so only the checksum tells
    packed[len(packed) // 2] ^= 1
    file.write_bytes(bytes(packed))

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert exported.err.count("\n") == 1
    assert left() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", gzip.compress(b"hello"), gzip.compress(bytes(20_000))],
    ids=["nothing", "text", "packed text", "packed zeros"],
)
def test_what_is_no_parcel_is_refused(exported: Inv, file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "is no exported checkpoint" in exported.err
    assert left() == []


def test_another_format_is_told(exported: Inv, file: Path) -> None:
    content = members(file)
    write(file, content | {"halab.json": changed(content["halab.json"], format=2, more=1)})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert 'has format "2", of another version of halab; this one reads 1' in exported.err


@pytest.mark.parametrize(
    "name", ["../out", "/root/out", "kept/../../out", "kept/.hidden", "state.json", "kept/a\nb", "kept/" + "x" * 300]
)
def test_a_name_that_leads_elsewhere_is_refused(exported: Inv, file: Path, name: str) -> None:
    write(file, members(file) | {name: b"x"})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "can be in no exported checkpoint" in exported.err
    assert left() == []


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        (tarfile.SYMTYPE, {"linkname": "/etc"}),
        (tarfile.LNKTYPE, {"linkname": "halab.json"}),
        (tarfile.CHRTYPE, {"devmajor": 1, "devminor": 1}),
        (tarfile.FIFOTYPE, {}),
        (tarfile.DIRTYPE, {}),
    ],
)
def test_what_is_no_file_is_refused(exported: Inv, file: Path, kind: bytes, about: dict[str, Any]) -> None:
    member = tarfile.TarInfo("kept/recordings")
    member.type = kind
    for key, value in about.items():
        setattr(member, key, value)
    write(file, members(file), [member])

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert '"kept/recordings", which is no file' in exported.err
    assert left() == []


@pytest.mark.parametrize("name", ["kept/events.jsonl", "kept/events.jsonl/x"])
def test_a_name_that_is_there_twice_is_refused(exported: Inv, file: Path, name: str) -> None:
    write(file, members(file), [tarfile.TarInfo(name)])

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "twice, or in a file" in exported.err
    assert left() == []


def test_work_after_a_step_goes_with_the_checkpoint_from_which_the_next_one_is_done(
    up: Inv, file: Path, world: World, move: Callable[[], None]
) -> None:
    up("walk", "--to", "two")
    world.done.append("half of three")
    assert up("save", "mine", "export-checkpoint", str(file), "--name", "mine") == Exit.GOOD
    move()

    assert up("import-checkpoint", str(file)) == Exit.GOOD

    assert world.done == ["one", "two", "half of three"]
    assert checkpoints.names(Instance.open("tiny")) == ["start", "two", "mine"]
    assert up("reset") == Exit.GOOD
    assert world.done == ["one", "two"]
    assert up("next") == Exit.GOOD


@pytest.mark.parametrize("names", [["two"], ["two", "start"], ["start", "one", "two", "mine"], []])
def test_other_checkpoints_than_are_exported_are_refused(exported: Inv, file: Path, names: list[str]) -> None:
    content = members(file)
    write(file, content | {"halab.json": changed(content["halab.json"], checkpoints=names)})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert exported.err.count("\n") == 1
    assert left() == []


LAST = "checkpoints/1/checkpoint.json"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "three"}, 'its checkpoint 1 is not "two"'),
        ({"saved": "../../x"}, 'its checkpoint 1 is not "two"'),
        ({"steps": {"four": {"outcome": "passed", "at": "2026-01-01T00:00:00Z"}}}, 'lab tiny has no step "four" here'),
        ({"steps": {}}, "its state is not that of its checkpoint"),
        ({"steps": {"two": {"outcome": "performing", "at": "2026-01-01T00:00:00Z"}}}, "it is of something unfinished"),
        ({"at": "2026-01-01T00:00:00"}, "1/checkpoint.json has 1 problems"),  # in which zone?
        ({"measurements": ["../../x"]}, "it lacks some of its measurements"),
        ({"events": {"../../x": ""}}, 'it has no event log of a BMC for "../../x"'),
        ({"events": {"node1": "[]"}}, 'it has no event log of a BMC for "node1"'),
        ({"events": {"node1": '{"time": 1, "action": "off"}'}}, 'it has no event log of a BMC for "node1"'),
        ({"events": {"node1": '{"time": -1, "action": "off", "from": ""}'}}, "it has no event log of a BMC"),
        ({"events": 1}, "1/checkpoint.json has 1 problems"),
    ],
)
def test_a_checkpoint_that_says_something_else_is_refused(
    exported: Inv, file: Path, values: dict[str, Any], told: str
) -> None:
    content = members(file)
    write(file, content | {LAST: changed(content[LAST], **values)})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert f"is not in the form of an exported checkpoint: {told}" in exported.err
    assert left() == []


def test_what_was_being_graded_is_refused(exported: Inv, file: Path) -> None:
    content = members(file)
    about = changed(content["halab.json"], checkpoints=["start", "grading"])
    write(file, content | {"halab.json": about, LAST: changed(content[LAST], name="grading")})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "it is of something unfinished" in exported.err
    assert left() == []


@pytest.mark.parametrize("name", ["kept/attempts/1x/grade.json", "kept/recordings/a/b", "kept/state.json"])
def test_what_nothing_of_an_instance_is_kept_as_is_refused(exported: Inv, file: Path, name: str) -> None:
    write(file, members(file) | {name: b"{}"})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert f'nothing is kept as "{name.removeprefix("kept/")}"' in exported.err
    assert left() == []


def test_a_measurement_that_cannot_be_read_is_refused(up: Inv, file: Path, move: Callable[[], None]) -> None:
    instance = Instance.open("tiny")
    with instance.lock():
        records.keep(instance, a_measurement())
    assert up("walk", "--to", "one", "export-checkpoint", str(file)) == Exit.GOOD
    move()
    content = members(file)
    report = next(name for name in content if name.endswith("report.json"))
    write(file, content | {report: b"{}"})

    assert up("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert 'its measurement "' in up.err
    assert left() == []


def test_more_than_there_is_room_for_is_refused(exported: Inv, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("halab.walk.parcels.shutil.disk_usage", lambda path: usage._replace(free=parcels.SPARE))

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "has more than there is room for here" in exported.err
    assert left() == []


def test_more_files_than_any_instance_has_are_refused(
    exported: Inv, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "MOST", 3)

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "has more than there is room for here" in exported.err


def test_a_name_that_is_longer_than_any_is_not_read(exported: Inv, file: Path) -> None:
    name = tarfile.TarInfo("long")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**33
    with gzip.open(file, "wb") as packed:
        packed.write(name.tobuf(tarfile.GNU_FORMAT))

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "it has a name of 8589934592 bytes" in exported.err


@pytest.mark.parametrize("name", ["checkpoints/0/checkpoint.json", LAST])
def test_a_checkpoint_that_is_missing_is_told(exported: Inv, file: Path, name: str) -> None:
    content = members(file)
    del content[name]
    write(file, content)

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert "checkpoint.json is missing" in exported.err
    assert left() == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("lab", "../tiny", "there is no lab"),
        ("provider", "nothing", 'there is no provider "nothing"'),
        ("spec", "MEMORY", "has nodes that may take more, or less, than those of lab tiny here"),
        ("spec", {}, 'is of another version of halab, or damaged: "state.spec'),
    ],
)
def test_a_state_of_what_is_not_here_is_refused(exported: Inv, file: Path, key: str, value: Any, told: str) -> None:
    content = members(file)
    state = json.loads(content["halab.json"])["state"]
    if value == "MEMORY":
        value = {**state["spec"], "machine": {**state["spec"]["machine"], "memory": 2**20}}
    state[key] = value
    write(file, content | {"halab.json": changed(content["halab.json"], state=state)})

    assert exported("import-checkpoint", str(file)) == Exit.LAB_BROKEN

    assert told in exported.err
    assert left() == []


def test_files_that_cannot_be_are_refused_before_anything_runs(up: Inv, tmp_path: Path) -> None:
    assert up("export-checkpoint", str(tmp_path)) == Exit.LAB_BROKEN
    assert "is no file" in up.err
    assert up("import-checkpoint", str(tmp_path / "none")) == Exit.LAB_BROKEN
    assert "is not there" in up.err
    assert up("import-checkpoint", str(tmp_path), "--instance", "A B") == Exit.LAB_BROKEN
