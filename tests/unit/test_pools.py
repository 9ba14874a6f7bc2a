"""Packages that are added to a pool, with a stub podman whose build leaves what the test says in /new."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers import images, pools, tools_root
from halab.spec import distros
from halab.spec.distros import Distro
from tests.unit.test_images import here, quiet, remains

__all__ = ["here"]

# Of the stub podman's build, with $new and $pool: it leaves a package and an index in which all packages are named
APT = """
mkdir -p $new/packages $new/index
echo tcpdump >$new/packages/tcpdump_4.deb
{ cat $pool/Packages; echo tcpdump; } >$new/index/Packages
echo "of $(wc -l <$new/index/Packages)" >$new/index/Release
"""
DNF = """
mkdir -p $new/packages $new/index/repodata
echo tcpdump >$new/packages/tcpdump-4.rpm
echo new >$new/index/repodata/2-primary.xml
echo 2-primary.xml >$new/index/repodata/repomd.xml
"""


def index(pool: Path) -> tuple[str, str]:
    return (pool / "Packages").read_text(), (pool / "Release").read_text()


@pytest.fixture
def debian(here: Path) -> Distro:
    (here / "build").write_text("echo of 1 >$pool/Release")
    (here / "new").write_text(APT)
    return distros.load("debian12")


def test_what_is_added_is_in_the_pool_with_its_index_and_the_image_stays(debian: Distro, here: Path) -> None:
    before = images.ensure(debian, quiet)

    count = images.add_to_pool(debian, ["tcpdump"], quiet)
    after = images.ensure(debian, quiet)

    assert count == 1
    assert (after.reference, after.image_id, after.pool) == (before.reference, before.image_id, before.pool)
    assert (after.pool / "tcpdump_4.deb").read_text() == "tcpdump\n"
    assert index(after.pool) == ("Packages\ntcpdump\n", "of 2\n")
    assert after.tools != before.tools
    assert after.tools.is_dir()
    assert remains(here) == []


def test_both_files_of_an_index_change_at_once_for_a_node_that_has_the_pool_open(debian: Distro, here: Path) -> None:
    pool = images.ensure(debian, quiet).pool
    images.add_to_pool(debian, ["tcpdump"], quiet)
    mounted = os.open(pool, os.O_RDONLY)

    (here / "new").write_text(APT.replace("tcpdump", "chrony"))
    images.add_to_pool(debian, ["chrony"], quiet)

    listed = {path.name for path in Path(f"/proc/self/fd/{mounted}/").iterdir()}
    os.close(mounted)
    assert {"tcpdump_4.deb", "chrony_4.deb"} <= listed
    assert (pool / "Packages").resolve().parent == (pool / "Release").resolve().parent
    assert index(pool) == ("Packages\ntcpdump\nchrony\n", "of 3\n")
    assert len(list(pool.glob("index-*"))) == 1


KILLED = """
import os, pathlib, sys
from halab.providers import images
from halab.spec import distros
count = int(sys.argv[1])
real = pathlib.Path.replace
def replace(self, target):
    global count
    count -= 1
    if not count:
        os._exit(9)
    return real(self, target)
pathlib.Path.replace = replace
images.add_to_pool(distros.load("debian12"), ["tcpdump"], lambda text: None)
"""


@pytest.mark.parametrize("number", range(1, 7))
def test_a_pool_is_whole_wherever_adding_to_it_is_killed(debian: Distro, here: Path, number: int) -> None:
    pool = images.ensure(debian, quiet).pool

    killed = subprocess.run([sys.executable, "-c", KILLED, str(number)], check=False, cwd=images.PROVISION.parent)

    assert killed.returncode == 9
    assert index(pool) in [("Packages\n", "of 1\n"), ("Packages\ntcpdump\n", "of 2\n")]
    assert images.add_to_pool(debian, ["tcpdump"], quiet) == 1
    assert index(pool)[0].endswith("tcpdump\n")
    assert pools.wanted(debian) == ["tcpdump"]


def test_a_pool_that_is_made_anew_gets_what_was_added_before(debian: Distro, here: Path) -> None:
    images.ensure(debian, quiet)
    images.add_to_pool(debian, ["tcpdump"], quiet)
    newer = debian.model_copy(update={"packages": (*debian.packages, "tmux")})

    pool = images.ensure(newer, quiet).pool

    assert (pool / "tcpdump_4.deb").exists()
    assert index(pool) == ("Packages\ntcpdump\n", "of 2\n")


def test_a_package_that_is_no_more_keeps_nobody_from_a_pool(debian: Distro, here: Path) -> None:
    said: list[str] = []
    pools.want(debian, ["gone"])
    (here / "new").write_text("echo 'E: Unable to locate package gone'; exit 100")

    assert images.ensure(debian, said.append).pool.is_dir()

    assert any("what was added with inv pool add is not in the new pool" in line for line in said)


def test_a_package_that_there_is_not_is_told_and_changes_nothing(debian: Distro, here: Path) -> None:
    pool = images.ensure(debian, quiet).pool
    before = sorted(pool.iterdir())
    (here / "new").write_text("echo 'E: Unable to locate package nix'; exit 100")

    with pytest.raises(LabError, match="Unable to locate package nix"):
        images.add_to_pool(debian, ["nix"], quiet)

    assert sorted(pool.iterdir()) == before
    assert pools.wanted(debian) == []


def test_of_rpms_only_the_file_that_names_all_others_takes_the_place_of_one(here: Path) -> None:
    rocky = distros.load("rocky9")
    (here / "build").write_text("mkdir -p $pool/repodata; echo 1-primary.xml >$pool/repodata/repomd.xml")
    (here / "new").write_text(DNF)
    pool = images.ensure(rocky, quiet).pool
    (pool / "repodata/1-primary.xml").write_text("old")

    images.add_to_pool(rocky, ["tcpdump"], quiet)

    assert (pool / "repodata/repomd.xml").read_text() == "2-primary.xml\n"
    (named,) = pool.glob("repodata/repomd-*.xml")
    assert str((pool / "repodata/repomd.xml").readlink()) == named.name
    assert {"1-primary.xml", "2-primary.xml"} < {path.name for path in (pool / "repodata").iterdir()}


def test_the_tools_root_of_a_pool_as_it_was_made_has_the_name_that_it_had(debian: Distro, tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    before = tools_root.path(debian, tmp_path / "pool")

    (tmp_path / "pool/index").symlink_to("index-123")

    assert tools_root.path(debian, tmp_path / "pool") != before
    assert before.name.startswith("pool-")


@pytest.mark.parametrize("given", ["", "-o=x", "a;b", "$(id)", "../x", "a/b", "a'b"])
def test_what_is_no_name_of_a_package_is_refused(given: str) -> None:
    with pytest.raises(LabError, match=r"which package|is no name of a package"):
        pools.names(given)


def test_names_may_have_commas_or_spaces_between() -> None:
    assert pools.names("tcpdump, g++ chrony") == ["tcpdump", "g++", "chrony"]
