"""Steps and exams that harm the process that reads or runs them."""

import os
import time
from pathlib import Path

import pytest

from halab.cli.selection import Selection
from halab.exams.draw import draw
from halab.kit.errors import Exit, LabError
from halab.spec import lab_code, labs
from halab.spec.lab_code import apart
from tests.fakes import LAB_TOML, World, write_lab
from tests.inv import Inv
from tests.unit.test_authoring import EXAM, GRADE, README

ENDS = {
    "exit": "import sys; sys.exit(0)",
    "raises": "raise SystemExit",
    "generator": "raise GeneratorExit",
    "at-once": "import os; os._exit(0)",
    "becomes": "import os; os.execvp('true', ['true'])",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "for-ever": "while True: pass",
    "stubborn": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "child": "import os, subprocess; subprocess.Popen(['sleep', '1000']); os.kill(os.getpid(), 9)",
    "asks": "input()",
    "silent": "import os; os.closerange(3, 100); os.kill(os.getpid(), 9)",
}
STEP = '"""Do it"""\n\n\ndef perform(lab):\n    {perform}\n\n\ndef verify(lab):\n    {verify}\n'


@pytest.fixture
def inv(world: World, inv: Inv) -> Inv:
    assert inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12") == Exit.GOOD
    return inv


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_code, "READING", 3.0)


def bad_lab(tmp_path: Path, text: str) -> Path:
    """Write a lab `bad`, before `tiny` in the alphabet, whose second step is this text. Return the step's file."""
    (write_lab(tmp_path / "labs", "bad") / "20_two.py").write_text(text)
    return tmp_path / "labs" / "bad" / "20_two.py"


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_whatever_ends_the_process_that_reads_it_is_the_labs_fault_and_no_other_labs(
    inv: Inv, tmp_path: Path, text: str
) -> None:
    file = bad_lab(tmp_path, text)

    code = inv("labs")

    assert code == Exit.LAB_BROKEN
    assert "tiny: A lab to test with (one, two, three)" in inv.out
    (told,) = [line for line in inv.out.replace("\n", " ").split("other: ") if "bad: it is broken: " in line]
    assert str(file) in told.replace(" ", "") or str(file) in inv.out.replace("\n", "")


@pytest.mark.parametrize("text", ["import sys; sys.exit(0)", "import os; os._exit(0)", ENDS["killed"]])
def test_no_command_ends_with_0_because_a_lab_ended_it(inv: Inv, tmp_path: Path, text: str) -> None:
    file = bad_lab(tmp_path, text)

    selected = inv("lab", "--name", "bad")
    assert (selected, str(file) in inv.err.replace("\n", "")) == (Exit.LAB_BROKEN, True)
    assert inv("lint-lab", "--name", "bad") == Exit.CHECK_FAILED
    assert str(file) in inv.out.replace("\n", "")
    assert inv("prove", "bad") == Exit.LAB_BROKEN


@pytest.mark.parametrize("arguments", [["lab", "--name", "bad"], ["lint-lab", "--name", "bad"], ["labs"]])
def test_a_step_that_never_ends_is_told_by_its_file_within_seconds(
    inv: Inv, tmp_path: Path, arguments: list[str]
) -> None:
    file, began = bad_lab(tmp_path, ENDS["for-ever"]), time.monotonic()

    assert inv(*arguments) != Exit.GOOD

    assert f"{file}: it is not done within 3 s" in (inv.out + inv.err).replace("\n", "")
    assert time.monotonic() - began < 15


def test_solutions_that_never_end_are_told_by_their_file_within_seconds(inv: Inv, tmp_path: Path) -> None:
    file, began = write_lab(tmp_path / "labs", "bad") / "solutions.py", time.monotonic()
    file.write_text(ENDS["for-ever"])

    assert inv("lint-lab", "--name", "bad") == Exit.CHECK_FAILED

    assert f"{file}: it is not done within 3 s" in inv.out.replace("\n", "")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("name", ["20_two.py", "README.md", "solutions.py"])
def test_a_pipe_in_place_of_a_file_is_waited_for_by_nobody(inv: Inv, tmp_path: Path, name: str) -> None:
    place = write_lab(tmp_path / "labs", "bad")
    (place / "README.md").write_text(README)
    (place / name).unlink(missing_ok=True)
    os.mkfifo(place / name)

    assert inv("lint-lab", "--name", "bad") == Exit.CHECK_FAILED

    assert f"bad/{name}" in inv.out.replace("\n", "")


def test_one_bad_lab_hides_no_problem_of_another_one(inv: Inv, tmp_path: Path) -> None:
    bad_lab(tmp_path, "import os; os.kill(os.getpid(), 9)")

    inv("lint-lab")

    said = inv.out.replace("\n", "")
    assert "bad/20_two.py: it ends the program that runs it (signal 9)" in said
    assert "other/README.md: missing" in said
    assert "tiny/README.md: missing" in said


@pytest.mark.parametrize(
    ("end", "where"),
    [
        *((end, "perform") for end in ("exit", "generator", "at-once", "becomes", "killed", "asks")),
        ("for-ever", "verify"),
    ],
)
def test_show_tells_of_a_step_that_ends_the_process_on_a_recorder(
    inv: Inv, tmp_path: Path, end: str, where: str
) -> None:
    file = bad_lab(tmp_path, STEP.format(**{"perform": "pass", "verify": "pass", where: ENDS[end]}))
    inv("lab", "--name", "bad")

    code = inv("show", "--step", "two")

    assert code == Exit.LAB_BROKEN
    assert str(file) in inv.err.replace("\n", "")


@pytest.mark.parametrize("where", ["perform", "verify"])
@pytest.mark.parametrize("end", ["exit", "raises", "generator", "at-once", "becomes"])
def test_a_step_that_ends_the_process_is_not_passed(inv: Inv, tmp_path: Path, where: str, end: str) -> None:
    text = STEP.format(**{"perform": "pass", "verify": "pass", where: ENDS[end]})
    file = tmp_path / "labs" / "tiny" / "20_two.py"
    file.write_text(text)

    code = inv("up", "walk")

    assert code == Exit.LAB_BROKEN
    assert f"{file}, line {5 if where == 'perform' else 9}: it ends the program" in inv.err.replace("\n", "")
    outcomes = {step["name"]: step["outcome"] for step in inv.json("status")["steps"]}
    assert outcomes == {"one": "passed", "two": "unknown", "three": None}


@pytest.mark.parametrize("end", ["at-once", "killed", "for-ever"])
def test_solutions_that_end_the_process_prove_nothing(inv: Inv, tmp_path: Path, end: str) -> None:
    file = tmp_path / "labs" / "tiny" / "solutions.py"
    file.write_text(ENDS[end])

    assert inv("prove", "tiny") == Exit.LAB_BROKEN
    assert str(file) in inv.err.replace("\n", "")


def test_an_instance_can_be_removed_whatever_has_become_of_its_lab(inv: Inv, tmp_path: Path) -> None:
    inv("lab", "--name", "tiny", "--instance", "mine", "--provider", "fake", "--distro", "debian12", "up")
    inv("lab", "--name", "other")
    (tmp_path / "labs" / "tiny" / "20_two.py").write_text("import os; os._exit(0)")

    assert inv("lab", "--instance", "mine", "down") == Exit.GOOD
    assert "Instance mine is removed." in inv.out


def test_a_step_may_start_programs(inv: Inv, tmp_path: Path) -> None:
    """A child that it forks uses os._exit or os.execv to start a program."""
    forks = "import os; pid = os.fork() or os.execv('/bin/true', ['true']); assert os.waitpid(pid, 0)[1] == 0"
    (tmp_path / "labs" / "tiny" / "20_two.py").write_text(
        STEP.format(perform=forks, verify="from tests.fakes import done; lab.check('yes', done('one'))")
    )

    assert inv("up", "walk") == Exit.GOOD
    assert os._exit.__module__ == "posix"


def test_a_draw_that_ends_the_process_is_the_exams_fault(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "labs" / "test"
    folder.mkdir()
    for name, text in {"exam.toml": EXAM, "README.md": README, "grade.py": GRADE}.items():
        (folder / name).write_text(text)
    (folder / "grade.py").write_text(GRADE.replace("def draw(random, spec):", "def draw(random, spec):\n    exit(0)"))
    exam = labs.load("test")

    with pytest.raises(LabError, match=r"test/grade\.py, line \d+: it ends the program that runs it"):
        draw(exam, exam.spec, Selection().instance_name, "")


def test_what_cannot_be_read_as_a_file_is_told_and_not_waited_for(inv: Inv, tmp_path: Path) -> None:
    step = bad_lab(tmp_path, "")
    step.unlink()
    os.mkfifo(step)
    for name, make in (("pipe", os.mkfifo), ("folder", os.mkdir)):
        (tmp_path / "labs" / name).mkdir()
        make(tmp_path / "labs" / name / "lab.toml")
    began = time.monotonic()

    inv("labs")

    said = inv.out.replace("\n", " ")
    assert "20_two.py is no regular file" in said
    assert "pipe/lab.toml: expected a regular file" in said
    assert "folder/lab.toml: expected a regular file" in said
    assert time.monotonic() - began < lab_code.READING


def test_brackets_without_end_are_no_toml(tmp_path: Path) -> None:
    write_lab(tmp_path, toml=LAB_TOML + "deep = " + "[" * 5000)

    with pytest.raises(LabError, match=r"tiny/lab\.toml: not valid TOML: it is nested too deeply"):
        labs.load("tiny", tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    lab = write_lab(tmp_path)
    (lab / "lab.toml").write_text(LAB_TOML, encoding="utf-8-sig")

    assert labs.load("tiny", tmp_path).spec.title == "A lab to test with"


def test_what_is_done_apart_may_be_long_and_may_raise(tmp_path: Path) -> None:
    def raises() -> None:
        raise LabError("as it is")

    assert len(apart(lambda: "x" * 3_000_000, "this")) == 3_000_000
    with pytest.raises(LabError, match=r"^as it is$"):
        apart(raises, "this")
    with pytest.raises(LabError, match=r"(pickle|local object)"):  # the words depend on the version of Python
        apart(lambda: lambda: None, "this")


def test_what_a_lab_prints_when_it_is_read_does_not_mix_with_what_is_told(inv: Inv, tmp_path: Path) -> None:
    bad_lab(tmp_path, '"""Do it"""\nprint("noise")\n\n\ndef perform(lab): ...\ndef verify(lab): ...\n')

    found = [lab["name"] for lab in inv.json("labs")]

    assert found == ["bad", "other", "tiny"]
