"""The tools root of an image: its programs, with those of all packages of its pool, that no learner can change.

What is asked on a node is asked with these, and a node's own programs are held against them. It is made of the image
and the pool alone, without the Internet, in the image itself; and like these, it gets its name when it is whole. See
provision/tools.sh.j2 for what is in it.
"""

import hashlib
from pathlib import Path

from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.paths import PROVISION, cache_dir
from halab.kit.process import run
from halab.providers.workshop import Say, Workshop, workshop
from halab.spec.distros import Distro

TEMPLATE = PROVISION / "tools.sh.j2"


def path(distro: Distro, pool: Path) -> Path:
    """Where the tools root is when it is made; the name changes with the image, the pool, and how it is made."""
    made_from = f"{distro.package_manager}\0{distro.paths.web_page}\0".encode() + TEMPLATE.read_bytes()
    return cache_dir() / "tools" / f"{pool.name}-{hashlib.sha256(made_from).hexdigest()[:12]}"


def ensure(distro: Distro, reference: str, pool: Path, say: Say) -> Path:
    """The tools root of the image `reference`, made now if it is not there, which takes half a minute.

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
    """The same, in a workshop that is held already."""
    wanted = path(distro, pool)
    if wanted.is_dir():
        return wanted
    folder, script = shop.folder / "tools", shop.folder / "tools.sh"
    shop.say("copying the programs that nodes are asked with, once")
    folder.mkdir()
    script.write_text(templates.render(TEMPLATE, distro=distro))
    containerfile = shop.folder / "Containerfile.tools"
    containerfile.write_text(f"FROM {reference}\nRUN sh /tools.sh\n")
    tag = f"localhost/halab/tools:{wanted.name}"
    volumes = [f"--volume={folder}:/tools", f"--volume={script}:/tools.sh:ro", f"--volume={pool}:/srv/pool:ro"]
    try:
        shop.build(containerfile, tag, shop.folder, *volumes)
    finally:
        run(["podman", "rmi", tag])  # all that it made is in the volume
    wanted.parent.mkdir(exist_ok=True)
    folder.replace(wanted)
    return wanted
