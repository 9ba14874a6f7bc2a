"""Running this checkout without the rights that nodes need of their host."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from halab.kit.paths import ROOT

Done = subprocess.CompletedProcess[str]

LESS = ("setpriv", "--bounding-set=-sys_admin,-net_admin", "--inh-caps=-sys_admin,-net_admin")
# Somebody who is not root, and may read all there is, so that the checkout may be anywhere
USER = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all,+dac_read_search",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


def without(who: tuple[str, ...], *module: str) -> Done:
    """Run a Python module as somebody with fewer rights, who has a home directory until it ends."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        home.chmod(0o777)
        own = {"HOME": directory, "TMPDIR": directory, "XDG_STATE_HOME": f"{home}/s", "XDG_CACHE_HOME": f"{home}/c"}
        argv = [*who, sys.executable, "-B", "-m", *module]
        return subprocess.run(argv, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def pytest_without(who: tuple[str, ...], *options: str) -> Done:
    return without(who, "pytest", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", *options)
