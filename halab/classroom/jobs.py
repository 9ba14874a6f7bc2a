"""Slurm's jobs of a site's classes. Slurm alone knows who sits where: nothing of this is kept elsewhere.

A seat is a job with the instance's name, and `seat CLASS` for a comment. It may have ended, as the machine was lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from halab.instance.seat import Epoch
from halab.site import columns, slurm

SEAT, GRADING = "seat", "grading"  # what a job is, as its comment says
# Of squeue(1), columns of so many characters. Its --json ignores which jobs were asked for, and differs by version
COLUMNS = {"JobID": 20, "Name": 60, "State": 20, "Reason": 60, "NodeList": 80, "RestartCnt": 12, "Comment": 80}
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")


@dataclass(frozen=True)
class Job:
    """`machine` is empty while it waits for one; then `reason` says why, in Slurm's word."""

    id: int
    name: str
    state: str
    reason: str
    machine: str
    restarts: int
    comment: str

    @property
    def of_class(self) -> str:
        return self.comment.partition(" ")[2]

    @property
    def kind(self) -> str:
        return self.comment.partition(" ")[0]

    @property
    def epoch(self) -> Epoch:
        return Epoch(self.id, self.restarts)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def seats(of_class: str | None = None) -> dict[str, Job]:
    """Return the seats of a class, or of all, by instance. One that ended counts where there is none since.

    Slurm forgets what ended after some minutes (MinJobAge in slurm.conf(5)). Raises LabError when the head is silent.
    """
    known: dict[str, Job] = {}
    for job in sorted(of_kind(SEAT), key=lambda job: (not job.ended, job.epoch)):
        if of_class in (None, job.of_class):
            known[job.name] = job
    return known


def of_kind(kind: str) -> list[Job]:
    argv = ["squeue", "--noheader", "--states=all", f"--partition={slurm.SEATS}", f"--Format={columns.asked(COLUMNS)}"]
    return [job for job in parsed(slurm.ask(argv)) if job.kind == kind]


def parsed(text: str) -> list[Job]:
    """Return the jobs in what squeue prints."""
    found = []
    for line in text.splitlines():
        id, name, state, reason, machine, restarts, comment = columns.cells(line, COLUMNS)
        if id.isdigit():
            found.append(Job(int(id), name, state, _words(reason), _words(machine), int(restarts or 0), comment))
    return found


def number(told: str) -> int:
    """Return the number of the job that `sbatch --parsable` has submitted."""
    return int(told.strip().partition(";")[0])


def end(jobs: Iterable[int]) -> None:
    """Have Slurm end jobs. One that has ended is let be."""
    if ids := sorted(set(jobs)):
        slurm.ask(["scancel", "--quiet", *map(str, ids)])


def _words(cell: str) -> str:
    return "" if cell in ("None", "(null)", "N/A", "n/a") else cell
