"""Rosters of any alphabet are read, and their learners' instances named so that the names can be read again."""

import random
from pathlib import Path

import pytest

from halab.classroom import naming, roster
from halab.cli import selection
from halab.kit.errors import LabError

NAMES = [
    ("alice", "alice"),
    ("Ada Lovelace", "ada_lovelace"),
    ("Jean-Luc  Picard ", "jean-luc_picard"),
    ("Jörg Weiß", "jrg_weiss--07a"),
    ("O'Brien", "obrien--bg14a"),
    ("john_doe", "johndoe--1j88a"),
    ("日本太郎", "u---sss190ab2ad42i"),
    ("Владимир Путин", "u-_--7sbfjuabsmnuk2an"),
    ("محمد بن سلمان", "u-__--dtdcxm5a0kcbgif"),
    ("علی‌رضا", "u---mgbtpk9c63c260k"),
    ("u-b", "u-b"),
]


def roster_of(tmp_path: Path, content: str | bytes) -> list[roster.Learner]:
    file = tmp_path / "roster.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return roster.read(file)


@pytest.mark.parametrize(("name", "instance"), NAMES)
def test_a_name_makes_an_instance_and_the_instance_tells_the_name(name: str, instance: str) -> None:
    assert naming.instance_of(name) == instance

    assert naming.name_of(instance) == naming.folded(name)
    selection.refuse_name(instance)


def test_names_that_differ_have_instances_that_differ() -> None:
    letters, known = "ab-._ u'日ä@1ü\u200c", {}
    drawn = random.Random(1)  # noqa: S311  # the same names each time
    for _ in range(20_000):
        name = naming.folded("".join(drawn.choices(letters, k=drawn.randint(1, 6))))
        if name:
            instance = naming.instance_of(name)
            assert known.setdefault(instance, name) == name
            assert naming.name_of(instance) == name


@pytest.mark.parametrize("instance", ["a--", "a----b", "u--", "a--!", "A", "u---", "x--zzzzzzzzzzzz"])
def test_what_no_name_makes_is_told(instance: str) -> None:
    with pytest.raises(LabError, match="was made from no learner's name"):
        naming.name_of(instance)


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb\x00", "\u202eevil", "x" * 42, "Екатерина Александровна Константинопольская"]
)
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match=r"can be no learner's name|makes an instance name of .* characters, and 41"):
        naming.instance_of(name)


def test_a_roster_has_names_and_what_else_there_is(tmp_path: Path) -> None:
    text = '\ufeffmail,name,group\r\na@example.org,Alice,"1, left"\r\nb@example.org,"王 小明",2\r\n'

    learners = roster_of(tmp_path, text)

    assert [learner.name for learner in learners] == ["Alice", "王 小明"]
    assert learners[0].about == {"mail": "a@example.org", "group": "1, left"}
    assert learners[0].instance == "alice"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("name\nalice\nbob\nAlice\n", 'line 4: "Alice" is in line 2 already'),
        ("name\nJose\u0301\nJos\u00e9\n", "line 3: .* is in line 2 already"),
        ("name\nStraße\nSTRASSE\n", "line 3: .* is in line 2 already"),
        ("name\nalice\n\nbob\n", "line 3: it is empty"),
        ("name,mail\nalice,a\n , \n", "line 3: it is empty"),
        ('name\n"alice"\n"=1+1"\n', 'line 3: "name" begins like a formula: "=1\\+1"'),
        ("name,mail\nalice,@SUM(A1)\n", 'line 2: "mail" begins like a formula'),
        ("name,mail\nalice,\tx\n", 'line 2: "mail" begins like a formula'),
        ("name,mail\nalice,-1\n", 'line 2: "mail" begins like a formula'),
        ("name," + ",".join(f"c{n}" for n in range(299)) + "\n", "line 1: 300 columns, and 100 are the most"),
        ("mail\na\n", "line 1: there is no column `name`"),
        ("", "line 1: there is no column `name`"),
        ("name,name\na,b\n", 'line 1: there are two columns "name"'),
        ("name\n", "0 learners, and a class has 1 to 10000"),
        ("name,mail\nalice\n", "line 2: 1 columns, and the first line has 2"),
        ('name\n"alice\n', "line 2: unexpected end of data"),
        (b"name\nJ\xf6rg\n", "expected text in UTF-8"),
        (f"name\n{'x' * 42}\n", "line 2: .* 42 characters, and 41 are the most"),
        ("name\nalice\n\u202eevil\n", "line 3: .* can be no learner's name"),
    ],
)
def test_what_cannot_be_a_roster_is_refused_with_its_line(tmp_path: Path, content: str | bytes, reason: str) -> None:
    with pytest.raises(LabError, match=reason) as refused:
        roster_of(tmp_path, content)

    assert "\n" not in str(refused.value)
