"""The image of a distro's bare node, and the pool of packages that labs install on it: made once, then found again.

Both are named by a digest of their recipe, and get that name when they are whole: whatever else lies about is the
leftover of a build that was killed, and the next build removes it.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from halab.distros import Distro, load
from halab.errors import LabError
from halab.paths import PROVISION, cache_dir
from halab.process import run

Say = Callable[[str], None]

ROOT_PASSWORD = "halab"
PREFERRED, FALLBACK = "rocky9", "debian12"
REGISTRY_PATIENCE = 3.0  # seconds
# Units that have nothing to do in a container, or that would change what is plugged in from outside
MASKED = (
    "systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service"
    " systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service systemd-resolved.service"
    " NetworkManager.service NetworkManager-wait-online.service getty.target console-getty.service"
    " apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer"
    " dnf-makecache.timer"
)


@dataclass(frozen=True)
class Image:
    """`pool` is a folder of packages that every node of this image sees as its package source, at /srv/pool."""

    reference: str
    image_id: str
    pool: Path


def ensure(distro: Distro, say: Say) -> Image:
    """The image and pool of `distro`, made now if they are not there, which takes minutes and the Internet.

    Raises LabError with the last line of the tool that failed and the path of the build's log.
    """
    if image := _find(distro):
        return image
    with _lock(distro, say) as lock:
        return _find(distro) or _Build(distro, lock, say).image()


def available(distro: Distro) -> str | None:
    """None when the image of `distro` is there or can be made, otherwise a sentence that tells why not."""
    if _find(distro):
        return None
    if distro.container is None:
        return None if shutil.which("mmdebstrap") else "mmdebstrap, which bootstraps it, is not installed"
    registry = distro.container.partition("/")[0]
    if _exists(distro.container) or _answers(f"https://{registry}/v2/"):
        return None
    return f"its image {distro.container} is not on this machine and {registry} does not answer"


def choose_default(say: Say) -> Distro:
    """The distro for a user who did not ask for one."""
    preferred, fallback = load(PREFERRED), load(FALLBACK)
    obstacle = available(preferred)
    if obstacle is None:
        return preferred
    say(f"using {fallback.title} instead of {preferred.title}: {obstacle}")
    return fallback


def containerfile(distro: Distro, root_password: str = ROOT_PASSWORD) -> str:
    """The recipe of a bare node, as `podman build` takes it."""
    environment = Environment(loader=FileSystemLoader(PROVISION), undefined=StrictUndefined, trim_blocks=True)
    template = environment.get_template("Containerfile.j2")
    return template.render(distro=distro, base=_base(distro), masked=MASKED, root_password=root_password)


def digest(distro: Distro) -> str:
    """Twelve hexadecimal digits that change with anything an image or its pool is made from."""
    recipe = hashlib.sha256()
    for part in (containerfile(distro), distro.container or "", shlex.join(_bootstrap(distro, Path()))):
        recipe.update(part.encode() + b"\0")
    for path in sorted((PROVISION / "files").rglob("*")):
        if path.is_file():
            recipe.update(f"{path.relative_to(PROVISION)} {path.stat().st_mode:o}".encode() + b"\0" + path.read_bytes())
    return recipe.hexdigest()[:12]


def _base(distro: Distro) -> str:
    return f"localhost/halab/{distro.name}:base"


def _bootstrap(distro: Distro, archive: Path) -> list[str]:
    return ["mmdebstrap", "--variant=minbase", str(distro.bootstrap), str(archive)]


def _find(distro: Distro) -> Image | None:
    recipe = digest(distro)
    pool = cache_dir() / "pool" / f"{distro.name}-{recipe}"
    reference = f"localhost/halab/{distro.name}:{recipe}"
    if not pool.is_dir():
        return None
    found = run(["podman", "image", "inspect", "--format", "{{.Id}}", reference])
    return Image(reference, found.stdout.strip(), pool) if found.ok else None


def _exists(reference: str) -> bool:
    return run(["podman", "image", "exists", reference]).ok


def _answers(url: str) -> bool:
    """Whether a web server answers in time, be it with an error, which an anonymous request for /v2/ gets."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REGISTRY_PATIENCE).close()
            answers.append(True)
        except urllib.error.HTTPError:
            answers.append(True)
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)  # looking up a name has no timeout of its own
    asking.start()
    asking.join(REGISTRY_PATIENCE)
    return bool(answers)


@contextmanager
def _lock(distro: Distro, say: Say) -> Iterator[int]:
    """A lock on the builds of a distro. The tools of a build inherit it, so it lasts until the last of them ends."""
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
    """One run of the recipe, in a folder and under tags that only the holder of the lock uses."""

    def __init__(self, distro: Distro, lock: int, say: Say) -> None:
        self._distro = distro
        self._lock = lock
        self._say = say
        self._folder = cache_dir() / "building" / distro.name
        self._log = cache_dir() / f"{distro.name}.log"
        self._tag = f"localhost/halab/{distro.name}:building"

    def image(self) -> Image:
        self._log.write_text("")
        self._sweep()
        try:
            return self._make()
        finally:
            self._sweep()

    def _make(self) -> Image:
        distro, recipe = self._distro, digest(self._distro)
        made = self._folder / "pool"
        made.mkdir(parents=True)
        self._say(f"{distro.name}: making the image of a bare node and the packages for labs, once (log: {self._log})")
        self._make_base()
        self._say(f"{distro.name}: installing {distro.title} and downloading packages")
        recipe_file = self._folder / "Containerfile"
        recipe_file.write_text(containerfile(distro))
        self._run(
            ["podman", "build", "--isolation=chroot", "--network=host", "--squash-all", "--pull=never"]
            + [f"--volume={made}:/srv/pool", f"--label=halab.recipe={recipe}", f"--tag={self._tag}"]
            + [f"--file={recipe_file}", str(PROVISION)]
        )
        pool = cache_dir() / "pool" / f"{distro.name}-{recipe}"
        pool.parent.mkdir(exist_ok=True)
        shutil.rmtree(pool, ignore_errors=True)
        made.replace(pool)
        self._run(["podman", "tag", self._tag, f"localhost/halab/{distro.name}:{recipe}"])
        image = _find(distro)
        if image is None:
            raise LabError(f"{distro.name}: the image was built but is not there; the log is {self._log}")
        return image

    def _make_base(self) -> None:
        distro = self._distro
        if distro.container is None:
            archive = self._folder / "base.tar"
            self._say(f"{distro.name}: bootstrapping {distro.bootstrap}")
            self._run(_bootstrap(distro, archive))
            self._run(["podman", "import", str(archive), _base(distro)])
        else:
            if not _exists(distro.container):
                self._say(f"{distro.name}: pulling {distro.container}")
                self._run(["podman", "pull", distro.container])
            self._run(["podman", "tag", distro.container, _base(distro)])

    def _run(self, argv: Sequence[str]) -> None:
        with self._log.open("a") as log:
            log.write(f"$ {shlex.join(argv)}\n")
            log.flush()
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(self._folder)},
                pass_fds=[self._lock],
                check=False,
            )
        if done.returncode:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1]
            raise LabError(f"{self._distro.name}: making its image failed: {last} (the log is {self._log})")

    def _sweep(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
