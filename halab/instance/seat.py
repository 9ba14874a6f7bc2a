"""The seat of a class that an instance is: seat.json in its directory, which whoever gives the seat writes.

A seat that is placed anew gets another *epoch*: the number of its job, and how often that was restarted. When a machine
is cut off for a while there may be two copies of an instance, and the one of the later epoch is the learner's.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen

NAME = "seat.json"


@dataclass(frozen=True, order=True)
class Epoch:
    """When a seat was given, in Slurm's words: SLURM_JOB_ID and SLURM_RESTART_COUNT. The later one is the greater."""

    job: int
    restarts: int = 0


class Seat(Frozen):
    learner: str
    job: int
    restarts: int = 0

    @property
    def epoch(self) -> Epoch:
        return Epoch(self.job, self.restarts)


def read_seat(directory: Path) -> Seat | None:
    """Return the seat that the instance in a directory is, or None. Raises LabError when its file cannot be read."""
    file = directory / NAME
    try:
        return Seat.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise LabError(f"{file} is not readable ({error.error_count()} problems)") from error


def write_seat(directory: Path, seat: Seat) -> None:
    write_atomically(directory / NAME, seat.model_dump_json(indent=2))
