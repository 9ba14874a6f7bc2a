"""What is known of a class: where all sit by Slurm, how far they are by their machines, what came home by the head."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from halab.classroom import classes, jobs, progress, steps
from halab.classroom.jobs import Job
from halab.classroom.roster import Learner
from halab.instance.seat import Epoch
from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.walk import parcels

WITHIN = 20  # seconds for a machine to tell how far its learners are


@dataclass(frozen=True)
class Row:
    """One learner. `shipped` is when the last checkpoint that came home was written, and `checkpoint` what it is of."""

    learner: Learner
    job: Job | None
    progress: Mapping[str, Any] = field(default_factory=dict)
    shipped: datetime | None = None
    checkpoint: str | None = None

    @property
    def state(self) -> str:
        """Return what Slurm says of the seat, and why it waits."""
        if self.job is None:
            return "no seat"
        if self.job.state == "PENDING":
            return f"waits: {self.job.reason}"
        if self.job.state == "NODE_FAIL":
            return f"{self.job.machine} was lost; inv class move"
        return self.job.state.lower()

    @property
    def where(self) -> str:
        """Return the last step that is passed, or the points, as far as that machine tells."""
        told = self.progress
        if "error" in told:
            return str(told["error"])
        if "passed" in told:
            return f"{told['is']} ({told['passed']} of {told['of']})"
        if "points" in told:
            return f"{told['is']}: {told['points']} of {told['of']} points"
        return str(told.get("is", ""))

    def as_data(self) -> dict[str, Any]:
        job = self.job
        return {
            "learner": self.learner.name,
            "instance": self.learner.instance,
            "about": self.learner.about,
            "machine": job.machine if job else None,
            "state": job.state if job else None,
            "reason": (job.reason or None) if job else None,
            "job": job.id if job else None,
            "restarts": job.restarts if job else None,
            "progress": dict(self.progress) or None,
            "shipped": {"checkpoint": self.checkpoint, "at": self.shipped} if self.shipped else None,
        }


def rows(of_class: str) -> list[Row]:
    """Return a row for each learner of a class, in the roster's order."""
    seats = jobs.seats(of_class)
    told = _progress(classes.settings(of_class), seats.values())
    found = []
    for learner in classes.learners(of_class):
        job = seats.get(learner.instance)
        its = told.get(learner.instance, {})
        if job and "job" in its and Epoch(its["job"], its["restarts"]) != job.epoch:
            its = {}  # a copy of an earlier epoch
        shipped = _shipped(of_class, learner.instance)
        found.append(Row(learner, job, its, *shipped))
    return found


def _progress(settings: classes.Settings, seats: Iterable[Job]) -> dict[str, Any]:
    """Ask each machine once, beside one of its seats."""
    asked = {job.machine: job for job in seats if job.state == "RUNNING"}

    def ask(job: Job) -> dict[str, Any]:
        try:
            said = steps.run_beside(job, settings, "progress", within=WITHIN)
        except LabError:
            return {}
        return progress.read(said.stdout) or {}

    return {name: its for answer in for_each(asked.values(), ask) for name, its in answer.items()}


def _shipped(of_class: str, instance: str) -> tuple[datetime | None, str | None]:
    file = classes.checkpoint_of(of_class, instance)
    if not file.exists():
        return None, None
    try:
        what = parcels.about(file)
    except LabError:
        return None, None
    return what.made, what.checkpoint
