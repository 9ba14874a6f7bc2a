"""What is wrong with a machine is one sentence, before anything is given to any machine."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from halab.kit import process
from halab.kit.errors import LabError
from halab.kit.process import CommandResult
from halab.site import actions, facts, looking, plan, reaching, states, tree, written
from halab.site.facts import Facts
from halab.site.joining import Given
from halab.site.plan import Plan
from halab.site.reaching import Way
from tests.unit.test_site_plan import GOOD, facts_of, read

ILL = f"{'m2':80}{'DOWN+NOT_RESPONDING':80}{'Not responding':200}\n{'m1':80}{'MIXED':80}{'none':200}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read(tmp_path, GOOD)


class Machines:
    """Stands in for ssh: `silent` do not answer, and all that is asked is kept."""

    def __init__(self, silent: Sequence[str]) -> None:
        self.silent = silent
        self.asked: list[tuple[str, ...]] = []

    def __call__(
        self, argv: Sequence[str], *, input: str | None, timeout: float, errors: str, most: int
    ) -> CommandResult:
        self.asked.append(tuple(argv))
        if any(f"root@{name}" in argv for name in self.silent):
            return CommandResult(tuple(argv), 255, "", "ssh: connect to host m2 port 22: No route to host\n")
        return CommandResult(tuple(argv), 0, "0\n", "")


def test_a_machine_that_does_not_answer_is_named_and_nothing_was_done(site: Plan, tmp_path: Path) -> None:
    machines = Machines(silent=["m2"])

    with process.run_by(machines), pytest.raises(LabError) as told:
        actions.up(tmp_path / "site.toml", print)

    assert str(told.value) == "m2 does not answer: ssh: connect to host m2 port 22: No route to host"
    assert all("id" in " ".join(argv) for argv in machines.asked)
    assert written.as_it_is_up() is None


def test_without_a_file_the_site_that_is_up_is_meant(site: Plan, tmp_path: Path) -> None:
    written.remember(GOOD, {}, Given(site="s", conf="", key="", is_head=True, epilog="", others={}))
    machines = Machines(silent=["m2"])

    with process.run_by(machines), pytest.raises(LabError, match="m2 does not answer"):
        actions.up(None, print)


def test_an_unknown_lab_is_told_before_anything_is_done(site: Plan, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\nlabs = ["ha-wbe"]\n' + GOOD)
    machines = Machines(silent=[])

    with process.run_by(machines), pytest.raises(LabError, match="ha-web"):
        actions.up(tmp_path / "site.toml", print)

    assert machines.asked == []


def test_machines_that_differ_are_told_each(site: Plan) -> None:
    other_key = facts_of("m1").model_copy(update={"key": "of another site"})
    found = {"head": facts_of("a"), "m1": other_key, "m2": facts_of("a", slurm="24.11")}

    with pytest.raises(LabError) as told:
        actions._refuse_differences(site, found)

    assert str(told.value).splitlines() == [
        "m2 has Slurm 24.11 and the head 22.05; a site needs the same everywhere",
        "m1 is in another site, as its munge key tells; end that there with `inv site down`, "
        "or remove /etc/halab/site there",
        "head and m2 both call themselves a; give one another host name",
    ]


def test_what_slurm_says_of_machines_is_read() -> None:
    there = states.parsed(ILL)

    assert not there["m2"].is_well
    assert str(there["m2"]) == "down and not responding: Not responding"
    assert there["m1"].is_well


def test_a_check_tells_what_is_other_than_on_the_head(site: Plan) -> None:
    key, conf = facts.key_of(written.key()), "c"
    own = _joined(facts_of("head"), key, conf, ("debian12:1",), ("munged", "slurmctld", "slurmd"))
    same = _joined(facts_of("m1"), key, conf, ("debian12:1", "debian13:2"), ("munged", "slurmd"))
    other = _joined(facts_of("m2"), key, "d", (), ("munged",)).model_copy(update={"halab": "e"})

    assert looking.differences("head", own, own, conf) == []
    assert looking.differences("m1", same, own, conf) == []
    assert looking.differences("m2", other, own, conf) == [
        "m2 has another slurm.conf than the head; try: inv site up",
        "m2 lacks slurmd, which does not run; try: inv site up",
        "m2 has another version of halab than the head; try: inv site up",
        "m2 lacks the image debian12:1, which the head has; its first seat makes it",
    ]


def _joined(its: Facts, key: str, conf: str, images: tuple[str, ...], daemons: tuple[str, ...]) -> Facts:
    return its.model_copy(update={"key": key, "conf": conf, "images": images, "daemons": daemons})


def test_the_copy_of_a_checkout_has_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, there = tmp_path / "root", tmp_path / "opt/halab"
    (root / "halab/site").mkdir(parents=True)
    (root / "halab/site/joining.py").touch()
    (root / "inv").touch(mode=0o755)
    (root / "link").symlink_to("inv")
    monkeypatch.setattr(reaching, "ROOT", root)
    monkeypatch.setattr(Way, "argv", lambda way, *words: list(words))
    monkeypatch.setattr(Way, "ask", lambda *_, **__: CommandResult((), 0, "", ""))
    way = Way("m1", False, str(there))

    way.copy_halab()
    (there / ".venv").mkdir()
    (there / "left.over").touch()
    way.copy_halab()

    assert tree.digest(there) == tree.digest(root)
    assert os.access(there / "inv", os.X_OK)
    assert (there / ".venv").is_dir()


def test_a_copy_does_not_take_the_place_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(Way, "argv", lambda way, *words: list(words))

    with pytest.raises(LabError, match=r"m1: halab could not be copied there: .*photos is there, and is no halab"):
        Way("m1", False, str(tmp_path / "photos")).copy_halab()


def test_digests_tell_a_program_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = tree.digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/b").touch()

    assert tree.digest(tmp_path) == before
    (tmp_path / "a").chmod(0o755)
    assert tree.digest(tmp_path) != before


def test_without_a_site_a_sentence_says_so(site: Plan) -> None:
    with pytest.raises(LabError, match="no site on this machine; try: inv site up"):
        written.current()

    assert plan.of_one()
