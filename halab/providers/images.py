"""The image of a distro's bare node, the pool of packages that labs install on it, and the tools root of both.

They are made once, and found again. Their names have a digest of their recipe, and they get these names when they are
complete. Anything else is the leftover of a build that was killed, and the next build removes it.
"""

import hashlib
import shutil
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.files import let_read, readable
from halab.kit.paths import PROVISION, cache_dir
from halab.kit.process import run
from halab.providers import host, pools, processor, tools_root
from halab.providers.volumes import volume
from halab.providers.workshop import Say, Workshop, workshop
from halab.spec.distros import Distro, load

ROOT_PASSWORD = "halab"  # noqa: S105  a lab's nodes are reachable from their own instance only
PREFERRED, FALLBACK = "rocky9", "debian12"
REGISTRY_PATIENCE = 3.0  # seconds
TEMPLATE = PROVISION / "Containerfile.j2"
FILES = PROVISION / "files"


@dataclass(frozen=True)
class Image:
    """The image of a distro, with its package pool and its tools root.

    `pool` is a folder of packages. Every node of this image sees it at /srv/pool, as its package source. `tools` has
    the programs of the image and of all these packages. No node can change them (see tools_root).
    """

    reference: str
    image_id: str
    pool: Path
    tools: Path


def ensure(distro: Distro, say: Say) -> Image:
    """Return the image, pool and tools root of `distro`. They are made now if they do not exist.

    That takes minutes and the Internet. If only the tools root is missing, it takes seconds and no Internet.
    Raises LabError with the reason that the failing tool gave, and the path of the build's log.
    """
    if refusal := processor.refusal(distro):
        raise LabError(f"{distro.name}: {refusal}")
    recipe = Recipe(distro)
    if image := recipe.made():
        return image
    if distro.bootstrap and not recipe.image_id():
        host.ensure(host.BOOTSTRAP_TOOLS, say)
    try:
        with workshop(distro.name, say) as shop:
            if not recipe.image_id():
                _Build(recipe, shop).make()
            tools_root.make(distro, recipe.reference, recipe.pool, shop)
            image = recipe.made()
    except OSError as error:
        raise LabError(f"{distro.name}: making its image failed: {error}") from error
    if image is None:
        raise LabError(f"{distro.name}: its image was made but is not there; the log is {shop.log}")
    return image


def add_to_pool(distro: Distro, packages: Sequence[str], say: Say) -> int:
    """Add packages to the pool of `distro`, and to its tools root, and return how many files that took.

    Nodes that run see them at once. Raises LabError as `ensure` does, also when there is no such package.
    """
    image = ensure(distro, say)
    try:
        with workshop(distro.name, say) as shop:
            shop.log.write_text("")
            shop.say(f"downloading {', '.join(packages)}; the log is {shop.log}")
            count = pools.add(shop, distro, image.reference, image.pool, packages)
            tools_root.make(distro, image.reference, image.pool, shop)
            pools.want(distro, packages)
    except OSError as error:
        raise LabError(f"{distro.name}: adding to its pool failed: {error}") from error
    return count


def available(distro: Distro) -> str | None:
    """Return None when the image of `distro` exists or can be made, otherwise a sentence that says why not."""
    if refusal := processor.refusal(distro):
        return refusal
    if Recipe(distro).made():
        return None
    if distro.container is None:
        return None if shutil.which("mmdebstrap") else "mmdebstrap, which bootstraps it, is not installed"
    registry = distro.container.partition("/")[0]
    if _is_local(distro.container) or answers(f"https://{registry}/v2/"):
        return None
    return f"its image {distro.container} is not on this machine, and {registry} does not answer"


def choose_default(say: Say) -> Distro:
    """Return the distro for a user who did not ask for one."""
    preferred, fallback = load(PREFERRED), load(FALLBACK)
    obstacle = available(preferred)
    if obstacle is None:
        return preferred
    say(f"using {fallback.title} instead of {preferred.title}: {obstacle}")
    return fallback


class Recipe:
    """What a distro's image and pool are made from, and the names that they get when they are complete."""

    def __init__(self, distro: Distro, root_password: str = ROOT_PASSWORD) -> None:
        self.distro = distro
        self._root_password = root_password
        self.digest = self._digest()
        self.reference = f"localhost/halab/{distro.name}:{self.digest}"
        self.pool = cache_dir() / "pool" / f"{distro.name}-{self.digest}"

    def made(self) -> Image | None:
        """Return the complete image, pool and tools root, or None when one of them is missing."""
        tools = tools_root.path(self.distro, self.pool)
        identity = self.image_id() if tools.is_dir() else None
        return Image(self.reference, identity, self.pool, tools) if identity else None

    def image_id(self) -> str | None:
        """Return the image's id, or None when the image or its pool is missing."""
        if not self.pool.is_dir() or not _has_podman():
            return None
        found = run(["podman", "image", "inspect", "--format", "{{.Id}}", self.reference])
        return found.stdout.strip() if found.ok else None

    def containerfile(self) -> str:
        return templates.render(TEMPLATE, distro=self.distro, root_password=self._root_password)

    def _digest(self) -> str:
        """Return twelve hexadecimal digits, which change with anything that an image or its pool is made from."""
        apart = {"title", "commands", "paths", "box_url", "processor", "selinux"}
        made_from = self.distro.model_dump_json(exclude=apart)
        digest = hashlib.sha256(f"{made_from}\0{self._root_password}".encode())
        for path in sorted(path for path in (TEMPLATE, *FILES.rglob("*")) if path.is_file()):
            digest.update(f"\0{path.relative_to(PROVISION)} {stat.S_IFREG | readable(path):o}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def _is_local(reference: str) -> bool:
    return _has_podman() and run(["podman", "image", "exists", reference]).ok


def _has_podman() -> bool:
    """Return whether there is a podman to ask; `inv labs` tells of hosts, too, on which nothing is installed yet."""
    return shutil.which("podman") is not None


def answers(url: str) -> bool:
    """Return whether a registry, or another server, answers in time.

    401 counts, as a registry answers so to a stranger (OCI Distribution Spec, "Determining Support"). Any other error
    comes from a proxy, or a portal, that is in the way.
    """
    import urllib.error
    import urllib.request

    answers: list[bool] = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310  always https
        try:
            urllib.request.urlopen(request, timeout=REGISTRY_PATIENCE).close()  # noqa: S310
            answers.append(True)
        except urllib.error.HTTPError as error:
            error.close()
            answers.append(error.code == HTTPStatus.UNAUTHORIZED)
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)  # the lookup of a name has no time limit
    asking.start()
    asking.join(REGISTRY_PATIENCE)
    return any(answers)


class _Build:
    """One run of a recipe."""

    def __init__(self, recipe: Recipe, shop: Workshop) -> None:
        self._recipe = recipe
        self._distro = recipe.distro
        self._shop = shop
        mine = hashlib.sha256(str(shop.folder).encode()).hexdigest()[:12]  # podman's tags are the whole machine's
        self._base, self._whole = f"localhost/halab/base:{mine}", f"localhost/halab/building:{mine}"

    def make(self) -> None:
        self._sweep()
        try:
            self._make()
        finally:
            self._sweep()

    def _make(self) -> None:
        recipe, shop, pool = self._recipe, self._shop, self._shop.folder / "pool"
        pool.mkdir()
        shop.log.write_text("")
        shop.say(f"making the image and package pool, once; the log is {shop.log}")
        self._make_base()
        shop.say("installing a bare node and downloading what the labs install")
        containerfile = shop.folder / "Containerfile"
        containerfile.write_text(recipe.containerfile())
        options = (f"--from={self._base}", volume(pool, "/srv/pool"), f"--label=halab.recipe={recipe.digest}")
        context = shop.folder / "context"
        shutil.copytree(FILES, context / FILES.name)
        let_read(context)
        shop.build(containerfile, self._whole, context, *options)
        self._add_what_was_wanted(pool)
        let_read(pool)
        recipe.pool.parent.mkdir(exist_ok=True)
        shutil.rmtree(recipe.pool, ignore_errors=True)
        pool.replace(recipe.pool)
        shop.run("podman", "tag", self._whole, recipe.reference)

    def _add_what_was_wanted(self, pool: Path) -> None:
        """Add what the pool before had besides. A package that is no more keeps nobody from a pool."""
        if wanted := pools.wanted(self._distro):
            try:
                pools.add(self._shop, self._distro, self._whole, pool, wanted)
            except LabError as error:
                self._shop.say(f"what was added with inv pool add is not in the new pool: {error}")

    def _make_base(self) -> None:
        shop, public, suite = self._shop, self._distro.container, self._distro.bootstrap
        if public is None:
            archive = str(shop.folder / "base.tar")
            shop.say(f"bootstrapping {suite}")
            # in a mount namespace, as mmdebstrap mounts /proc and /sys in its folder, and may be killed
            shop.run("unshare", "--mount", "mmdebstrap", "--variant=minbase", str(suite), archive)
            shop.run("podman", "import", archive, self._base)
            return
        if not _is_local(public):
            shop.say(f"pulling {public}")
            shop.run("podman", "pull", public)
        shop.run("podman", "tag", public, self._base)

    def _sweep(self) -> None:
        """Remove the leftovers of this build, and of earlier ones that were killed."""
        listed = run(["podman", "ps", "--all", "--external", "--format", "{{.Image}}\t{{.Status}}\t{{.ID}}"])
        for line in listed.stdout.splitlines():
            image, status, container = line.split("\t")
            if image == self._base and status == "Storage":
                run(["podman", "rm", "--force", container])
        run(["podman", "rmi", self._whole, self._base])
