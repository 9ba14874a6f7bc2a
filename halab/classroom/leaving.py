"""A seat was given up: Slurm's Epilog runs this, as root, on the seat's machine, before it places anything there again.
So does the end of a class, with the job's number, where the machine had lost its power and the epilog was not run.

Who sat there has the last checkpoint brought home, and the attempts, if the head answers. Then the instance is removed,
if it is that job's: nothing else of the machine is touched.
"""

import os
import subprocess
import sys
from pathlib import Path

from halab.classroom import seat, shipping
from halab.instance.instance import instances_dir
from halab.instance.seat import read_seat
from halab.instance.state import read_state
from halab.kit.errors import HalabError, LabError
from halab.kit.paths import ROOT


def left_by(job: int) -> list[Path]:
    """Return the directories of the instances of a job's seat."""
    found = []
    for directory in sorted(instances_dir().glob("*")):
        try:
            sat = read_seat(directory)
        except LabError:  # nobody can tell whose it is
            continue
        if sat and sat.job == job:
            found.append(directory)
    return found


def leave(directory: Path) -> None:
    """Bring home what a seat has, and remove its instance. Raises LabError when that is still there afterwards."""
    state = read_state(directory)
    if state and not state.removing:
        for send in (shipping.send_attempts, shipping.ship):
            try:
                send(state.lab, directory.name)
            except HalabError as error:
                print(error, flush=True)
    _down(directory.name)


def _down(instance: str) -> None:
    own = {**os.environ, "HALAB_INSTANCE": instance}
    down = subprocess.run([f"{ROOT}/inv", "down"], env=own, stdin=subprocess.DEVNULL, check=False)
    if down.returncode:
        raise LabError(f"instance {instance} is still there: inv down ended with {down.returncode}")


def main(job: int) -> int:
    status = 0
    for directory in left_by(job):
        seat.log_to(directory.name)
        try:
            leave(directory)
        except HalabError as error:
            print(error, flush=True)
            status = int(error.exit_code)
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1] if len(sys.argv) > 1 else os.environ["SLURM_JOB_ID"])))
