"""What authors get: a lab to start from, what lint-lab finds, schemas, and a page that lists every condition."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from invoke.collection import Collection
from jsonschema import Draft202012Validator

import tasks
from halab import conditions
from halab.authoring import new, prose, schemas
from halab.authoring.lint import Findings, lint, lint_docs
from halab.kit.errors import Exit, LabError
from halab.kit.paths import ROOT
from halab.spec import labs
from halab.walk import show
from tests.fakes import LAB_TOML
from tests.inv import Inv

COMMANDS = Collection.from_module(tasks).to_contexts()
README = "# A lab to test with\n"
STEP = '''\
"""Do one thing

Why it is done.
"""

from halab.conditions import command, online


def perform(lab):
    lab.nodes[0].type("pcs status")


def verify(lab):
    lab.check("every node is online", online())
'''
EXAM = """\
title = "An exam to test with"
continues = "tiny"
pass_mark = 50
minutes = 30

[[tasks]]
name = "first"
title = "Do the first thing"
points = 6
"""
GRADE = '''\
"""One thing is wrong."""

from halab.conditions import online, quorate


def draw(random, spec):
    return spec, {"wrong": random.choice(["this", "that"])}


def begin(lab, drawn):
    lab.nodes[0].run("true")


def look(exam, drawn):
    with exam.task("first"):
        exam.check("every node is online", online(), points=2)


def shake(exam, drawn):
    exam.boot_all()
    with exam.task("first"):
        exam.check("there is quorum", quorate(), points=4)
'''


UNPROVEN = "no wrong solution in solutions.py is about it"
SOLUTIONS = """\
from halab.proof import Solution, typed

SOLUTIONS = {"one": (Solution("wrong", typed(), fails=("",)),)}


def draws(spec):
    return [(spec, {"wrong": "this"})]


def solutions(drawn):
    return SOLUTIONS["one"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of labs with one good lab, tiny, and one good exam, test."""
    folder = tmp_path / "labs"
    monkeypatch.setattr(labs, "LABS", folder)
    (folder / "tiny").mkdir(parents=True)
    (folder / "test").mkdir()
    for file, text in {
        "tiny/lab.toml": LAB_TOML,
        "tiny/README.md": README,
        "tiny/10_one.py": STEP,
        "tiny/solutions.py": SOLUTIONS,
        "test/exam.toml": EXAM,
        "test/README.md": README,
        "test/grade.py": GRADE,
        "test/solutions.py": SOLUTIONS,
    }.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture
def beside_ha_web(place: Path) -> Path:
    shutil.copytree(ROOT / "labs" / "ha-web", place / "ha-web")
    return place


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def found(name: str = "tiny") -> Findings:
    return lint([name], COMMANDS)


def only(problems: tuple[str, ...]) -> str:
    assert len(problems) == 1
    return problems[0]


@pytest.mark.parametrize("name", labs.names())
def test_nothing_is_wrong_with_the_labs_there_are(name: str) -> None:
    assert found(name).problems == ()


def test_nothing_is_dead_in_the_docs_there_are() -> None:
    assert lint_docs(COMMANDS).problems == ()


# What is proven


def test_a_check_that_no_wrong_solution_is_about_is_told_with_its_line(place: Path) -> None:
    edit(place / "tiny" / "solutions.py", 'fails=("",)', 'fails=("is online",)')
    edit(place / "tiny" / "10_one.py", "online())", 'online())\n    lab.check("all is well", online())')

    assert only(found().problems).endswith(f'10_one.py, line 15: "all is well": {UNPROVEN}')


def test_a_check_of_an_exam_that_no_wrong_solution_is_about_is_told(place: Path) -> None:
    edit(place / "test" / "solutions.py", 'fails=("",)', 'fails=("quorum",)')

    assert only(found("test").problems).endswith(f'"every node is online": {UNPROVEN}')


def test_a_wrong_solution_that_is_about_nothing_is_told(place: Path) -> None:
    edit(place / "tiny" / "solutions.py", 'fails=("",)', 'fails=("", "onlien")')

    assert "solutions.py, line 1: wrong: no check's sentence has 'onlien' in it" in only(found().problems)


def test_solutions_of_an_unknown_step_are_told_with_the_nearest_name(place: Path) -> None:
    edit(place / "tiny" / "solutions.py", '{"one": (', '{"on": (), "one": (')

    assert 'there is no step "on", did you mean "one"?' in only(found().problems)


@pytest.mark.parametrize("name", ["tiny", "test"])
def test_a_lab_without_solutions_is_told_so(place: Path, name: str) -> None:
    (place / name / "solutions.py").unlink()

    assert only(found(name).problems).endswith(f"{name}/solutions.py is missing")


# What new-lab and new-step make


def test_a_new_lab_is_a_good_lab_of_two_steps_that_continues_ha_web(beside_ha_web: Path) -> None:
    made = new.new_lab("my-lab-2")

    lab = labs.load("my-lab-2")
    assert made == beside_ha_web / "my-lab-2"
    assert [step.name for step in lab.steps] == ["standby", "back"] == list(new.STEPS)
    assert lab.continues
    assert lab.continues.name == "ha-web"
    assert found("my-lab-2").problems == ()
    assert show.record(lab.step("standby"), lab.spec, "debian12")[0].text == "pcs node standby node1"


def test_a_new_lab_knows_its_schema(beside_ha_web: Path) -> None:
    toml = new.new_lab("mine") / "lab.toml"

    assert toml.read_text().splitlines()[0] == "#:schema ../../docs/schemas/lab.schema.json"


def test_what_is_made_is_formatted_as_the_project_is(beside_ha_web: Path) -> None:
    new.new_lab("mine")
    new.new_step("third", "mine")
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--no-cache", f"--config={ROOT / 'pyproject.toml'}", str(beside_ha_web / "mine")]

    checked = subprocess.run([*ruff, "check", *config], capture_output=True, text=True, check=False)
    formatted = subprocess.run([*ruff, "format", "--check", *config], capture_output=True, text=True, check=False)

    assert (checked.returncode, formatted.returncode) == (0, 0), checked.stdout + formatted.stdout


@pytest.mark.parametrize("name", ["", "Upper", "two words", "../up", "-dash", "dash-", "two--dashes", "7up", "start"])
def test_what_is_no_name_is_refused_for_labs_and_steps(beside_ha_web: Path, name: str) -> None:
    before = sorted(beside_ha_web.parent.rglob("*"))

    with pytest.raises(LabError, match="is no name"):
        new.new_lab(name)
    with pytest.raises(LabError, match="is no name"):
        new.new_step(name, "tiny")
    assert sorted(beside_ha_web.parent.rglob("*")) == before


@pytest.mark.parametrize("there", ["tiny", "empty"])
def test_a_folder_that_is_there_is_no_new_lab(place: Path, there: str) -> None:
    (place / "empty").mkdir()
    before = sorted(place.parent.rglob("*"))

    with pytest.raises(LabError, match=f"labs/{there} is there already"):
        new.new_lab(there)
    assert sorted(place.parent.rglob("*")) == before


def test_a_lab_that_could_not_be_made_whole_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(place.parent.rglob("*"))

    def render_none_of_the_steps(template: Path, **values: object) -> str:
        assert sorted(place.iterdir()) == [place / "test", place / "tiny"]
        if template.name.startswith("20"):
            raise OSError("no space left")
        return "half"

    monkeypatch.setattr(new, "render", render_none_of_the_steps)

    with pytest.raises(OSError, match="no space left"):
        new.new_lab("mine")
    assert sorted(place.parent.rglob("*")) == before


@pytest.mark.parametrize(("last", "number"), [("10_one", 20), ("35_odd", 40), ("80_late", 90)])
def test_a_new_step_is_numbered_after_the_last_one_in_tens(place: Path, last: str, number: int) -> None:
    (place / "tiny" / f"{last}.py").write_text(STEP)

    made = new.new_step("more", "tiny")

    assert made == place / "tiny" / f"{number}_more.py"
    assert [step.name for step in labs.load("tiny").steps][-1] == "more"
    assert {problem.partition('": ')[2] for problem in found().problems} == {UNPROVEN}


def test_a_step_that_would_not_come_last_is_refused(place: Path) -> None:
    (place / "tiny" / "90_last.py").write_text(STEP)

    with pytest.raises(LabError, match="tiny has no number left for more"):
        new.new_step("more", "tiny")


def test_a_step_that_is_there_is_not_made_anew_whatever_its_number(place: Path) -> None:
    with pytest.raises(LabError, match=r"tiny/10_one\.py is there already"):
        new.new_step("one", "tiny")
    assert (place / "tiny" / "10_one.py").read_text() == STEP


@pytest.mark.parametrize(("lab", "reason"), [("test", "is an exam"), ("tinny", 'did you mean "tiny"')])
def test_only_a_lab_gets_a_new_step(place: Path, lab: str, reason: str) -> None:
    with pytest.raises(LabError, match=reason):
        new.new_step("more", lab)


# What lint-lab finds in labs


def test_a_good_lab_and_a_good_exam_have_no_problem(place: Path) -> None:
    assert found("tiny") == Findings(())
    assert found("test").problems == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    lab.check", "    print", r"tiny/10_one\.py: verify states no check"),
        ("online())", 'command(lab.nodes[1], "true"))', 'py, line 14: "every node is online" has no hint, neither of'),
        ("online())", 'online(), hint="inv measur")', 'line 14: hint: `inv measur`: there is no command "measur"'),
        ("online())", 'online(), hint="inv heal --fault fire")', 'hint: `inv heal --fault fire`: there is no fault "f'),
        ("    lab.check", "    lab.chekc", "py, line 14: verify cannot be read without a cluster: AttributeError"),
        (
            "    lab.nodes[0].type",
            "    lab.nodes[0].run",
            "py, line 10: perform cannot be read .*: run is asked of a real",
        ),
        ("    lab.nodes[0].type", "    lab.status(", "py, line 10: .*invalid syntax|py, line 10: .*SyntaxError"),
        ("Why it is done.", "First\n`inv step two`", 'py, line 4: `inv step two`: there is no step "two"'),
    ],
)
def test_what_is_wrong_with_a_step_is_told_with_its_line(place: Path, old: str, new: str, problem: str) -> None:
    edit(place / "tiny" / "10_one.py", old, new)

    assert re.search(problem, only(found().problems))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('cluster = "t', 'clutser = "t', 'tiny/lab.toml: clutser: unknown key, did you mean "cluster"?'),
        (
            "[networks.lan]",
            '[needs]\ndistros = ["rocky8"]\n[networks.lan]',
            "lab.toml: needs.distros: there is no distro",
        ),
        ("[networks.lan]", '[needs]\nproviders = ["docker"]\n[networks.lan]', "needs.providers: there is no provider"),
        (
            "[networks.lan]",
            '[needs]\npackages = ["lsyncd", "lsyncf"]\n[networks.lan]',
            "lab.toml: needs.packages: no distro has lsyncd and lsyncf in its pool",
        ),
        (
            'cluster = "t',
            'proven_on = "debain13"\ncluster = "t',
            'lab.toml: proven_on: the lab cannot run on "debain13", did you mean "debian13"?',
        ),
        ("[networks.lan]", "[needs]\nnodes = [99]\n[networks.lan]", "tiny/lab.toml cannot have 99 nodes: "),
    ],
)
def test_what_is_wrong_with_a_lab_file_is_told(place: Path, old: str, new: str, problem: str) -> None:
    edit(place / "tiny" / "lab.toml", old, new)

    assert problem in only(found().problems)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('continues = "tinny"', 'more/lab.toml: continues: there is no lab "tinny", did you mean "tiny"?'),
        ('continues = "tiny"\n[needs]\nnodes = [99]', "more/lab.toml cannot have 99 nodes: "),
    ],
)
def test_what_is_wrong_with_a_sequel_is_told_of_its_own_file(place: Path, more: str, problem: str) -> None:
    shutil.copytree(place / "tiny", place / "more")
    (place / "more" / "lab.toml").write_text(f'title = "More"\n{more}\n')

    assert problem in only(found("more").problems)


def test_every_step_that_does_not_import_is_told(place: Path) -> None:
    (place / "tiny" / "20_two.py").write_text('"""Two"""\nimport nothing_there\n')
    (place / "tiny" / "30_three.py").write_text('"""Three"""\n')

    problems = found().problems

    assert len(problems) == 2
    assert "20_two.py, line 2: it does not import" in problems[0]
    assert "30_three.py: expected a function perform(lab), found none" in problems[1]


def test_a_lab_without_readme_has_a_problem(place: Path) -> None:
    (place / "tiny" / "README.md").unlink()

    assert "tiny/README.md: missing" in only(found().problems)


def test_a_mistake_that_every_node_and_distro_meets_is_told_once(place: Path) -> None:
    edit(place / "tiny" / "10_one.py", "    lab.check(", "    for node in lab.nodes:\n        lab.check(")
    edit(place / "tiny" / "10_one.py", "online())", 'command(node, "true"))')

    assert "line 15" in only(found().problems)


# What it finds in exams


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "points=4",
            "points=3",
            'grade.py: checks of first are worth 5 points, and the task 6, for example when {"wrong"',
        ),
        (
            "points=4",
            'points=4 if drawn["wrong"] == "this" else 5',
            '7 points, and the task 6, for example when {"wrong": "that"}',
        ),
        (
            "def shake(exam, drawn):",
            "def shake(exam, drawn):\n    exam.sheck()",
            "line 20: shake cannot be read without",
        ),
        ('"wrong": random', '"wrong": {1}, "more": random', "grade.py, line 1: draw: TypeError: Object of type set"),
        ("random.choice", "random.choize", "grade.py, line 7: draw: AttributeError"),
        ("random.choice([", "random.gauss([", "there is no gauss"),
        (
            "random.choice([",
            'random.choice({"this"} or [',
            "line 7: draw: TypeError: draw from a list",
        ),
        ("random.choice(", "__import__('random').random() or (", "the same seed gives another draw"),
        (
            "online(), points=2",
            'online(), points=2, hint="inv reset --to one"',
            "line 16: hint: `inv reset --to one`: there",
        ),
    ],
)
def test_what_is_wrong_with_an_exam_is_told(place: Path, old: str, new: str, problem: str) -> None:
    edit(place / "test" / "grade.py", old, new)

    assert problem in only(found("test").problems)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ('with exam.task("frist"):', 'line 16: exam.toml has no task "frist", did you mean "first"?'),
        ("if drawn:", "line 16: points of no task"),
    ],
)
def test_points_that_go_to_no_task_are_told(place: Path, block: str, problem: str) -> None:
    text = (place / "test" / "grade.py").read_text()
    (place / "test" / "grade.py").write_text(text.replace('with exam.task("first"):', block, 1))

    assert problem in only(found("test").problems)


def test_an_exam_tells_what_only_grading_counts(place: Path) -> None:
    assert "points add up in 200 draws, 2 of them different" in only(found("test").notes)


@pytest.mark.parametrize("asks", ["exam.status()", 'exam.nodes[0].run("true")', "exam.workstation.run('true')"])
def test_where_an_exam_asks_the_cluster_the_rest_is_left_to_grading(place: Path, asks: str) -> None:
    edit(place / "test" / "grade.py", "    exam.boot_all()", f"    {asks}")

    assert found("test").problems == ()
    assert "grade.py, line 20: " in only(found("test").notes)
    assert "is looked at only when it is graded" in only(found("test").notes)


def test_too_many_points_are_wrong_wherever_an_exam_asks_the_cluster(place: Path) -> None:
    edit(place / "test" / "grade.py", "    exam.boot_all()", "    exam.status()")
    edit(place / "test" / "grade.py", "points=2", "points=7")

    assert "checks of first are worth 7 points" in only(found("test").problems)


def test_what_becomes_of_a_check_is_asked_of_the_cluster(place: Path) -> None:
    edit(place / "test" / "grade.py", "points=2)", "points=2).outcome")

    assert found("test").problems == ()
    assert "the outcome of a check is asked" in only(found("test").notes)


# What is dead in prose


def dead(text: str, file: Path = ROOT / "README.md", own: str | None = "ha-web") -> list[tuple[int, str]]:
    steps = {"ha-web": ("vip", "nginx"), "failover": ("tuning",)}
    return prose.dead(text, file, prose.Known(COMMANDS, steps, ("exam-repair",), ("power-cut", "freeze"), own))


@pytest.mark.parametrize(
    "text",
    [
        "See [the labs](labs/ha-web/README.md#top), [a site](https://example.org/none) or [below](#below).",
        "`inv step vip`, `inv reset --to start`, `inv lab --name failover walk --to tuning`, `inv start exam-repair`",
        "    $ ./inv fault power-cut            # the node that has it\n    ./inv status       0.1 s\n",
        "    ./inv save mine && ./inv reset --to mine\n",
        "`inv lab [--name LAB] [--nodes N]`, `inv measure FAULT [--node NODE] [--repeat N]`, `inv --help\nCOMMAND`",
        "`inv --help walk`, `inv --help`, `inv --list`",
        "So type inv walk again. A run of inv fault --node node1 needs a name.",
        "Type inv measure power-cut, or inv heal, and inv faults tells what there is. Invent inventions.",
        "`inv fault` wants a name, `inv new-lab mine` makes one: `inv lab --name mine show --step back`",
        "`[no link](nowhere.md)` is code, and so is what follows.\n\n```python\n[x](y)\n```\n",
    ],
)
def test_prose_that_is_alive(text: str) -> None:
    assert dead(text) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("One\n[two](docs/none.md)", (1, "there is no file docs/none.md")),
        ("`inv wlak`", (0, '`inv wlak`: there is no command "wlak", did you mean "walk"?')),
        ("Now type inv wlak.", (0, '`inv wlak`: there is no command "wlak", did you mean "walk"?')),
        ("a\n\n    ./inv lab up wlak   # go\n", (2, "`inv lab up wlak`: No idea what 'wlak' is!")),
        ("`inv --help wlak`", (0, "`inv --help wlak`: No idea what 'wlak' is!")),
        ("`inv walk --two vip`", (0, "`inv walk --two vip`: No idea what '--two' is!")),
        ("`inv walk --to vpi`", (0, '`inv walk --to vpi`: there is no step "vpi", did you mean "vip"?')),
        ("`inv walk --to tuning`", (0, '`inv walk --to tuning`: there is no step "tuning", known are nginx, vip')),
        ("`inv check --step\nvpi`", (0, '`inv check --step vpi`: there is no step "vpi", did you mean "vip"?')),
        (
            "`inv reset --to mine`",
            (0, '`inv reset --to mine`: there is no checkpoint "mine", known are nginx, start, vip'),
        ),
        (
            "`inv lab --name failovr`",
            (0, '`inv lab --name failovr`: there is no lab "failovr", did you mean "failover"?'),
        ),
        ("`inv start ha-web`", (0, '`inv start ha-web`: there is no exam "ha-web", known are exam-repair')),
        ("`inv measure freez`", (0, '`inv measure freez`: there is no fault "freez", did you mean "freeze"?')),
        ("Try inv fault freez, and see.", (0, '`inv fault freez`: there is no fault "freez", did you mean "freeze"?')),
        ("`inv lab --nodes two`", (0, "`inv lab --nodes two`: invalid literal for int() with base 10: 'two'")),
        ("`true && inv wlak`", (0, '`inv wlak`: there is no command "wlak", did you mean "walk"?')),
    ],
)
def test_prose_that_is_dead(text: str, wrong: tuple[int, str]) -> None:
    assert dead(text) == [wrong]


NOT_EVERY = "not every node calls it {}; `ip address show to ADDRESS` tells which interface has an address"


@pytest.mark.parametrize("name", ["eth0", "ens5", "enp1s0"])
def test_a_name_of_an_interface_is_not_that_of_every_provider(place: Path, name: str) -> None:
    assert dead(f"One\n`ip address show {name}`") == [(1, NOT_EVERY.format(name))]
    assert dead(f"`ip address show {name}`", own=None) == []  # the docs may tell what a container has

    edit(place / "tiny" / "10_one.py", "online())", f'online(), hint="ip address del 10.0.0.1/8 dev {name}")')
    assert "line 14: hint: not every node" in only(found().problems)


def test_an_exam_has_no_steps_to_name() -> None:
    assert dead("`inv step vip`", own="exam-repair") == [(0, '`inv step vip`: there is no step "vip", and none at all')]


def test_prose_about_no_single_lab_may_name_the_steps_of_all() -> None:
    assert dead("`inv walk --to tuning` and `inv step vip`", own=None) == []


# The commands


def test_lint_lab_ends_well_or_with_exit_status_1_and_a_line_for_each_problem(place: Path, inv: Inv) -> None:
    assert inv("lint-lab") == Exit.GOOD
    assert "Nothing is wrong." in inv.out
    (place / "tiny" / "README.md").write_text("`inv one`\n`inv two`\n")
    (place.parent / "README.md").write_text("`inv three`\n")

    assert inv("lint-lab", "--name", "tiny") == Exit.CHECK_FAILED
    assert [line.partition("labs/")[2].partition("`")[0] for line in inv.out.splitlines()] == [
        "tiny/README.md, line 1: ",
        "tiny/README.md, line 2: ",
    ]
    assert inv("lint-lab", "--name", "test") == Exit.GOOD
    assert "points add up" in inv.out
    assert inv("lint-lab") == Exit.CHECK_FAILED
    assert "README.md, line 1: `inv three`" in inv.out
    assert inv("lint-lab", "--json") == Exit.CHECK_FAILED
    assert len(json.loads(inv.out)["problems"]) == 3


def test_a_lab_that_is_not_there_is_not_linted(place: Path, inv: Inv) -> None:
    assert inv("lint-lab", "--name", "tinny") == Exit.LAB_BROKEN
    assert 'did you mean "tiny"' in inv.err


def test_a_lab_and_its_next_step_are_made_by_command(beside_ha_web: Path, inv: Inv) -> None:
    assert inv("new-lab", "mine") == Exit.GOOD
    assert inv("lab", "--name", "mine", "new-step", "third") == Exit.GOOD
    assert inv("new-step", "two", "--lab", "tiny") == Exit.GOOD

    assert (beside_ha_web / "mine" / "30_third.py").is_file()
    assert (beside_ha_web / "tiny" / "20_two.py").is_file()


# Schemas


@pytest.mark.parametrize(("file", "text"), schemas.texts().items(), ids=lambda value: getattr(value, "name", ""))
def test_the_schemas_in_the_tree_are_what_the_models_say(file: Path, text: str) -> None:
    assert file.read_text() == text, "inv schema writes them"


def test_schemas_are_written_by_command(tmp_path: Path, inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path / "schemas")

    assert inv("schema") == Exit.GOOD
    assert {file.name for file in (tmp_path / "schemas").iterdir()} == {
        f"{name}.schema.json" for name in ("lab", "exam", "grade")
    }


@pytest.mark.parametrize(
    "file",
    [file for kind in ("lab", "exam") for file in ROOT.glob(f"labs/*/{kind}.toml")],
    ids=lambda file: file.parent.name,
)
def test_every_lab_file_is_as_its_schema_says_and_names_it(file: Path) -> None:
    schema = {"lab.toml": schemas.lab, "exam.toml": schemas.exam}[file.name]()
    named = file.read_text().splitlines()[0].removeprefix("#:schema ")

    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(tomllib.loads(file.read_text()))

    assert (file.parent / named).resolve() in schemas.texts()
    assert Path(named).name == f"{file.stem}.schema.json"


@pytest.mark.parametrize(
    ("schema", "toml", "wrong"),
    [
        (schemas.lab(), 'title = "A"\ncontinues = "ha-web"\nvpi = "10.0.0.1"', "'vpi' was unexpected"),
        (schemas.lab(), 'continues = "ha-web"', "'title' is a required property"),
        (schemas.lab(), 'title = "A"', "'cluster' is a required property"),
        (schemas.exam(), EXAM.replace("minutes = 30", "minutes = 0"), "0 is less than the minimum of 1"),
        (schemas.exam(), EXAM.replace("pass_mark = 50\n", ""), "'pass_mark' is a required property"),
    ],
)
def test_a_schema_refuses_what_the_model_refuses(schema: dict[str, object], toml: str, wrong: str) -> None:
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(tomllib.loads(toml))]

    assert any(wrong in error for error in errors)


# The page


def test_the_authors_page_has_every_condition_in_its_table() -> None:
    page = (ROOT / "docs" / "authoring.md").read_text()
    table = page.partition("| condition |")[2].partition("\n\n")[0]

    rows = re.findall(r"^\| `(\w+)\(", table, re.MULTILINE)

    assert sorted(rows) == sorted(name for name in conditions.__all__ if name.islower())


def test_the_authors_page_has_every_key_of_lab_and_exam_files() -> None:
    page = (ROOT / "docs" / "authoring.md").read_text()
    keys = {
        key
        for schema in (schemas.lab(), schemas.exam())
        for model in schema["$defs"].values()
        for key in model["properties"]
    }

    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
