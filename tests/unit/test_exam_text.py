"""What a learner is told: their own values, and nothing else of what is drawn, graded or solved."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from halab.cli.report import Report
from halab.cli.selection import Selection
from halab.exams import sheets, text
from halab.exams.draw import draw, paper_of
from halab.instance.state import Sitting
from halab.kit.errors import Exit, LabError
from halab.spec import lab_code, labs
from halab.spec.labs import LabFolder
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import EXAM, GRADE, begin_exam, write_exam

TEXT = "# Do both things\n\nServe from {{ lab.vip }} and call it {{ drawn.name }}.\n"
GRADE_WITH_DRAWS = GRADE.replace(
    'return spec, {"wanted": random.choice(["good", "better"])}',
    "vip = spec.networks.lan.subnet[random.randrange(120, 250)]\n"
    '    return spec.model_copy(update={"vip": vip}), '
    '{"name": f"web{random.randrange(1000)}", "causes": [random.choice(["rusty-fence", "lost-quorum"])]}',
)
SOLUTION = "pcs resource create the_solution ocf:heartbeat:Dummy"


@pytest.fixture
def folder(world: World, tmp_path: Path) -> LabFolder:
    """An exam that draws an address, a name, and a cause that nobody is told. It has a solution."""
    folder = write_exam(tmp_path / "labs", grade=GRADE_WITH_DRAWS)
    (folder.path / "README.md").write_text(TEXT)
    (folder.path / "solutions").mkdir()
    (folder.path / "solutions" / "solve.sh").write_text(SOLUTION)
    return folder


def written(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


@pytest.mark.parametrize("name", [name for name in labs.names() if labs.load(name).paper])
def test_the_text_of_every_exam_can_be_rendered(name: str) -> None:
    folder = labs.load(name)
    spec, sitting = draw(folder, folder.spec, "alice", "")

    told = text.fill(paper_of(folder), spec, sitting)

    assert told.startswith("# ")
    assert "{" not in told


def test_a_text_has_the_values_that_were_drawn(folder: LabFolder) -> None:
    instance = begin_exam(folder)
    assert instance.state.sitting

    told = text.render(instance)

    assert told == (
        f"# Do both things\n\nServe from {instance.spec.vip} and call it {instance.state.sitting.drawn['name']}.\n"
    )
    assert str(instance.spec.vip) != str(folder.spec.vip)


def test_what_is_shown_when_an_exam_begins_is_that_text(folder: LabFolder, capsys: pytest.CaptureFixture[str]) -> None:
    instance = begin_exam(folder)

    Report().task_text(instance)

    assert f"Serve from {instance.spec.vip} and" in capsys.readouterr().out


def test_addresses_and_passwords_of_repair_are_those_of_the_lab() -> None:
    folder = labs.load("exam-repair")
    node1, node2 = folder.spec.nodes
    spec = folder.spec.model_copy(
        update={
            "vip": IPv4Address("192.168.1.222"),
            "nodes": (
                node1.model_copy(update={"bmc": IPv4Address("192.168.2.201")}),
                node2.model_copy(update={"bmc": IPv4Address("192.168.2.202")}),
            ),
            "credentials": folder.spec.credentials.model_copy(
                update={"hacluster": "one", "bmc_user": "two", "bmc_password": "three"}
            ),
        }
    )

    told = text.fill(paper_of(folder), spec, Sitting(seed="", drawn={}))

    for new in ("192.168.1.222/24", "192.168.2.201 is that of node1", "192.168.2.202", "`one`", "`two`", "`three`"):
        assert new in " ".join(told.split())
    account = folder.spec.credentials
    for old in (folder.spec.vip, node1.bmc, node2.bmc, account.hacluster, f"`{account.bmc_user}`"):
        assert str(old) not in told
    assert account.bmc_password not in told


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{{ lab.vpi }}", "test/README.md: .* has no attribute 'vpi'"),
        ("{{ lab", "test/README.md: unexpected end"),
        ("{% if %}", "test/README.md: Expected an expression"),
        ("{{ 1 / 0 }}", "test/README.md: ZeroDivisionError"),
        ("{{ lab.nodes[9].name }}", "test/README.md: .* has no element 9"),
        ("{{ lab.title | nonsense }}", "test/README.md: No filter named 'nonsense'"),
    ],
)
def test_a_text_that_asks_for_what_there_is_not_is_the_authors_mistake(
    folder: LabFolder, wrong: str, reason: str
) -> None:
    instance = begin_exam(folder)
    (folder.path / "README.md").write_text(wrong)

    with pytest.raises(LabError, match=reason):
        text.render(instance)


def test_a_lab_that_is_no_exam_has_no_text(world: World, inv: Inv, tmp_path: Path) -> None:
    code = inv("export", "tiny", "--for-learner", str(tmp_path / "out"), "--learners", "alice")

    assert code == Exit.LAB_BROKEN
    assert "tiny is no exam" in inv.err


def test_each_learner_is_given_a_sheet_with_their_own_values(folder: LabFolder, inv: Inv, tmp_path: Path) -> None:
    code = inv("export", "test", "--for-learner", str(tmp_path / "out"), "--learners", "alice,bob", "--seed", "7")

    files = written(tmp_path / "out")
    assert code == Exit.GOOD
    assert set(files) == {"alice.md", "alice.html", "bob.md", "bob.html"}
    for learner in ("alice", "bob"):
        spec, sitting = draw(folder, folder.spec, learner, "7")
        for sheet in (files[f"{learner}.md"], files[f"{learner}.html"]):
            assert f"Serve from {spec.vip} and call it {sitting.drawn['name']}." in sheet
            assert f"inv lab --name test --instance {learner}\n" in sheet
            assert "inv ssh node2" in sheet
            for node in spec.nodes:
                assert {str(node.lan), str(node.mgmt), str(node.bmc)} <= {
                    *sheet.replace("<td>", " ").replace("</td>", " ").split()
                }
            assert "10 points, 50 per cent to pass, 30 minutes." in sheet
            assert "recorded" in sheet
    assert "Serve" in files["alice.md"] != files["bob.md"]


def test_a_sheet_has_nothing_of_causes_grading_or_solutions(folder: LabFolder, inv: Inv, tmp_path: Path) -> None:
    inv(
        "export",
        "test",
        "--for-learner",
        str(tmp_path / "out"),
        "--learners",
        "alice,bob,carol,dave",
        "--seed",
        "secret7",
    )

    secrets = [line.strip() for line in GRADE_WITH_DRAWS.splitlines() if line.strip()]
    secrets += ["rusty-fence", "lost-quorum", SOLUTION, "solve.sh", "secret7"]
    causes = {
        draw(folder, folder.spec, learner, "secret7")[1].drawn["causes"][0]
        for learner in ("alice", "bob", "carol", "dave")
    }
    assert causes == {"rusty-fence", "lost-quorum"}
    for sheet in written(tmp_path / "out").values():
        assert [secret for secret in secrets if secret in sheet] == []


def test_a_sheet_of_repair_is_the_same_whatever_is_broken(tmp_path: Path) -> None:
    folder = labs.load("exam-repair")
    learners = [f"learner{number:02}" for number in range(20)]
    drawn = {str(draw(folder, folder.spec, learner, "")[1].drawn) for learner in learners}
    assert len(drawn) > 10

    sheets.write(folder, learners, None, tmp_path)

    for suffix in ("md", "html"):
        told = {(tmp_path / f"{learner}.{suffix}").read_text().replace(learner, "LEARNER") for learner in learners}
        assert len(told) == 1
        lines = [line.strip() for line in (folder.path / "grade.py").read_text().splitlines() if len(line.split()) > 1]
        assert [line for line in lines if line in next(iter(told))] == []


def test_an_instance_that_is_there_keeps_its_draw(folder: LabFolder, tmp_path: Path) -> None:
    instance = begin_exam(folder)
    vip = IPv4Address("10.1.0.251")
    instance.remember(instance.state.model_copy(update={"spec": instance.spec.model_copy(update={"vip": vip})}))

    sheets.write(folder, ["alice"], None, tmp_path / "out")

    assert f"Serve from {vip} " in (tmp_path / "out" / "alice.md").read_text()


def test_a_sheet_that_would_not_be_true_is_not_written(folder: LabFolder, tmp_path: Path) -> None:
    instance = begin_exam(folder)

    with pytest.raises(LabError, match="instance alice was drawn by another seed"):
        sheets.write(folder, ["bob", "alice"], "8", tmp_path / "out")
    instance.remember(instance.state.model_copy(update={"lab": "tiny"}))
    with pytest.raises(LabError, match="instance alice is of tiny, not of test"):
        sheets.write(folder, ["bob", "alice"], None, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_the_selected_instance_is_whose_sheet_it_is_by_default(folder: LabFolder, inv: Inv, tmp_path: Path) -> None:
    nobody = inv("export", "test", "--for-learner", str(tmp_path / "out"))
    said = inv.err
    Selection(lab="test", instance="carol", seed="7").remember()
    carol = inv("export", "test", "--for-learner", str(tmp_path / "out"))

    assert (nobody, carol) == (Exit.LAB_BROKEN, Exit.GOOD)
    assert "whose?" in said
    assert set(written(tmp_path / "out")) == {"carol.md", "carol.html"}
    assert f"Serve from {draw(folder, folder.spec, 'carol', '7')[0].vip} " in written(tmp_path / "out")["carol.md"]


def test_a_learner_is_the_name_of_an_instance_and_no_path(folder: LabFolder, inv: Inv, tmp_path: Path) -> None:
    code = inv("export", "test", "--for-learner", str(tmp_path / "out"), "--learners", "../alice")

    assert code == Exit.LAB_BROKEN
    assert '"../alice" is no name for an instance' in inv.err


def test_a_sheet_says_that_shells_are_recorded_only_if_they_are(world: World, tmp_path: Path) -> None:
    folder = write_exam(tmp_path / "labs", "recording = false\n" + EXAM)

    sheets.write(folder, ["alice"], None, tmp_path / "out")

    assert "recorded" not in (tmp_path / "out" / "alice.md").read_text()


def test_titles_are_text_in_a_table_and_in_a_page(world: World, tmp_path: Path) -> None:
    toml = EXAM.replace("Do the first thing", "Do a|b").replace("An exam to test with", "This <b> & that")
    folder = write_exam(tmp_path / "labs", toml)
    (folder.path / "README.md").write_text("# Do <i>it</i>\n")

    sheets.write(folder, ["alice"], None, tmp_path / "out")

    shown = (tmp_path / "out" / "alice.html").read_text()
    assert "<td>Do a|b</td>" in shown
    assert "<title>This &lt;b&gt; &amp; that: alice</title>" in shown
    assert "Do &lt;i&gt;it&lt;/i&gt;" in shown


@pytest.mark.parametrize("wrong", ["{{ lab.vpi }}", "{% if %}", "{{ drawn.nonsense }}"])
def test_a_bad_text_is_told_by_lint_and_before_an_exam_is_made(
    folder: LabFolder, inv: Inv, world: World, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr("halab.cli.commands.host.ensure", lambda tools, say: None)
    (folder.path / "README.md").write_text(wrong)
    inv("lab", "--name", "test", "--provider", "fake", "--distro", "debian12")

    linted, told = inv("lint-lab", "--name", "test"), inv.out.replace("\n", "")
    started = inv("start", "test")

    assert (linted, started) == (Exit.CHECK_FAILED, Exit.LAB_BROKEN)
    assert "test/README.md: " in told
    assert "test/README.md: " in inv.err
    assert world.calls == []


def test_a_text_that_never_ends_is_told_by_its_file(folder: LabFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_code, "READING", 2.0)
    (folder.path / "README.md").write_text("{% for i in range(10 ** 12) %}{% endfor %}")

    with pytest.raises(LabError, match=r"test/README\.md: it is not done within 2 s"):
        text.render(begin_exam(folder))
