"""Questions to Slurm, which alone knows who sits where."""

import os
from collections.abc import Sequence

from halab.kit.errors import LabError
from halab.kit.process import NotDone, run
from halab.site import files

SEATS = "seats"  # the partition of the machines
HEAD = "head"  # the partition of the head alone, by which files come home
STEP = 50  # MiB: seats ask for whole steps, so that what comes home finds a rest on a machine that is full
GRADER = "grader"  # the generic resource of which a machine has as many as gradings may run at once


def environment() -> dict[str, str]:
    """Return the environment in which Slurm's programs ask the head of this machine's site."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return {**os.environ, "SLURM_CONF": str(files.conf()), "PATH": path}


def ask(argv: Sequence[str], *, timeout: float = 10) -> str:
    """Return what one of Slurm's programs (squeue, sinfo, scontrol, sbatch, scancel) prints.

    Raises LabError when it fails, and when it does not end within `timeout` seconds.
    """
    asking = environment()
    try:
        result = run(
            ["env", f"SLURM_CONF={asking['SLURM_CONF']}", f"PATH={asking['PATH']}", *argv], input=None, timeout=timeout
        )
    except NotDone:
        raise LabError(f"the head does not answer `{argv[0]}` within {timeout:g} s; does it run?") from None
    if result.rc == 127:  # env(1) did not find it
        raise LabError(f"{argv[0]} is not installed; `inv site up` installs Slurm")
    if not result.ok:
        raise LabError(f"`{' '.join(argv)}` failed with exit status {result.rc}: {result.cause()}")
    return result.stdout
