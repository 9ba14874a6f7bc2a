"""The start of a lab that goes on where another one ends: walked to once, kept, and taken over."""

from pathlib import Path

import pytest

from halab.cli import selection
from halab.cli.selection import Selection, instance_to_make, select
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.kit.paths import cache_dir
from halab.providers import images
from halab.spec import labs
from halab.walk import bringup, checkpoints
from halab.walk.lab import Lab
from tests.fakes import FakeAudience, World, write_lab, write_sequel
from tests.unit.test_walk import Killed, kill_at


@pytest.fixture(autouse=True)
def _sequel(world: World, tmp_path: Path) -> None:
    write_sequel(tmp_path / "labs")


def an_instance(name: str) -> Instance:
    return instance_to_make(Selection(lab="sequel", instance=name, provider="fake", distro="debian12"))


def up(instance: Instance) -> str:
    audience = FakeAudience()
    with instance.lock():
        bringup.up(instance, audience)
    return "\n".join(audience.said)


def kept() -> list[str]:
    return sorted(path.name for path in (cache_dir() / "prepared").glob("*"))


def test_the_first_instance_walks_there_and_the_next_one_takes_over(world: World) -> None:
    first = an_instance("first")
    told = up(first)
    assert "Preparing what this lab begins with, the cluster of tiny" in told
    assert world.done == ["one", "two", "three"]
    assert checkpoints.names(first) == ["start"]
    assert first.state.steps == {}
    assert world.calls[-1] == "restore"  # where others begin, and not where the walk has just ended
    world.power, world.done = {}, []
    performed: list[str] = []
    world.before_perform = performed.append

    second = an_instance("second")
    assert up(second) == ""

    assert performed == []
    assert world.done == ["one", "two", "three"]
    assert second.state.restoring is None
    assert len(kept()) == 1


@pytest.mark.parametrize("moment", ["up", "two", "save", "adopt", "restore"])
def test_an_up_that_was_killed_is_done_again(world: World, moment: str) -> None:
    if moment in ("adopt", "restore"):
        up(an_instance("before"))
        world.power, world.done = {}, []
    instance = an_instance("killed")
    kill_at(world, moment)
    with pytest.raises(Killed):
        up(instance)

    up(an_instance("killed"))

    assert world.done == ["one", "two", "three"]
    assert checkpoints.names(instance) == ["start"]
    assert Instance.open("killed").state.restoring is None


def test_another_lab_file_or_image_is_walked_to_anew_and_replaces_what_was_kept(world: World, tmp_path: Path) -> None:
    up(an_instance("first"))
    (before,) = kept()
    step = tmp_path / "labs" / "tiny" / "10_one.py"
    step.write_text(step.read_text() + "\n# changed\n")
    world.power, world.done = {}, []
    assert "Preparing" in up(an_instance("second"))
    (between,) = kept()
    world.power, world.done, world.lineage = {}, [], "another image"

    assert "Preparing" in up(an_instance("third"))

    (after,) = kept()
    assert len({before, between, after}) == 3


def test_labs_that_are_proven_on_different_distros_share_what_was_kept(world: World, tmp_path: Path) -> None:
    up(an_instance("first"))
    toml = tmp_path / "labs" / "sequel" / "lab.toml"
    toml.write_text(f'{toml.read_text()}proven_on = "debian13"\n[needs]\nnodes = [2]\n')
    world.power, world.done = {}, []

    assert up(an_instance("second")) == ""
    assert len(kept()) == 1


def test_where_nothing_can_be_kept_every_instance_walks(world: World) -> None:
    world.lineage = None

    assert "Preparing" in up(an_instance("first"))
    world.power, world.done = {}, []
    assert "Preparing" in up(an_instance("second"))
    assert kept() == []


def test_nodes_that_are_left_out_of_the_cluster_are_no_part_of_the_walk(world: World, tmp_path: Path) -> None:
    step, toml = tmp_path / "labs" / "tiny" / "30_three.py", tmp_path / "labs" / "sequel" / "lab.toml"
    step.write_text(f"{step.read_text()}    World.current.calls.append(f'verified on {{len(lab.nodes)}}')\n")
    up(an_instance("whole"))
    world.power, world.done = {}, []
    toml.write_text(f"{toml.read_text()}cluster_nodes = 1\n")

    assert "Preparing" in up(an_instance("without"))

    assert [call for call in world.calls if "verified" in call] == ["verified on 2"] * 2 + ["verified on 1"] * 2
    assert len(Lab(Instance.open("without")).nodes) == 2
    assert len(kept()) == 2


def test_a_cluster_that_is_not_whole_is_told(world: World) -> None:
    world.before_perform = lambda name: setattr(world, "looks_broken", name == "two")

    with pytest.raises(LabError, match="the cluster is not as step two left it: two is done"):
        up(an_instance("first"))

    assert kept() == []


def test_a_sequel_has_what_the_other_lab_has_but_its_own_title(tmp_path: Path) -> None:
    tiny, sequel = labs.load("tiny"), labs.load("sequel")

    assert sequel.spec.title == "What comes then"
    assert sequel.spec.nodes == tiny.spec.nodes
    assert [step.name for step in sequel.steps] == ["four"]
    assert sequel.continues
    assert sequel.continues.name == "tiny"


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ('title = "x"\ncontinues = "tinny"', 'there is no lab "tinny", did you mean "tiny"?'),
        ('title = "x"\ncontinues = "sequel"', "sequel goes on from tiny itself"),
        ('title = "x"\ncontinues = "wrong"', "wrong goes on from wrong itself"),
        ('title = "x"\ncontinues = "tiny"\nvip = "10.1.0.7"', "vip: unknown key"),
        ('continues = "tiny"', "title: missing"),
        ('title = "x"\ncontinues = "tiny"\ncluster_nodes = 3', "cluster_nodes: there are no 3 nodes, only 2"),
    ],
)
def test_a_wrong_sequel_is_refused(tmp_path: Path, toml: str, reason: str) -> None:
    write_lab(tmp_path / "labs", "wrong", toml)

    with pytest.raises(LabError, match=reason.replace("?", r"\?")):
        labs.load("wrong")


@pytest.mark.parametrize(
    ("needs", "asked", "reason"),
    [
        ("nodes = [2]", {"nodes": 3}, "cannot have 3 nodes: the lab is about 2 nodes"),
        ('providers = ["vagrant"]', {"provider": "fake"}, "lab needy is for provider vagrant, not fake"),
        ('distros = ["rocky9"]', {"distro": "debian12"}, "lab needy is for distro rocky9, not debian12"),
        (
            'packages = ["lsyncd"]',
            {"distro": "rocky10"},
            "for distro alma9 or debian12 or debian13 or rocky9, not rocky10: it installs lsyncd",
        ),
    ],
)
def test_what_a_lab_is_not_for_is_refused(tmp_path: Path, needs: str, asked: dict[str, object], reason: str) -> None:
    write_sequel(tmp_path / "labs", "needy", needs=f"[needs]\n{needs}\n")
    given: dict[str, object] = {"provider": None, "distro": None, "nodes": None, **asked}

    with pytest.raises(LabError, match=reason):
        select("needy", None, **given)  # type: ignore[arg-type]


def test_a_lab_begins_with_what_it_is_limited_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sequel(tmp_path / "labs", "needy", needs='[needs]\nproviders = ["fake"]\ndistros = ["rocky9"]\n')
    monkeypatch.setattr(selection, "default_provider", lambda: ("podman", "it is there"))

    made = instance_to_make(Selection(lab="needy"))

    assert (made.state.provider, made.state.distro) == ("fake", "rocky9")


@pytest.mark.parametrize(("package", "distro"), [("lsyncd", "rocky9"), ("glusterfs-server", "debian12")])
def test_a_lab_that_needs_packages_begins_with_a_distro_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, distro: str
) -> None:
    write_sequel(tmp_path / "labs", "needy", needs=f'[needs]\nproviders = ["fake"]\npackages = ["{package}"]\n')
    monkeypatch.setattr(images, "available", lambda distro: None)

    made = instance_to_make(Selection(lab="needy"))

    assert made.state.distro == distro
