"""What a machine says of itself, on the machine: `python -m halab.site.facts` prints it."""

import hashlib
import os
import platform
import re
import sys
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.frozen import Frozen
from halab.kit.process import run
from halab.providers import host
from halab.providers.host import Tool
from halab.site import daemons, files, tree

ON_EACH = (
    Tool("munged", "lets the machines of a site know each other", "munge", "munge"),
    Tool("slurmd", "runs seats on this machine", "slurmd", "slurm-slurmd"),
    Tool("srun", "brings home what seats have", "slurm-client", "slurm"),
)
ON_HEAD = (Tool("slurmctld", "knows who sits where", "slurmctld", "slurm-slurmctld"),)


class Facts(Frozen):
    """`memory` is in MiB. `images` are the references of nodes' images, which say what they are made from."""

    hostname: str
    memory: int
    cores: int
    slurm: str
    halab: str
    images: tuple[str, ...]
    key: str | None  # a digest of the munge key of the site that the machine is in
    conf: str | None  # likewise of its slurm.conf
    daemons: tuple[str, ...]


def key_of(content: bytes) -> str:
    return hashlib.sha256(b"halab" + content).hexdigest()[:16]


def here() -> Facts:
    """Return what this machine is. Raises LabError when Slurm is not installed."""
    return Facts(
        hostname=platform.node().partition(".")[0],
        memory=int(re.findall(r"^MemTotal: *(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[0]) // 1024,
        cores=len(os.sched_getaffinity(0)),
        slurm=_version(),
        halab=tree.digest(),
        images=_images(),
        key=_digest(files.ON_MACHINE / daemons.KEY),
        conf=_digest(files.ON_MACHINE / daemons.CONF),
        daemons=tuple(daemon.name for daemon in daemons.ALL if daemon.pids()),
    )


def _digest(file: Path) -> str | None:
    return key_of(file.read_bytes()) if file.is_file() else None


def _version() -> str:
    """Return Slurm's version as far as it must be the same everywhere, such as 22.05."""
    if lacking := host.missing(ON_EACH):
        raise LabError(f"{', '.join(tool.command for tool in lacking)}: not installed; `inv site up` installs it")
    said = run([daemons.program("slurmd"), "-V"])
    if not (found := re.search(r"\b(\d+\.\d+)\.\d+", said.stdout)):
        raise LabError(f"slurmd does not say its version: {said.cause()}")
    return found[1]


def _images() -> tuple[str, ...]:
    if host.missing(host.TOOLS[:1]):
        return ()
    listed = run(["podman", "images", "--filter=reference=localhost/halab/*", "--format={{.Repository}}:{{.Tag}}"])
    return tuple(sorted(line.removeprefix("localhost/halab/") for line in listed.stdout.split() if listed.ok))


def install(is_head: bool) -> None:
    """Install what this machine lacks for seats, or for the head besides."""
    host.ensure((*host.TOOLS, *ON_EACH, *(ON_HEAD if is_head else ())), lambda line: print(line, file=sys.stderr))
