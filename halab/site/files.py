"""Where the files of a site are: on the head in its state directory, on each machine below /etc, /run and /var/lib."""

from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.paths import state_dir

ON_MACHINE = Path("/etc/halab/site")
RUN = Path("/run/halab/site")  # sockets, and pids
KEPT = Path("/var/lib/halab/site")  # what Slurm keeps, and what its daemons say


def on_head() -> Path:
    """Return the head's directory for the site: site.toml as it is up, slurm.conf and munge.key."""
    return state_dir() / "site"


def conf() -> Path:
    """Return the slurm.conf of the site that this machine is in. The head keeps it, too.

    Raises LabError when this machine is in no site.
    """
    own = ON_MACHINE / "slurm.conf"
    if own.is_file():
        return own
    if (kept := on_head() / "slurm.conf").is_file():  # which is slower to find
        return kept
    raise LabError("this machine is in no site; `inv site up` makes one")
