"""What the commands of a class do with its seats: give them, ship from them, move them, take them away."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from halab.classroom import classes, far, jobs, roster, seats, shipping, steps
from halab.classroom.classes import Settings
from halab.classroom.jobs import Job
from halab.classroom.roster import Learner
from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.kit.wait import TimedOut, wait
from halab.site import slurm

AT_ONCE = 16  # machines that are asked
LEAVING = 900  # seconds for what a seat has to come home, and for its instance to be removed


@dataclass(frozen=True)
class Given:
    """Who was given a seat now, and who had one."""

    new: tuple[Learner, ...]
    had: tuple[Learner, ...]


def up(settings: Settings, file: Path) -> Given:
    """Give everybody of a roster a seat who has none. Raises LabError when another class is in the way."""
    learners, everywhere = roster.read(file), jobs.seats()
    _refuse_another(settings)
    _refuse_two_seats(settings.lab, learners, everywhere)
    own = {job.name for job in everywhere.values() if job.of_class == settings.lab and not job.ended}
    if settings.lab not in classes.names():  # else those whose seats are all lost go on from their checkpoints
        _put_aside(settings.lab)
    if gone := own - {learner.instance for learner in learners}:
        raise LabError(f"{', '.join(sorted(gone))} have seats and are not in {file}; first: inv class down LEARNER")
    classes.keep(settings, file)
    new = tuple(learner for learner in learners if learner.instance not in own)
    seats.place(settings, new)
    return Given(new, tuple(learner for learner in learners if learner.instance in own))


def _refuse_another(settings: Settings) -> None:
    """Raise LabError when the class is there with other settings."""
    if settings.lab in classes.names() and jobs.seats(settings.lab):
        there = classes.settings(settings.lab)
        for key in ("seed", "practice", "distro"):
            if getattr(there, key) != getattr(settings, key):
                raise LabError(f"the class of {settings.lab} is up with another --{key}; try: inv class down")


def _refuse_two_seats(of_class: str, learners: Iterable[Learner], everywhere: dict[str, Job]) -> None:
    for learner in learners:
        job = everywhere.get(learner.instance)
        if job and not job.ended and job.of_class != of_class:
            raise LabError(f"{learner.name} has a seat in the class of {job.of_class}, and nobody has two at once")


def _put_aside(of_class: str) -> None:
    """Put checkpoints of an earlier class aside: this one begins anew."""
    there = classes.place(of_class) / "checkpoints"
    if there.exists():
        there.rename(there.with_name(f"checkpoints-until-{time.strftime('%Y%m%dT%H%M%S')}"))


def ship(of_class: str, learners: Sequence[Learner]) -> dict[str, str]:
    """Bring the last checkpoint of each home. Return a sentence for each learner for whom that failed."""
    settings, there = classes.settings(of_class), jobs.seats(of_class)
    failed: dict[str, str] = {}

    def one(learner: Learner) -> None:
        try:
            _ship(settings, _running(learner, there))
        except LabError as error:
            failed[learner.name] = str(error)

    for begin in range(0, len(learners), AT_ONCE):
        for_each(learners[begin : begin + AT_ONCE], one)
    return failed


def _ship(settings: Settings, job: Job, how: str = "") -> None:
    before = _time(settings.lab, job.name)
    said = steps.run_beside(job, settings, "shipping", settings.lab, job.name, how)
    if _time(settings.lab, job.name) == before:
        raise LabError(f"the checkpoint did not come home: {said.cause()}")


def _time(of_class: str, instance: str) -> int:
    file = classes.checkpoint_of(of_class, instance)
    return file.stat().st_mtime_ns if file.exists() else 0


def move(of_class: str, learner: Learner, to: str | None) -> str:
    """Give a learner another seat, and return a sentence on what it goes on from.

    Raises LabError, and leaves the seat as it is, when its machine answers and the work cannot be saved.
    """
    settings = classes.settings(of_class)
    job = jobs.seats(of_class).get(learner.instance)
    if job is None or job.state == "PENDING":
        raise LabError(f"{learner.name} has no seat that could be moved; who has one tells: inv class status")
    if to == job.machine:
        raise LabError(f"{learner.name} sits on {to} already")
    lost = job.ended or job.machine in lost_machines()
    if not lost:
        _ship(settings, job, shipping.SAVE)
    take_away([job], wait_for=not lost)
    seats.place(settings, [learner], to, None if to else job.machine)
    file = classes.checkpoint_of(of_class, learner.instance)
    if not file.exists():
        return f"{learner.name} begins anew: nothing had come home from {job.machine}."
    since = time.strftime("%F %T", time.localtime(file.stat().st_mtime))
    if lost:
        return f"{learner.name} goes on from what came home at {since}; what was done on {job.machine} since is lost."
    return f"{learner.name} goes on where the work was on {job.machine}, at {since}."


def lost_machines() -> set[str]:
    """Return the machines that Slurm cannot reach."""
    told = slurm.ask(["sinfo", "--noheader", "--Node", f"--partition={slurm.SEATS}", "--format=%N %T"])
    pairs = [line.split() for line in told.splitlines() if line.strip()]
    return {name for name, state in pairs if "down" in state or state.endswith("*")}


def down(of_class: str, learners: Sequence[Learner] | None) -> int:
    """Take seats away, all of a class unless learners are named, and return how many there were.

    What they have comes home first. Raises LabError, which names them, when some are there still.
    """
    there = jobs.seats(of_class)
    wanted = there if learners is None else {learner.instance for learner in learners}
    taken = [job for name, job in there.items() if name in wanted and not job.ended]
    take_away(taken, wait_for=True)
    for job in there.values():
        if job.name in wanted and job.state == "NODE_FAIL":
            _clear(classes.settings(of_class), job)
    if learners is None:
        (classes.place(of_class) / classes.SETTINGS).unlink(missing_ok=True)
    return len(taken)


def _clear(settings: Settings, job: Job) -> None:
    """Remove what a seat has left on a machine that was lost, and is back: a power cut has no epilog.

    One that is still lost is left as it is; who is there then removes it by `inv down`.
    """
    if job.machine in lost_machines():
        return
    own = {far.STATE_HOME: settings.state_home or ""}
    leave = far.argv(own, *far.module(settings.directory, "leaving", str(job.id)))
    where = (f"--partition={slurm.SEATS}", f"--nodelist={job.machine}", "--nodes=1", "--ntasks=1", "--mem=1M")
    slurm.ask(["srun", *where, "--mpi=none", "--quiet", "--export=NONE", "--chdir=/", *leave], timeout=LEAVING)


def take_away(taken: Sequence[Job], wait_for: bool) -> None:
    """End seats, with what is being graded on them, and wait until their instances are removed."""
    names = {job.name for job in taken}
    gradings = [job for job in jobs.of_kind(jobs.GRADING) if job.name.partition(":")[2] in names and not job.ended]
    ids = [job.id for job in (*gradings, *taken)]
    jobs.end(ids)

    def left() -> list[Job]:
        return [
            job for job in (*jobs.of_kind(jobs.SEAT), *jobs.of_kind(jobs.GRADING)) if job.id in ids and not job.ended
        ]

    if not ids or not wait_for:
        return
    try:
        wait(left, lambda jobs: not jobs, within=LEAVING, successes=1, interval=1)
    except TimedOut as late:
        there = ", ".join(f"{job.name} on {job.machine}" for job in late.last)
        raise LabError(f"still there after {LEAVING} s: {there}; their machines remove them when they answer") from None


def _running(learner: Learner, there: dict[str, Job]) -> Job:
    job = there.get(learner.instance)
    if job is None or job.state != "RUNNING":
        raise LabError("there is no seat" if job is None else f"the seat is {job.state.lower()}")
    return job
