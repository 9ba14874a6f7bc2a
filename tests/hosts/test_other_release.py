"""README's two commands, on the Debian release that this host does not have. `inv test --hosts` runs this.

The other host's root is bootstrapped into the cache once, and keeps what halab installs on it.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from halab.kit.paths import ROOT, cache_dir
from halab.providers.workshop import workshop

OTHER = "bookworm" if platform.freedesktop_os_release().get("VERSION_CODENAME") == "trixie" else "trixie"
CHECKOUT = Path("root/halab")
HOST = (
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--propagation",
    "private",
    sys.executable,
    f"{ROOT}/tests/hosts/host.py",
)
# Whoever has a checkout has git. The tests run beside the walk, which mostly waits
COMMANDS = """
cd /root/halab || exit
type -P git >/dev/null || { apt-get update && apt-get install -y --no-install-recommends git; } >/dev/null || exit
./inv down || exit
./inv test --unit &>/tmp/units &
./inv lab up walk && ./inv down
walked=$?
wait $! || { cat /tmp/units; exit 1; }
tail --lines=1 /tmp/units
exit $walked
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a host of its own needs root")


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The other host's root directory, with this very checkout in it, for one test session at a time."""
    with workshop(f"host-{OTHER}", print) as shop:
        root = cache_dir() / "hosts" / OTHER
        if not root.is_dir():
            made = shop.folder / "root"
            shop.run("unshare", "--mount", "mmdebstrap", "--variant=minbase", OTHER, str(made))
            root.parent.mkdir(exist_ok=True)
            made.rename(root)
        (root / CHECKOUT).mkdir(exist_ok=True)
        for path in (root / CHECKOUT).iterdir():
            if path.name != ".venv":
                subprocess.run(["rm", "--recursive", "--force", str(path)], check=True)
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        copy = f"tar --create --files-from=- | tar --extract --directory={root / CHECKOUT}"
        subprocess.run(copy, shell=True, cwd=ROOT, input=names, check=True)  # noqa: S602
        yield root


@pytest.mark.timeout(1200)  # the first run installs everything and makes an image; later ones take three minutes
def test_both_commands_of_the_readme_pass_on_the_other_debian_release(root: Path) -> None:
    done = subprocess.run(
        [*HOST, str(root), "bash", "-c", COMMANDS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-8000:]
    assert "Step stonith is passed" in said
    assert re.search(r"\d{4} passed", said)
