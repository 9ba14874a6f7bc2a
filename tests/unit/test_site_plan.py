"""A site's file is read with a sentence for each mistake, and makes a slurm.conf that is the same everywhere."""

from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.site import facts, files, plan, written
from halab.site.facts import Facts
from halab.site.plan import Plan

GOOD = """
[head]
name = "head"
address = "10.9.0.1"

[[machines]]
name = "m1"
address = "10.9.0.11"
memory = 1400

[[machines]]
name = "m2"
graders = 4
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def read(tmp_path: Path, text: str) -> Plan:
    (tmp_path / "site.toml").write_text(text)
    return plan.read(tmp_path / "site.toml")


def facts_of(hostname: str, memory: int = 16_000, slurm: str = "22.05") -> Facts:
    return Facts(
        hostname=hostname,
        memory=memory,
        cores=4,
        slurm=slurm,
        halab="d",
        images=(),
        key=None,
        conf=None,
        daemons=("munged", "slurmd"),
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (GOOD.replace("memory", "memroy"), 'memroy: unknown key, did you mean "memory"'),
        (GOOD.replace('name = "m2"', 'name = "m1"'), "two machines have the name m1"),
        (GOOD.replace('"m2"', '"M 2"'), "'M 2' is no machine's name"),
        (GOOD.replace("10.9.0.11", "10.9.0.1"), "m1 and the head have one address or one name, and not both"),
        (GOOD.replace("10.9.0.11", "-v"), "'-v' is neither an address nor a host name"),
        (GOOD.replace("graders = 4", "graders = 0"), "graders: input should be greater than or equal to 1"),
        (GOOD.partition("[[machines]]")[0], "machines: missing"),
        ('[site]\ndirectory = "/opt"\n' + GOOD, "'/opt' is no directory for halab"),
        ('[site]\ndirectory = "/opt/../etc"\n' + GOOD, "is no directory for halab"),
        (GOOD + "[[", "not valid TOML"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, wrong: str, sentence: str) -> None:
    with pytest.raises(LabError) as told:
        read(tmp_path, wrong)

    assert sentence in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_a_site_of_one_listens_to_itself_and_uses_this_checkout(tmp_path: Path) -> None:
    alone = read(tmp_path, plan.of_one())

    assert alone.names == (alone.head.name,)
    assert alone.address_of(alone.head.name) == plan.LOOPBACK


def test_every_machine_stands_in_the_conf(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD)

    conf = written.conf(site, {name: facts_of(f"{name}-host") for name in site.names})

    assert "SlurmctldHost=head-host(10.9.0.1)\n" in conf
    assert "NodeName=m1 NodeHostname=m1-host NodeAddr=10.9.0.11 CPUs=68 RealMemory=1440 Gres=grader:2 " in conf
    assert "NodeName=m2 NodeHostname=m2-host NodeAddr=m2 CPUs=104 RealMemory=14040 Gres=grader:4 " in conf
    assert "NodeName=head NodeHostname=head-host NodeAddr=10.9.0.1 " in conf
    assert "PartitionName=seats Nodes=m1,m2 " in conf
    assert "PartitionName=head Nodes=head " in conf


def test_a_machine_full_of_seats_has_a_rest_for_what_comes_home(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD)

    assert written.memory(site, "m1", facts_of("m1")) % 50 == written.REST


def test_the_epilog_has_the_state_home_of_who_made_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = read(tmp_path, GOOD)
    known = {name: facts_of(name) for name in site.names}

    usual = tmp_path / "a b"
    monkeypatch.setenv("XDG_STATE_HOME", str(usual))
    given = written.given(site, known)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(files, "on_head", lambda: usual)
    without = written.given(site, known)

    assert f"export XDG_STATE_HOME='{usual}'\n" in given["m1"].epilog
    assert "XDG_STATE_HOME" not in without["m1"].epilog
    assert {its.conf for its in given.values()} == {given["head"].conf}
    assert [name for name, its in given.items() if its.is_head] == ["head"]


def test_newer_versions_are_told_to_use_no_cgroups(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD)

    old, new = (
        written.given(site, {name: facts_of(name, slurm=version) for name in site.names})["m1"].others
        for version in ("22.05", "24.11")
    )

    assert (old, new) == ({}, {"cgroup.conf": "CgroupPlugin=disabled\n"})


def test_the_munge_key_is_made_once_and_nobody_else_may_read_it() -> None:
    first = written.key()

    assert written.key() == first
    assert len(first) == 128
    assert (files.on_head() / "munge.key").stat().st_mode & 0o777 == 0o600
    assert first.hex() not in facts.key_of(first)
