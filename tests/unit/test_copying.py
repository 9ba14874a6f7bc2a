"""`inv copy`. The fake nodes are this host: what is on node1 is below the directory `node`."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import IO

import pytest

from halab.cli import copying
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.kit.errors import Exit
from tests.fakes import World
from tests.inv import Inv

pytestmark = pytest.mark.usefixtures("selected")


@pytest.fixture
def selected(instance: Instance, inv: Inv) -> None:
    inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    node = tmp_path / "node"
    node.mkdir()
    return node


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def tree(place: Path) -> Path:
    (place / "sub").mkdir(parents=True)
    (place / "one").write_text("1")
    (place / "sub/two").write_text("2")
    return place


def files(place: Path) -> dict[str, str]:
    return {str(path.relative_to(place)): path.read_text() for path in sorted(place.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("file", "new", {"new": "f"}),
        ("file", "", {"file": "f"}),
        ("file", "dir", {"dir/file": "f"}),
        ("file", "dir/", {"dir/file": "f"}),
        ("file", "dir/as", {"dir/as": "f"}),
        ("tree", "new", {"new/one": "1", "new/sub/two": "2"}),
        ("tree", "dir", {"dir/tree/one": "1", "dir/tree/sub/two": "2"}),
        ("tree/", "dir/", {"dir/tree/one": "1", "dir/tree/sub/two": "2"}),
        ("tree/.", "dir", {"dir/one": "1", "dir/sub/two": "2"}),
        ("tree/.", "new", {"new/one": "1", "new/sub/two": "2"}),
        ("it's $HOME; a\nname", "dir", {"dir/it's $HOME; a\nname": "odd"}),
        ("link", "new", {"new": "f"}),
        ("-rf", "dir", {"dir/-rf": "dash"}),
    ],
)
def test_files_and_directories_arrive_where_scp_would_put_them(
    inv: Inv, node: Path, here: Path, way: str, source: str, destination: str, expected: dict[str, str]
) -> None:
    begin, end = (here, node) if way == "to" else (node, here)
    (begin / "file").write_text("f")
    (begin / "link").symlink_to("file")
    (begin / "-rf").write_text("dash")
    (begin / "it's $HOME; a\nname").write_text("odd")
    tree(begin / "tree")
    (end / "dir").mkdir()

    if way == "to":
        status = inv("copy", f"./{source}", f"node1:{node}/{destination}")
    else:
        status = inv("copy", f"node1:{node}/{source}", f"./{destination}")

    assert (status, inv.err) == (Exit.GOOD, "")
    assert files(end) == expected
    assert not list(end.rglob("*halab*"))


def test_a_directory_is_merged_into_one_of_that_name_and_files_keep_their_modes(
    inv: Inv, node: Path, here: Path
) -> None:
    for place in (node, here):
        (place / "tree").mkdir()
        (place / "tree/old").write_text("old")
    tree(here / "more/tree")
    for keep in (node / "tree/one", here / "back"):
        keep.write_text("before")
        keep.chmod(0o640)

    inv("copy", "more/tree/one", f"node1:{node}/tree/one")
    inv("copy", "more/tree", f"node1:{node}")
    inv("copy", f"node1:{node}/tree/one", "back")
    inv("copy", f"node1:{node}/tree", str(here))

    assert files(node) == {"tree/old": "old", "tree/one": "1", "tree/sub/two": "2"}
    assert files(here / "tree") == {"old": "old", "one": "1", "sub/two": "2"}
    assert ((here / "back").stat().st_mode & 0o777, (here / "back").read_text()) == (0o640, "1")


def test_from_one_node_to_another_and_to_the_workstation(inv: Inv, node: Path, here: Path) -> None:
    tree(node / "tree")

    assert inv("copy", f"node1:{node}/tree", f"node2:{node}/twin") == Exit.GOOD
    assert inv("copy", f"node1:{node}/tree/one", f"workstation:{node}/one") == Exit.GOOD

    assert files(node / "twin") == files(node / "tree")
    assert (node / "one").read_text() == "1"


def test_a_file_that_has_no_size_until_it_is_read_is_copied(inv: Inv, here: Path) -> None:
    assert inv("copy", "node1:/proc/sys/kernel/ostype", "kind") == Exit.GOOD

    assert (here / "kind").read_text() == "Linux\n"


@pytest.mark.parametrize(
    ("source", "destination", "said"),
    [
        ("here.txt", "there.txt", "neither is on a node"),
        ("file", "nod1:/x", 'no node "nod1", did you mean "node1"?'),
        ("missing", "node1:{node}/x", "there is no missing"),
        ("file", "node1:{node}/no/such", "node1: there is no directory {node}/no"),
        ("file", "node1:{node}/no/", "node1: there is no directory {node}/no/"),
        ("file", "node1:{node}/holds", "node1: {node}/holds/file is a directory"),
        ("tree", "node1:{node}/flat", "is there already, and is no directory"),
        ("node1:{node}/missing", ".", "node1: there is no {node}/missing"),
        ("node1:{node}/flat", "no/such", "there is no directory no"),
        ("node1:{node}/flat", "no/", "there is no directory no/"),
        ("node1:/dev/null", "null", "is neither a file nor a directory"),
        ("node1:{node}/holds", "file", "file is there already, and is no directory"),
        ("tree", "node1:/proc", "node1: mktemp: failed to create directory via template"),
        ("node1:{node}/flat", "/proc", "could not be copied: No such file or directory: /proc/.halab-copy-"),
    ],
)
def test_what_cannot_be_copied_is_told_in_one_sentence_and_leaves_nothing(
    inv: Inv, node: Path, here: Path, source: str, destination: str, said: str
) -> None:
    (here / "file").write_text("f")
    tree(here / "tree")
    (node / "flat").write_text("flat")
    (node / "holds/file").mkdir(parents=True)
    before = sorted([*here.rglob("*"), *node.rglob("*")])

    status = inv("copy", source.format(node=node), destination.format(node=node))

    assert status == Exit.LAB_BROKEN
    assert said.format(node=node) in inv.err
    assert inv.err.count("\n") == 1
    assert sorted([*here.rglob("*"), *node.rglob("*")]) == before


@pytest.mark.parametrize("state", ["off", "frozen"])
def test_a_node_that_cannot_answer_is_told(inv: Inv, world: World, node: Path, here: Path, state: str) -> None:
    (here / "file").write_text("f")
    world.power["node1"] = state

    for ends in (("file", f"node1:{node}"), (f"node1:{node}", "x")):
        assert inv("copy", *ends) == Exit.LAB_BROKEN
        assert inv.err == f"halab: node1 is not reachable: it is {state}\n"


def test_of_much_that_a_node_complains_the_first_line_is_told(
    inv: Inv, here: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints = "echo 'time=\"now\" level=warning' >&2; echo 'no space left' >&2; seq 100000 >&2; exit 2"
    monkeypatch.setattr(copying, "TAKE", complaints)
    (here / "file").write_text("f")

    assert inv("copy", "file", f"node1:{node}") == Exit.LAB_BROKEN

    assert inv.err == "halab: node1: no space left\n"


def test_what_is_copied_to_a_node_counts_as_work_by_hand(inv: Inv, instance: Instance, node: Path, here: Path) -> None:
    (here / "file").write_text("f")
    assert not by_hand.may_have_worked(instance)

    inv("copy", "file", f"node1:{node}")

    assert by_hand.may_have_worked(instance)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("way", ["to", "from"])
def test_a_copy_that_is_ended_in_the_middle_leaves_no_half_file(
    instance: Instance, node: Path, here: Path, way: str, number: signal.Signals
) -> None:
    """The source is a file that grows for ever by being a sparse one of a terabyte."""
    begin, end = (here, node) if way == "to" else (node, here)
    with (begin / "big").open("wb") as file:
        file.truncate(2**40)
    source, final = (begin / "big", f"node1:{end}/big") if way == "to" else (f"node1:{begin}/big", end / "big")
    script = (
        "import sys; from halab.cli import copying; from halab.instance.instance import Instance;"
        "from halab.kit.audience import NOBODY; from halab.providers import PROVIDERS; from tests.fakes import World;"
        "PROVIDERS['fake'] = 'tests.fakes:FakeProvider'; World.current = World(power={'node1': 'on'});"
        "copying.copy(Instance.open(sys.argv[1]), *sys.argv[2:], NOBODY)"
    )
    copy = subprocess.Popen(
        [sys.executable, "-c", script, instance.name, str(source), str(final)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not any(path.is_file() and path.stat().st_size for path in end.glob(".halab-copy*/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    os.kill(copy.pid, number)
    copy.wait(timeout=20)

    assert not (end / "big").exists()
    if way == "to" or number == signal.SIGINT:  # nobody is left here to clean up after SIGKILL
        while list(end.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_stream_that_ends_between_two_files_is_not_taken_for_whole(
    inv: Inv, here: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(item: Path, out: IO[bytes], name: str, end: str) -> None:
        with tarfile.open(fileobj=out, mode="w|") as stream:
            stream.add(item, name)

    monkeypatch.setattr("halab.kit.trees.send", send)
    (here / "file").write_text("f")

    assert inv("copy", "file", f"node1:{node}") == Exit.LAB_BROKEN

    assert "not all went through" in inv.err
    assert list(node.iterdir()) == []


def test_paths_on_a_node_begin_at_home_as_those_of_scp(instance: Instance) -> None:
    paths = {given: copying.place(instance, given).path for given in ("node1:x", "node1:", "node1:~/x", "node1:/x")}

    assert paths == {"node1:x": "/root/x", "node1:": "/root", "node1:~/x": "/root/x", "node1:/x": "/x"}
    assert copying.place(instance, "workstation:x").path == "/home/learner/x"
    assert copying.place(instance, "./node1:x").of == ""
