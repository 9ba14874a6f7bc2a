"""A grading's own process on the machine of a learner: Slurm runs it as a job, so it goes on without the head.

It grades as `inv grade` does there, and brings the attempt home once the head answers.
"""

import os
import subprocess
import sys

from halab.classroom import seat, shipping
from halab.classroom.home import Refused
from halab.instance.instance import instances_dir
from halab.instance.seat import read_seat
from halab.kit.errors import Exit, HalabError, LabError
from halab.kit.paths import ROOT
from halab.kit.wait import wait

AGAIN = 10.0  # seconds until the head is asked again, or an instance that another command is changing
FOR_EVER = float("inf")


def grade(of_class: str, instance: str, how: str) -> int:
    """Grade with `inv grade` or `inv finish`, bring the attempts home, and return that command's exit status."""
    argv = [f"{ROOT}/inv", how]
    own = {**os.environ, "HALAB_INSTANCE": instance}

    def run() -> int:
        return subprocess.run(argv, env=own, stdin=subprocess.DEVNULL, check=False).returncode

    status = wait(run, lambda status: status != Exit.LOCKED, within=FOR_EVER, successes=1, interval=AGAIN)
    wait(lambda: _sent(of_class, instance), bool, within=FOR_EVER, successes=1, interval=AGAIN)
    return status


def _sent(of_class: str, instance: str) -> bool:
    try:
        shipping.send_attempts(of_class, instance)
    except Refused:
        raise
    except LabError as error:
        print(error, flush=True)
        return False
    return True


def main(of_class: str, instance: str, how: str, sits: str) -> int:
    """Grade an instance, if it is of the seat that is meant: the number of that seat's job is `sits`."""
    seat.log_to(instance)
    try:
        here = read_seat(instances_dir() / instance)
        if here is None or here.job != int(sits):
            raise LabError(f"the seat {sits} of {instance} is not here any more")
        return grade(of_class, instance, how)
    except HalabError as error:
        print(error, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
