"""Modules of halab run beside a seat, on its machine, and what they print comes back."""

from halab.classroom import far
from halab.classroom.classes import Settings
from halab.classroom.jobs import Job
from halab.kit.errors import LabError
from halab.kit.process import CommandResult, NotDone, run
from halab.site import slurm

WITHIN = 300  # seconds


def run_beside(job: Job, settings: Settings, module: str, *words: str, within: float = WITHIN) -> CommandResult:
    """Run a module on the machine of a seat. What it says itself has to tell whether it came to its end.

    Raises LabError when it does not end within so many seconds.
    """
    asking = slurm.environment()
    own = {far.STATE_HOME: settings.state_home or ""}
    step = [
        *("env", f"SLURM_CONF={asking['SLURM_CONF']}", "srun", f"--jobid={job.id}", "--overlap", "--nodes=1"),
        *("--ntasks=1", "--mem=0", "--mpi=none", "--quiet", "--export=NONE", f"--chdir={settings.directory}"),
    ]
    try:
        return run([*step, *far.argv(own, *far.module(settings.directory, module, *words))], timeout=within)
    except NotDone:
        raise LabError(f"{job.machine}, where {job.name} sits, did not answer within {within:g} s") from None
