"""The distro files: those that exist, and broken ones."""

import re
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers.images import Recipe
from halab.spec import distros
from halab.spec.models import Needs


@pytest.fixture
def broken_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of Debian's file, to be broken by a test, in a folder of its own."""
    copy = tmp_path / "debian12.toml"
    copy.write_text((distros.FOLDER / "debian12.toml").read_text())
    monkeypatch.setattr(distros, "FOLDER", tmp_path)
    return copy


def test_the_five_distros_are_known() -> None:
    names = distros.names()

    assert names == ("alma9", "debian12", "debian13", "rocky10", "rocky9")


@pytest.mark.parametrize("name", distros.names())
def test_every_distro_pools_what_its_steps_install(name: str) -> None:
    distro = distros.load(name)

    commands = [*distro.commands.install_cluster, *distro.commands.install_web]
    installed = {
        package
        for command in commands
        if " install -y " in command
        for package in command.partition(" install -y ")[2].split()
    }

    assert installed >= {"pacemaker", "corosync", "pcs", "ipmitool", "nginx"}
    assert installed <= set(distro.pool)


@pytest.mark.parametrize("name", distros.names())
def test_no_distro_has_cluster_packages_on_the_bare_node(name: str) -> None:
    distro = distros.load(name)

    both = set(distro.packages) & set(distro.pool)

    assert both == set()


def test_a_distro_knows_its_name() -> None:
    distro = distros.load("rocky9")

    assert distro.name == "rocky9"
    assert distro.title == "Rocky Linux 9"


@pytest.mark.parametrize("name", ["debian12", "debian13"])
def test_debian_destroys_the_cluster_that_its_packages_start(name: str) -> None:
    distro = distros.load(name)

    assert distro.commands.install_cluster[-1] == "pcs cluster destroy </dev/null"  # it warns of --force


@pytest.mark.parametrize(
    ("needs", "fit"),
    [
        (Needs(), ("alma9", "debian12", "debian13", "rocky10", "rocky9")),
        (Needs(packages=("lsyncd", "sshfs")), ("alma9", "debian12", "debian13", "rocky9")),  # some call it fuse-sshfs
        (Needs(distros=("rocky10", "rocky9"), packages=("lsyncd",)), ("rocky9",)),
        (Needs(distros=("rocky9", "alma9")), ("rocky9", "alma9")),
        (Needs(packages=("lsyncd", "no-such-package")), ()),
        (Needs(enforcing=True), ("alma9", "debian12", "debian13", "rocky10", "rocky9")),
    ],
)
def test_a_lab_runs_on_the_distros_that_pool_what_it_installs(needs: Needs, fit: tuple[str, ...]) -> None:
    assert distros.fit_for(needs) == fit


def test_a_lab_that_needs_selinux_does_not_run_where_no_machine_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("debian12", "rocky9"):
        (tmp_path / f"{name}.toml").write_text(
            re.sub(r"(?m)^selinux = .*", "", (distros.FOLDER / f"{name}.toml").read_text())
        )
    monkeypatch.setattr(distros, "FOLDER", tmp_path)

    assert distros.fit_for(Needs(enforcing=True)) == ("rocky9",)


def test_an_unknown_distro_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(LabError, match='distro "debain12" does not exist, did you mean "debian12"'):
        distros.load("debain12")


def test_a_name_that_is_a_path_is_refused() -> None:
    with pytest.raises(LabError, match="does not exist"):
        distros.load("../distros/debian12")


def test_a_misspelt_key_is_refused_with_file_place_and_nearest_key(broken_debian: Path) -> None:
    broken_debian.write_text(broken_debian.read_text().replace("enable_pcsd", "enable_pscd"))

    with pytest.raises(LabError, match=r'debian12\.toml: commands\.enable_pscd: unknown key, .* "enable_pcsd"'):
        distros.load("debian12")


@pytest.mark.parametrize("source", ["", 'bootstrap = "bookworm"\ncontainer = "docker.io/library/debian:12"\n'])
def test_a_distro_needs_exactly_one_source_of_its_image(broken_debian: Path, source: str) -> None:
    broken_debian.write_text(broken_debian.read_text().replace('bootstrap = "bookworm"\n', source))

    with pytest.raises(LabError, match=r"debian12\.toml: needs either container or bootstrap"):
        distros.load("debian12")


def test_a_file_that_extends_another_has_only_what_is_different(broken_debian: Path) -> None:
    (broken_debian.parent / "mine.toml").write_text(
        'extends = "debian12"\ntitle = "Mine"\n[commands]\nenable_pcsd = ["true"]\n'
    )
    base, mine = distros.load("debian12"), distros.load("mine")

    assert (mine.title, mine.commands.enable_pcsd) == ("Mine", ("true",))
    assert mine.commands.install_web == base.commands.install_web
    assert mine.packages == base.packages


def test_a_change_of_what_is_extended_is_another_recipe(broken_debian: Path) -> None:
    (broken_debian.parent / "mine.toml").write_text('extends = "debian12"\ntitle = "Mine"\n')
    before = Recipe(distros.load("mine")).digest

    broken_debian.write_text(broken_debian.read_text().replace('"nginx"', '"nginx", "tcpdump"'))

    assert Recipe(distros.load("mine")).digest != before


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ('"debain12"', r'extends: distro "debain12" does not exist, did you mean "debian12"'),
        ("12", r'extends: distro "12" does not exist, known are debian12, mine'),
        ('"mine"', "and so has no end"),
    ],
)
def test_a_file_that_extends_nothing_or_itself_is_refused(broken_debian: Path, extends: str, said: str) -> None:
    (broken_debian.parent / "mine.toml").write_text(f'extends = {extends}\ntitle = "Mine"\n')

    with pytest.raises(LabError, match=said):
        distros.load("mine")


def test_a_mistake_in_what_is_extended_is_told_of_that_file(broken_debian: Path) -> None:
    (broken_debian.parent / "mine.toml").write_text('extends = "debian12"\ntitle = "Mine"\n')
    broken_debian.write_text(broken_debian.read_text().replace("enable_pcsd", "enable_pscd"))

    with pytest.raises(LabError, match=r"debian12\.toml: commands\.enable_pscd: unknown key"):
        distros.load("mine")
