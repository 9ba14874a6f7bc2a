"""Lab files and step files: what is read, and what is refused with file, place and reason."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.toml import read
from halab.spec import labs
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML, STEP, write_lab, write_sequel


def refusal(folder: Path, toml: str) -> str:
    write_lab(folder, toml=toml)

    with pytest.raises(LabError) as caught:
        labs.load("tiny", folder)

    return str(caught.value)


def edited(*changes: tuple[str, str]) -> str:
    toml = LAB_TOML
    for old, new in changes:
        assert toml.count(old) == 1
        toml = toml.replace(old, new)
    return toml


def spec(tmp_path: Path, toml: str = LAB_TOML) -> LabSpec:
    file = tmp_path / "lab.toml"
    file.write_text(toml)
    return read(file, LabSpec)


def test_a_good_lab_is_read_with_its_nodes_and_steps(tmp_path: Path) -> None:
    write_lab(tmp_path)

    lab = labs.load("tiny", tmp_path)

    assert [node.name for node in lab.spec.nodes] == ["node1", "node2"]
    assert lab.step("two").title == "Do two"
    assert lab.step("two").prose == "What two is good for."


def test_the_labs_of_the_repository_are_good() -> None:
    loaded = [labs.load(name) for name in labs.names()]

    assert "ha-web" in [lab.name for lab in loaded]


def test_every_lab_that_containers_will_do_for_is_walked_in_a_test() -> None:
    tests = "".join(file.read_text() for file in (ROOT / "tests" / "labs").glob("test_*.py"))
    sequels = [lab for lab in map(labs.load, labs.names()) if lab.continues and not lab.paper]

    here = {lab.name for lab in sequels if "podman" in (lab.spec.needs.providers or ("podman",))}

    assert set(re.findall(r'^LAB = "(.*)"$', tests, re.MULTILINE)) == here


def test_every_lab_that_containers_will_do_for_says_where_it_is_proven_and_both_debians_have_their_turn() -> None:
    here = [lab for lab in map(labs.load, labs.names()) if "podman" in (lab.spec.needs.providers or ("podman",))]

    proven = {lab.name: lab.spec.proven_on for lab in here}

    assert proven.pop("ha-web") == ("debian12", "debian13")
    assert set(proven.values()) == {("debian12",), ("debian13",)}


@pytest.mark.parametrize(
    ("written", "read"), [('"debian13"', ("debian13",)), ('["debian12", "debian13"]', ("debian12", "debian13"))]
)
def test_a_lab_says_on_which_distros_it_is_proven(tmp_path: Path, written: str, read: tuple[str, ...]) -> None:
    write_lab(tmp_path, toml=f"proven_on = {written}\n{LAB_TOML}")
    write_sequel(tmp_path, needs=f"proven_on = {written}\n")

    assert labs.load("tiny", tmp_path).spec.proven_on == read
    assert labs.load("sequel", tmp_path).spec.proven_on == read


def test_a_sequel_does_not_inherit_where_it_is_proven(tmp_path: Path) -> None:
    write_lab(tmp_path, toml=f'proven_on = "debian13"\n{LAB_TOML}')
    write_sequel(tmp_path)

    assert labs.load("sequel", tmp_path).spec.proven_on == ()


def test_the_grader_of_every_exam_is_proven_in_a_test() -> None:
    tests = "".join(file.read_text() for file in (ROOT / "tests" / "exams").glob("test_*.py"))

    exams = {name for name in labs.names() if labs.load(name).paper}

    assert set(re.findall(r'^EXAM = "(.*)"$', tests, re.MULTILINE)) == exams


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ('vip = "', 'vpi = "', "vpi", 'unknown key, did you mean "vip"?'),
        ('workstation = "10.1.0.1"', 'workstaton = "10.1.0.1"', "networks.lan.workstaton", '"workstation"?'),
        ('mgmt = "10.2.0.11"', 'mgnt = "10.2.0.11"', "nodes[1].mgnt", 'unknown key, did you mean "mgmt"?'),
        ('lan = "10.1.0.11"', 'lan = "10.9.0.11"', "node2.lan = 10.9.0.11", "no address of network lan, 10.1.0.0/24"),
        ('mgmt = "10.2.0.11"', 'mgmt = "10.1.0.12"', "node2.mgmt", "no address of network mgmt, 10.2.0.0/24"),
        ('bmc = "10.2.0.111"', 'bmc = "10.1.0.111"', "node2.bmc", "no address of network mgmt"),
        ('workstation = "10.1.0.1"', 'workstation = "10.1.1.1"', "networks.lan.workstation", "no address of network"),
        ('lan = "10.1.0.11"', 'lan = "10.1.0.255"', "node2.lan", "no address of network lan"),
        ('lan = "10.1.0.11"', 'lan = "10.1.0.0"', "node2.lan", "no address of network lan"),
        ('lan = "10.1.0.11"', 'lan = "10.1.0.10"', "node2.lan and node1.lan", "have the same address, 10.1.0.10"),
        ('bmc = "10.2.0.111"', 'bmc = "10.2.0.10"', "node2.bmc and node1.mgmt", "have the same address, 10.2.0.10"),
        ('lan = "10.1.0.11"', 'lan = "10.1.0.1"', "node2.lan and networks.lan.workstation", "have the same address"),
        ('vip = "10.1.0.100"', 'vip = "10.1.0.11"', "vip and node2.lan", "have the same address, 10.1.0.11"),
        ('vip = "10.1.0.100"', 'vip = "10.2.0.100"', "vip = 10.2.0.100", "no address of network lan"),
        ('vip = "10.1.0.100"', 'vip = "ten"', "vip", "not 'ten'"),
        ('name = "node2"', 'name = "node1"', "lab.toml", "two nodes are called node1"),
        ('name = "node2"', 'name = "Node_2"', "nodes[1].name", "'Node_2' is no node name"),
        ('title = "A lab to test with"\n', "", "title", "missing"),
        ('bmc_password = "fence-me"', f'bmc_password = "{"x" * 21}"', "credentials.bmc_password", "at most 20"),
        ("10.2.0.0/24", "10.0.0.0/8", "lab.toml", "networks.lan and networks.mgmt overlap"),
        *(
            ('"10.1.0.0/24"', f'"{subnet}"', "networks.lan.subnet", f"{special} is {what}")
            for subnet, special, what in (
                ("127.0.0.0/8", "127.0.0.0/8", "loopback"),
                ("127.1.2.0/24", "127.0.0.0/8", "loopback"),
                ("0.0.0.0/0", "0.0.0.0/8", "this network"),
                ("0.0.0.0/8", "0.0.0.0/8", "this network"),
                ("169.254.0.0/16", "169.254.0.0/16", "link-local"),
                ("224.0.0.0/4", "224.0.0.0/4", "multicast"),
                ("239.1.2.0/24", "224.0.0.0/4", "multicast"),
                ("240.0.0.0/4", "240.0.0.0/4", "reserved"),
                ("255.255.255.255/32", "240.0.0.0/4", "reserved"),
            )
        ),
        *(
            ('name = "node2"', f'name = "{name}"', "nodes[1].name", f"'{name}' cannot name a node")
            for name in ("localhost", "lan", "mgmt", "bmc", "vip", "active", "all")
        ),
        *(
            ('name = "node2"', f'name = "{name}"', "nodes[1].name", "is no node name")
            for name in ("", "-a", "a-", "2nd", "workstation", "a_b", "a.b", "a b", "a/b", "ä", "x" * 11)
        ),
        *(
            (f'{key} = "{old}"', f'{key} = "{new}"', f"credentials.{key}", "that can be typed")
            for key, old in (("hacluster", "secret"), ("bmc_user", "admin"), ("bmc_password", "fence-me"))
            for new in (" a", "a ", "a\\nb", "a\\u0000", "ä", "\\u001b[1m")
        ),
        ('cluster = "test_cluster"', 'cluster = "-x"', "cluster", "pattern"),
        ('title = "A lab to test with"', 'title = " "', "title", "expected a line of text"),
        ('title = "A lab to test with"', 'title = "a\\nb"', "title", "expected a line of text"),
        ('title = "A lab to test with"', f"title = {'[' * 5000}{']' * 5000}", "lab.toml", "nested too deeply"),
        ('title = "A lab to test with"', f"title = {'1' * 5000}", "lab.toml", "not valid TOML"),
        (
            'title = "A lab to test with"',
            f'title = "A lab to test with"\n{".".join("a" * 2000)} = 1',
            "a",
            "unknown key",
        ),
        ("[credentials]", "[machine]\nmemory = 99999999\n[credentials]", "machine.memory", "less than or equal"),
        ("[credentials]", "[machine]\nmemory = inf\n[credentials]", "machine.memory", "finite"),
        ("[credentials]", "[machine]\ncpus = -1\n[credentials]", "machine.cpus", "greater than or equal"),
        ("[networks.lan]", "[networks.lan", "lab.toml", "not valid TOML: "),
    ],
)
def test_a_bad_lab_file_is_refused_with_file_place_and_reason(
    tmp_path: Path, old: str, new: str, place: str, reason: str
) -> None:
    said = refusal(tmp_path, edited((old, new)))

    assert str(tmp_path / "tiny" / "lab.toml") in said
    assert place in said
    assert reason in said


def test_a_password_may_have_what_a_shell_would_take_for_its_own(tmp_path: Path) -> None:
    assert spec(tmp_path, edited(('"fence-me"', '"f$n c&e"'))).credentials.bmc_password == "f$n c&e"


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    assert spec(tmp_path, f"\ufeff{LAB_TOML}").title == "A lab to test with"


@pytest.mark.parametrize("name", ["lab.toml", "10_one.py"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "regular file"),
        (os.mkfifo, "regular file"),
        (lambda file: file.symlink_to("/dev/zero"), "regular file"),
        (lambda file: file.symlink_to(file.name), "symbolic links|missing"),
        (lambda file: file.write_bytes(b"#" * 2**21), "expected at most 1048576 bytes"),
        (lambda file: file.write_bytes(b"\x7fELF\xff"), "expected text in UTF-8"),
        (lambda file: file.write_bytes(b"a = 1\0"), "TOML|null bytes"),
        (lambda file: file.write_text(f"a = {'[' * 100_000}"), "nested|never closed|too many"),
    ],
)
def test_a_file_that_is_none_is_one_sentence_with_its_name_and_waits_for_nothing(
    tmp_path: Path, name: str, make: Callable[[Path], object], reason: str
) -> None:
    file = write_lab(tmp_path) / name
    file.unlink()
    make(file)
    began = time.monotonic()

    with pytest.raises(LabError) as caught:
        labs.load("tiny", tmp_path)

    assert str(file) in str(caught.value)
    assert re.search(reason, str(caught.value))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("continues", ["x" * 300, "../tiny", "a\\u0000b", ""])
def test_a_lab_that_continues_none_is_refused(tmp_path: Path, continues: str) -> None:
    said = refusal(tmp_path, f'title = "a"\ncontinues = "{continues}"\n')

    assert "tiny/lab.toml: continues: there is no lab" in said


def test_a_number_of_nodes_that_no_lab_has_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 16"):
        spec(tmp_path).with_nodes(50_000_000)


def test_a_lab_without_nodes_is_refused(tmp_path: Path) -> None:
    head, _, rest = LAB_TOML.partition("[[nodes]]")
    credentials = rest[rest.index("[credentials]") :]

    said = refusal(tmp_path, head.replace('vip = "10.1.0.100"', 'vip = "10.1.0.100"\nnodes = []') + credentials)

    assert str(tmp_path / "tiny" / "lab.toml") in said
    assert "nodes: tuple should have at least 1 item" in said


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, edited(('cluster = "test_cluster"', 'cluster = "no good"'), ('"secret"', '""')))

    assert "cluster" in said
    assert "credentials.hacluster" in said


def test_an_unknown_lab_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_lab(tmp_path, "tiny")

    with pytest.raises(LabError, match=r'no lab "tiyn", did you mean "tiny"\?'):
        labs.load("tiyn", tmp_path)


def test_a_lab_without_steps_is_refused(tmp_path: Path) -> None:
    write_lab(tmp_path, steps=())

    with pytest.raises(LabError, match=r"tiny has no steps: expected files such as 10_install\.py"):
        labs.load("tiny", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"""Title"""\nimport os\nimport no_such_module\n', ", line 3: .*ModuleNotFoundError.*no_such_module"),
        ('"""Title"""\n\ndef perform(lab:\n', ", line 3: .*SyntaxError"),
        ('"""Title"""\n1 / 0\n', ", line 2: .*ZeroDivisionError"),
        ('"""Title"""\ndef verify(lab): ...\n', r": expected a function perform\(lab\), found none"),
        ('"""Title"""\ndef perform(lab): ...\n', r": expected a function verify\(lab\), found none"),
        ("def perform(lab): ...\ndef verify(lab): ...\n", ": expected a docstring"),
    ],
)
def test_a_bad_step_file_is_refused_with_file_line_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    lab = write_lab(tmp_path)
    (lab / "20_two.py").write_text(text)

    with pytest.raises(LabError, match=rf"tiny/20_two\.py{reason}"):
        labs.load("tiny", tmp_path)


def test_steps_come_in_the_order_of_their_file_names(tmp_path: Path) -> None:
    lab = write_lab(tmp_path, steps=("first", "last"))
    (lab / "15_between.py").write_text(STEP.format(name="between"))

    steps = labs.load("tiny", tmp_path).steps

    assert [step.name for step in steps] == ["first", "between", "last"]


def test_an_unknown_step_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_lab(tmp_path)

    with pytest.raises(LabError, match=r'lab tiny has no step "there", did you mean "three"\?'):
        labs.load("tiny", tmp_path).step("there")


def test_more_nodes_continue_the_row(tmp_path: Path) -> None:
    three = spec(tmp_path).with_nodes(3)

    added = three.nodes[2]
    assert (added.name, str(added.lan), str(added.mgmt), str(added.bmc)) == (
        "node3",
        "10.1.0.12",
        "10.2.0.12",
        "10.2.0.112",
    )


def test_fewer_nodes_are_the_first_of_the_file(tmp_path: Path) -> None:
    one = spec(tmp_path).with_nodes(1)

    assert [node.name for node in one.nodes] == ["node1"]


def test_the_rest_of_the_lab_stays_as_it_is_with_more_nodes(tmp_path: Path) -> None:
    two = spec(tmp_path)

    three = two.with_nodes(3)

    assert three.model_copy(update={"nodes": two.nodes}) == two


@pytest.mark.parametrize(
    ("changes", "count", "reason"),
    [
        ([('"10.1.0.100"', '"10.1.0.12"')], 3, "vip and node3.lan have the same address, 10.1.0.12"),
        ([('lan = "10.1.0.11"', 'lan = "10.1.0.254"')], 3, "node3.lan = 10.1.0.255 is no address of network lan"),
        ([('"10.2.0.111"', '"10.2.0.9"')], 3, "node3.bmc and node1.mgmt have the same address"),
        ([], 17, "at most 16 items"),
        ([], 0, "at least 1 item"),
        ([], -1, "at least 1 item"),
    ],
)
def test_a_number_of_nodes_that_the_lab_cannot_have_is_refused(
    tmp_path: Path, changes: list[tuple[str, str]], count: int, reason: str
) -> None:
    write_lab(tmp_path, toml=edited(*changes))
    lab = labs.load("tiny", tmp_path)

    with pytest.raises(LabError) as caught:
        lab.with_nodes(count)

    assert str(tmp_path / "tiny" / "lab.toml") in str(caught.value)
    assert f"cannot have {count} nodes: " in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("steps", [("auth", "start"), ("auth", "setup", "auth")])
def test_step_names_that_clash_are_refused(tmp_path: Path, steps: tuple[str, ...]) -> None:
    write_lab(tmp_path, steps=steps)

    with pytest.raises(LabError, match=f"is called {steps[-1]}"):
        labs.load("tiny", tmp_path)
