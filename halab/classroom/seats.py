"""Seats: one job of Slurm for each learner, which holds memory on a machine while the learner's instance is there."""

import os
import shlex
import tomllib
from collections.abc import Sequence

from halab.classroom import far, jobs
from halab.classroom.classes import Settings
from halab.classroom.roster import Learner
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.site import files, slurm
from halab.spec.models import LabSpec

CONTAINER = 350  # MiB that a node takes, with its part of BMCs and of the page cache: 16 labs of two nodes took 11 GB
MACHINE = 200  # MiB that a virtual machine takes besides its memory: QEMU, and its BMC


def memory(spec: LabSpec, provider: str) -> int:
    """Return the MiB that a seat holds on its machine, in whole steps."""
    needed = len(spec.nodes) * (spec.machine.memory + MACHINE if provider == "vagrant" else CONTAINER)
    return -(-needed // slurm.STEP) * slurm.STEP


def directory() -> str:
    """Return where halab is on each machine of the site."""
    try:
        known = tomllib.loads((files.on_head() / "site.toml").read_text())
    except FileNotFoundError:
        return str(ROOT)
    return str(known.get("site", {}).get("directory", "/opt/halab"))


def place(settings: Settings, learners: Sequence[Learner], to: str | None = None, but: str | None = None) -> None:
    """Ask Slurm for a seat for each, on machine `to`, or on any `but` one.

    Who comes first has a seat first: Slurm takes jobs that ask for the same in the order in which they came.
    Raises LabError when one cannot be asked for. It names those who have none then; the others have theirs.
    """
    where = [f"--nodelist={to}"] if to else [f"--exclude={but}"] if but else []
    for number, learner in enumerate(learners):
        try:
            _submit(settings, learner, where)
        except LabError as error:
            left = ", ".join(other.name for other in learners[number:])
            raise LabError(f"no seat could be asked for {left}: {error}") from None


def _submit(settings: Settings, learner: Learner, where: list[str]) -> None:
    slurm.ask(
        [
            *("sbatch", "--parsable", f"--job-name={learner.instance}", f"--comment={jobs.SEAT} {settings.lab}"),
            *(
                f"--partition={slurm.SEATS}",
                "--nodes=1",
                "--ntasks=1",
                "--cpus-per-task=1",
                f"--mem={settings.memory}M",
            ),
            "--requeue" if settings.moves_by_itself else "--no-requeue",
            *(f"--chdir={settings.directory}", "--output=/dev/null", *where),
            f"--wrap={script(settings, 'seat', settings.model_dump_json(), learner.name)}",
        ]
    )


def script(settings: Settings, module: str, *words: str) -> str:
    """Return the line of sh(1) by which a job runs a module on a machine, without the head's settings.

    Two more words tell the module which epoch of the job it is.
    """
    own = {far.STATE_HOME: settings.state_home or ""}
    line = shlex.join(far.argv(own, *far.module(settings.directory, module, *words)))
    return f'exec {line} "$SLURM_JOB_ID" "${{SLURM_RESTART_COUNT:-0}}"'


def state_home() -> str | None:
    """Return where this user's state is, if it is not in the usual place. It is the same path on each machine."""
    return os.environ.get(far.STATE_HOME) or None
