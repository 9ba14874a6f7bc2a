"""Packages that a user adds to the pool of a distro, with all that they need.

Nodes that run see the pool as it is, so nothing in it may be half written. Packages come first, which no index names
yet. Then one link is made to point to the new index, by which all of it is reached. The names of what was added are
kept beside the pools: a pool that is made anew gets the same.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.files import let_read, publish
from halab.kit.paths import PROVISION, cache_dir
from halab.providers.workshop import Workshop
from halab.spec.distros import Distro

TEMPLATE = PROVISION / "pool.sh.j2"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
# The link, in a pool that something was added to, whose target is named after the index
LINKS = {"apt": "index", "dnf": "repodata/repomd.xml"}


def names(given: str) -> list[str]:
    """Return the names of packages that are given with commas or spaces between. Raises LabError for what is none."""
    found = given.replace(",", " ").split()
    if not found:
        raise LabError("which package? For example: inv pool add tcpdump")
    for name in found:
        if not NAME.fullmatch(name):
            raise LabError(f'"{name}" is no name of a package')
    return found


def wanted(distro: Distro) -> list[str]:
    """Return the names that were added to the pool of a distro before."""
    file = _wanted_file(distro)
    return file.read_text().split() if file.exists() else []


def want(distro: Distro, packages: Sequence[str]) -> None:
    """Remember names for pools that are made later."""
    publish(_wanted_file(distro), "\n".join(dict.fromkeys([*wanted(distro), *packages])) + "\n")


def added(pool: Path) -> bytes:
    """Return what tells a pool from the same without what was added; nothing for one that is as it was made."""
    links = [pool / link for link in LINKS.values()]
    return b"".join(os.fsencode(link.readlink()) for link in links if link.is_symlink())


def add(shop: Workshop, distro: Distro, reference: str, pool: Path, packages: Sequence[str]) -> int:
    """Download packages for the image `reference` into its pool, and return how many files that took.

    Raises LabError with the reason that the package manager gave.
    """
    new = shop.folder / "new"
    new.mkdir()
    shop.run_inside(reference, templates.render(TEMPLATE, distro=distro, names=packages), pool, new)
    let_read(new)
    files = sorted((new / "packages").iterdir())
    for file in files:
        copy = pool / f".{file.name}"
        shutil.copy(file, copy)
        copy.replace(pool / file.name)
    if files:
        switch = _switch_apt if distro.package_manager == "apt" else _switch_dnf
        switch(pool, pool / LINKS[distro.package_manager], new / "index")
        let_read(pool)
    return len(files)


def _switch_apt(pool: Path, link: Path, index: Path) -> None:
    """Put a new index, of two files, in the place of the old one."""
    if not link.is_symlink():
        _point(link, _placed(pool, [pool / name for name in ("Packages", "Release")]))
    for name in ("Packages", "Release"):
        if not (pool / name).is_symlink():
            _point(pool / name, f"{link.name}/{name}")
    _point(link, _placed(pool, sorted(index.iterdir())))
    for before in pool.glob("index-*"):
        if before.name != str(link.readlink()):
            shutil.rmtree(before)


def _switch_dnf(pool: Path, link: Path, index: Path) -> None:
    """Put a new index in the place of the old one: repomd.xml names its other files, which are called by checksums."""
    for file in (index / "repodata").iterdir():
        if file.name != link.name:
            shutil.copy(file, link.parent / file.name)
    content = (index / "repodata" / link.name).read_bytes()
    named = link.with_name(f"repomd-{hashlib.sha256(content).hexdigest()[:12]}.xml")
    publish(named, content)
    let_read(link.parent)
    _point(link, named.name)


def _placed(pool: Path, files: Sequence[Path]) -> str:
    """Copy an index to a directory of its own in the pool, and return its name."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    place = pool / f"index-{digest}"
    place.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, place / file.name)
    let_read(place)
    return place.name


def _point(link: Path, target: str) -> None:
    """Make a link, or have it point elsewhere, at once."""
    unfinished = link.with_name(f".{link.name}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.replace(link)


def _wanted_file(distro: Distro) -> Path:
    return cache_dir() / "pool" / f"{distro.name}.added"
