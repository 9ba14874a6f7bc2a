"""The image of a distro's bare node, and the pool of packages that labs install on it: made once, then found again.

Both are named by a digest of their recipe, and get that name when they are whole: whatever else lies about is the
leftover of a build that was killed, and the next build removes it.
"""

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from halab import host
from halab.distros import Distro, load
from halab.errors import LabError
from halab.paths import PROVISION, cache_dir
from halab.process import run

Say = Callable[[str], None]

ROOT_PASSWORD = "halab"  # noqa: S105  a lab's nodes are reachable from their own instance only
PREFERRED, FALLBACK = "rocky9", "debian12"
REGISTRY_PATIENCE = 3.0  # seconds
TEMPLATE = PROVISION / "Containerfile.j2"
FILES = PROVISION / "files"


@dataclass(frozen=True)
class Image:
    """`pool` is a folder of packages that every node of this image sees as its package source, at /srv/pool."""

    reference: str
    image_id: str
    pool: Path


def ensure(distro: Distro, say: Say) -> Image:
    """The image and pool of `distro`, made now if they are not there, which takes minutes and the Internet.

    Raises LabError with the reason that the failing tool gave, and the path of the build's log.
    """
    recipe = Recipe(distro)
    if image := recipe.made():
        return image
    if distro.bootstrap:
        host.ensure(host.BOOTSTRAP_TOOLS, say)
    try:
        with _lock(distro, say) as lock:
            return recipe.made() or _Build(recipe, lock, say).image()
    except OSError as error:
        raise LabError(f"{distro.name}: making its image failed: {error}") from error


def available(distro: Distro) -> str | None:
    """None when the image of `distro` is there or can be made, otherwise a sentence that tells why not."""
    if Recipe(distro).made():
        return None
    if distro.container is None:
        return None if shutil.which("mmdebstrap") else "mmdebstrap, which bootstraps it, is not installed"
    registry = distro.container.partition("/")[0]
    if _is_local(distro.container) or _answers(f"https://{registry}/v2/"):
        return None
    return f"its image {distro.container} is not on this machine, and {registry} does not answer"


def choose_default(say: Say) -> Distro:
    """The distro for a user who did not ask for one."""
    preferred, fallback = load(PREFERRED), load(FALLBACK)
    obstacle = available(preferred)
    if obstacle is None:
        return preferred
    say(f"using {fallback.title} instead of {preferred.title}: {obstacle}")
    return fallback


class Recipe:
    """What a distro's image and pool are made from, and the names they get when they are whole."""

    def __init__(self, distro: Distro, root_password: str = ROOT_PASSWORD) -> None:
        self.distro = distro
        self._root_password = root_password
        self.digest = self._digest()
        self.reference = f"localhost/halab/{distro.name}:{self.digest}"
        self.pool = cache_dir() / "pool" / f"{distro.name}-{self.digest}"

    def made(self) -> Image | None:
        """The whole image and pool, or None when one of them is missing."""
        if not self.pool.is_dir():
            return None
        found = run(["podman", "image", "inspect", "--format", "{{.Id}}", self.reference])
        return Image(self.reference, found.stdout.strip(), self.pool) if found.ok else None

    def containerfile(self) -> str:
        from jinja2 import Environment, StrictUndefined  # to import it takes longer than to find an image

        environment = Environment(undefined=StrictUndefined, trim_blocks=True)  # noqa: S701  no HTML
        template = environment.from_string(TEMPLATE.read_text())
        return template.render(distro=self.distro, root_password=self._root_password)

    def _digest(self) -> str:
        """Twelve hexadecimal digits that change with anything that an image or its pool is made from."""
        made_from = self.distro.model_dump_json(exclude={"title", "commands", "paths"})
        digest = hashlib.sha256(f"{made_from}\0{self._root_password}".encode())
        for path in sorted(path for path in (TEMPLATE, *FILES.rglob("*")) if path.is_file()):
            digest.update(f"\0{path.relative_to(PROVISION)} {path.stat().st_mode:o}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def _is_local(reference: str) -> bool:
    return run(["podman", "image", "exists", reference]).ok


def _answers(url: str) -> bool:
    """Whether a web server answers in time, be it with an error, which is what a registry tells a stranger."""
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
            answers.append(True)
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)  # looking up a name takes as long as it likes
    asking.start()
    asking.join(REGISTRY_PATIENCE)
    return bool(answers)


@contextmanager
def _lock(distro: Distro, say: Say) -> Iterator[int]:
    """A lock on the builds of a distro. The tools of a build inherit it, so that it lasts until the last one ends,
    even when halab itself is killed. (filelock's locks are not inherited.)
    """
    path = cache_dir() / f"{distro.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{distro.name}: waiting for another build of its image to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


class _Build:
    """One run of a recipe, in a folder and under tags that only the holder of the lock uses."""

    def __init__(self, recipe: Recipe, lock: int, say: Say) -> None:
        self._recipe = recipe
        self._distro = recipe.distro
        self._lock = lock
        self._say = say
        self._folder = cache_dir() / "building" / recipe.distro.name
        self._log = cache_dir() / f"{recipe.distro.name}.log"
        mine = hashlib.sha256(str(self._folder).encode()).hexdigest()[:12]  # podman's tags are the whole machine's
        self._base, self._whole = f"localhost/halab/base:{mine}", f"localhost/halab/building:{mine}"

    def image(self) -> Image:
        self._sweep()
        try:
            return self._make()
        finally:
            self._sweep()

    def _make(self) -> Image:
        recipe, pool = self._recipe, self._folder / "pool"
        pool.mkdir(parents=True)
        self._log.write_text("")
        self._say(f"{self._distro.name}: making the image and package pool, once; the log is {self._log}")
        self._make_base()
        self._say(f"{self._distro.name}: installing a bare node and downloading what the labs install")
        containerfile = self._folder / "Containerfile"
        containerfile.write_text(recipe.containerfile())
        build = ["podman", "build", "--isolation=chroot", "--network=host", "--squash-all", "--pull=never"]
        build += [f"--from={self._base}", f"--file={containerfile}", f"--volume={pool}:/srv/pool"]
        self._run(*build, f"--label=halab.recipe={recipe.digest}", f"--tag={self._whole}", str(PROVISION))
        recipe.pool.parent.mkdir(exist_ok=True)
        shutil.rmtree(recipe.pool, ignore_errors=True)
        pool.replace(recipe.pool)
        self._run("podman", "tag", self._whole, recipe.reference)
        image = recipe.made()
        if image is None:
            raise LabError(f"{self._distro.name}: its image was made but is not there; the log is {self._log}")
        return image

    def _make_base(self) -> None:
        name, public, suite = self._distro.name, self._distro.container, self._distro.bootstrap
        if public is None:
            archive = str(self._folder / "base.tar")
            self._say(f"{name}: bootstrapping {suite}")
            # in a mount namespace, as mmdebstrap mounts /proc and /sys in its folder, and may be killed
            self._run("unshare", "--mount", "mmdebstrap", "--variant=minbase", str(suite), archive)
            self._run("podman", "import", archive, self._base)
            return
        if not _is_local(public):
            self._say(f"{name}: pulling {public}")
            self._run("podman", "pull", public)
        self._run("podman", "tag", public, self._base)

    def _run(self, *argv: str) -> None:
        with self._log.open("a+") as log:
            log.write(f"$ {shlex.join(argv)}\n")
            log.flush()
            begin = log.tell()
            environment = {**os.environ, "TMPDIR": str(self._folder)}
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[self._lock],
                check=False,
            )
            log.seek(begin)
            if done.returncode:
                reason = _reason(log.read()) or f"exit status {done.returncode}"
                raise LabError(f"{self._distro.name}: `{argv[0]} {argv[1]}` failed: {reason} (the log is {self._log})")

    def _sweep(self) -> None:
        """Remove what this build, or an earlier one that was killed, has left."""
        listed = run(["podman", "ps", "--all", "--external", "--format", "{{.Image}}\t{{.Status}}\t{{.ID}}"])
        for line in listed.stdout.splitlines():
            image, status, container = line.split("\t")
            if image == self._base and status == "Storage":
                run(["podman", "rm", "--force", container])
        run(["podman", "rmi", self._whole, self._base])
        shutil.rmtree(self._folder, ignore_errors=True)


def _reason(output: str) -> str:
    """The last error that a tool printed, or its last line. Podman's own line only repeats the command it ran."""
    errors = re.findall(r"^(?:E|Error): (?!building at STEP).+", output, re.MULTILINE)
    return (errors or output.strip().splitlines() or [""])[-1]
