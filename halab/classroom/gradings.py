"""Grading a class: a job for each learner, on the learner's machine, and as many at once as the machine has graders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from halab.classroom import classes, jobs, seats
from halab.classroom.classes import Settings
from halab.classroom.jobs import Job
from halab.classroom.roster import Learner
from halab.exams import attempts, collected, signing
from halab.exams.attempts import Attempt
from halab.kit.errors import LabError
from halab.kit.wait import wait
from halab.site import slurm

LOOKS = 1.0  # seconds between two looks at what has ended
FOR_EVER = float("inf")


@dataclass(frozen=True)
class Result:
    """What came of one grading: a new attempt, which is at home, or why there is none."""

    learner: Learner
    attempt: Attempt | None
    why: str = ""


def grade(
    of_class: str, learners: Sequence[Learner], last: bool, sign: Path | None, tell: Callable[[Result], object]
) -> list[Result]:
    """Grade learners, sign what came home, and tell each result as soon as it is known.

    When this is interrupted, gradings that have begun go on, and their attempts come home.
    """
    settings, sitting = classes.settings(of_class), jobs.seats(of_class)
    results: list[Result] = []
    waiting: dict[int, tuple[Learner, Attempt | None]] = {}

    def ended(learner: Learner, attempt: Attempt | None, why: str) -> None:
        results.append(Result(learner, attempt, why))
        tell(results[-1])

    for learner in learners:
        seat = sitting.get(learner.instance)
        if seat is None or seat.state != "RUNNING":
            ended(learner, None, "there is no seat" if seat is None else f"the seat is {seat.state.lower()}")
        else:
            waiting[_submit(settings, learner, seat, last)] = (learner, _newest(of_class, learner))

    def look() -> bool:
        for number, why in _over(set(waiting)).items():
            learner, before = waiting.pop(number)
            attempt = _newest(of_class, learner)
            new = attempt is not None and (before is None or attempt.grade.at > before.grade.at)
            if new and attempt and sign:
                signing.sign(attempt.directory, sign)
            ended(learner, attempt if new else None, "" if new else why)
        return not waiting

    wait(look, bool, within=FOR_EVER, successes=1, interval=LOOKS)
    return results


def _submit(settings: Settings, learner: Learner, seat: Job, last: bool) -> int:
    how = "finish" if last else "grade"
    told = slurm.ask(
        [
            *(
                "sbatch",
                "--parsable",
                f"--job-name={how}:{learner.instance}",
                f"--comment={jobs.GRADING} {settings.lab}",
            ),
            *(f"--partition={slurm.SEATS}", f"--nodelist={seat.machine}", "--nodes=1", "--ntasks=1", "--mem=1M"),
            *("--no-requeue", f"--gres={slurm.GRADER}:1", f"--chdir={settings.directory}", "--output=/dev/null"),
            f"--wrap={seats.script(settings, 'grading', settings.lab, learner.instance, how, str(seat.id))}",
        ]
    )
    return jobs.number(told)


def _over(numbers: set[int]) -> dict[int, str]:
    """Return which of these jobs are over, each with what Slurm says of it. A head that is silent is asked again."""
    try:
        known = {job.id: job for job in jobs.of_kind(jobs.GRADING)}
    except LabError:
        return {}
    over = {}
    for number in numbers:
        job = known.get(number)
        if job is None or job.ended:
            state = job.state.lower() if job else "over"
            over[number] = f"no attempt came home, and the grading is {state}; try: inv class do LEARNER -- grade"
    return over


def _newest(of_class: str, learner: Learner) -> Attempt | None:
    found = attempts.everything(collected.learners_dir(of_class) / learner.instance)
    return max(found, key=lambda attempt: attempt.grade.at, default=None)
