"""The tools root of an image: its programs, and those of all packages in its pool, where no learner can change them.

Questions to a node are asked with these programs, and a node's own programs are compared with them. It is made inside
the image, from the image and the pool alone, without the Internet. Like these, it gets its name when it is complete.
See provision/tools.sh.j2 for its contents.
"""

import hashlib
from pathlib import Path

from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.paths import PROVISION, cache_dir
from halab.providers.pools import added
from halab.providers.workshop import Say, Workshop, workshop
from halab.spec.distros import Distro

TEMPLATE = PROVISION / "tools.sh.j2"


def path(distro: Distro, pool: Path) -> Path:
    """Return where the tools root is once it is made. The name changes with the image, the pool, and how it is made."""
    made_from = f"{distro.package_manager}\0{distro.paths.web_page}\0".encode() + TEMPLATE.read_bytes() + added(pool)
    return cache_dir() / "tools" / f"{pool.name}-{hashlib.sha256(made_from).hexdigest()[:12]}"


def ensure(distro: Distro, reference: str, pool: Path, say: Say) -> Path:
    """Return the tools root of the image `reference`.

    It is made now if it does not exist, which takes half a minute.

    Raises LabError with the reason that the failing tool gave, and the path of the build's log.
    """
    wanted = path(distro, pool)
    if wanted.is_dir():
        return wanted
    try:
        with workshop(distro.name, say) as shop:
            return make(distro, reference, pool, shop)
    except OSError as error:
        raise LabError(f"{distro.name}: making its tools root failed: {error}") from error


def make(distro: Distro, reference: str, pool: Path, shop: Workshop) -> Path:
    """Do as `ensure` does, in a workshop that is held already."""
    wanted = path(distro, pool)
    if wanted.is_dir():
        return wanted
    folder = shop.folder / "tools"
    shop.say("copying the programs that nodes are asked with, once")
    folder.mkdir()
    shop.run_inside(reference, templates.render(TEMPLATE, distro=distro), pool, folder)
    wanted.parent.mkdir(exist_ok=True)
    folder.replace(wanted)
    return wanted
