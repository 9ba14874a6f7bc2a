"""What goes between a machine and the head: through Slurm, by a short job on the head, as machines have no key for it.

srun asks and answers; the file itself goes by sbcast, which takes blocks of 8 MB where srun takes pieces of 1 KB. Both
may be cut off: what is sent is believed to be there only when the head says so, and what is fetched only with its
digest.
"""

import hashlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from halab.classroom import far
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.site import slurm

WITHIN = 600  # seconds for a file to arrive
TAKEN, OLDER, REFUSED = "taken", "older", "refused:"  # what the head says of what was sent
MINUTES = 20  # until the head ends a job whose machine was cut off
SENT = "sent"  # what it is told when the file is there
NOTHING = "nothing"  # what it says where nothing came home yet


class Refused(LabError):
    """The head will never take what was sent."""


class Head:
    """A job on the head, with which lines are exchanged."""

    def __init__(self, srun: "subprocess.Popen[str]", errors: IO[str]) -> None:
        self._srun, self._errors = srun, errors

    def hear(self) -> str:
        """Return the next line; it is empty when it does not come whole. Raises Refused when the head wants no more."""
        assert self._srun.stdout  # noqa: S101  # it was asked for
        line = self._srun.stdout.readline()
        line = line.strip() if line.endswith("\n") else ""
        if line.startswith(REFUSED):
            raise Refused(line.removeprefix(REFUSED).strip())
        return line

    def tell(self, line: str) -> None:
        assert self._srun.stdin  # noqa: S101
        with suppress(BrokenPipeError):  # what is heard next tells
            os.write(self._srun.stdin.fileno(), line.encode() + b"\n")

    def why(self) -> str:
        """Return what srun said, once it has ended."""
        status = self._srun.wait()
        self._errors.seek(0)
        return " ".join(self._errors.read().split()) or f"srun ended with {status}"


def send(what: str, of_class: str, instance: str, file: Path) -> bool:
    """Bring a file to the head, and return whether it counts there: an earlier epoch's does not.

    `what` is `checkpoint` or `attempts`. Raises Refused when the head does not want it, and LabError when it is not
    known to have arrived.
    """
    with _asked("put", what, of_class, instance, digest(file)) as head:
        job, _, place = head.hear().partition(" ")
        if job.isdecimal() and place:
            transmit(job, file, place)
            head.tell(SENT)
        answer = head.hear()
        if answer not in (TAKEN, OLDER):
            raise LabError(f"the {what} of {instance} did not come to the head: {answer or head.why()}")
    return answer == TAKEN


def fetch(of_class: str, instance: str, job: int, file: Path) -> bool:
    """Have the head send the last checkpoint of a seat to this machine, where `job` runs; return whether there is one.

    Raises LabError when that is not known, or when it did not arrive whole.
    """
    with _asked("get", "checkpoint", of_class, instance, str(job), str(file)) as head:
        told = head.hear()
        if told != NOTHING and (not file.is_file() or digest(file) != told):
            raise LabError(f"the checkpoint of {instance} did not come from the head: {told or head.why()}")
    return told != NOTHING


def transmit(job: int | str, file: Path, place: str) -> None:
    """Write a file of this machine to where a job of Slurm runs (sbcast(1)). Raises LabError when that fails."""
    slurm.ask(["sbcast", "--force", f"--jobid={job}", str(file), place], timeout=WITHIN)


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _asked(*words: str) -> Iterator[Head]:
    """Have the head do something, and yield the way to talk with it. After WITHIN seconds it says no more."""
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            _on_head(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace"
        ) as srun,
    ):
        clock = threading.Timer(WITHIN, srun.kill)
        clock.start()
        try:
            yield Head(srun, errors)
        finally:
            clock.cancel()


def _on_head(words: Sequence[str]) -> list[str]:
    """Return the srun that runs `receiving` on the head, and tells it the number of its job.

    It has nothing of the environment: in a job, it would be a step of that.
    """
    asking = {name: slurm.environment()[name] for name in ("SLURM_CONF", "PATH")}
    own = {far.STATE_HOME: os.environ.get(far.STATE_HOME, "")}
    return [
        *far.argv(asking, "srun", f"--partition={slurm.HEAD}", "--job-name=home", f"--time={MINUTES}", "--quiet"),
        *("--nodes=1", "--ntasks=1", "--mem=1M", "--mpi=none", "--export=NONE", f"--chdir={ROOT}"),
        *("/bin/sh", "-c", 'exec "$@" "$SLURM_JOB_ID"', "sh"),
        *far.argv(own, *far.module(str(ROOT), "receiving", *words)),
    ]
