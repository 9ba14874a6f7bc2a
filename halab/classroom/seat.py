"""A seat's own process on its machine: Slurm runs it as the seat's job, until the seat is given up.

It makes the instance, from the checkpoint that the head has, if any, and becomes a small process that has new ones
brought home (`watching`). When it ends, `leaving` removes the instance.
"""

import os
import subprocess
import sys
from pathlib import Path

from halab.classroom import far, home, naming
from halab.classroom.classes import Settings
from halab.instance.instance import instances_dir
from halab.instance.seat import Epoch, Seat, read_seat, write_seat
from halab.instance.state import read_state
from halab.kit.errors import HalabError, LabError
from halab.kit.paths import ROOT, state_dir
from halab.kit.scratch import end_in_order, scratch
from halab.kit.wait import wait
from halab.walk import parcels

AGAIN = 20.0  # seconds until the head is asked again, when it did not answer
FOR_EVER = float("inf")


def log_of(instance: str) -> Path:
    """Return where a seat tells what it does, on its machine."""
    return state_dir() / "seats" / f"{instance}.log"


def log_to(instance: str) -> None:
    """Have what this process and its programs print go to a seat's log."""
    _there(log_of(instance).parent)
    log = os.open(log_of(instance), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)


def make(settings: Settings, name: str, seat: Seat) -> None:
    """Make a seat's instance, or complete the one that is here. Raises LabError when that cannot be done."""
    directory = instances_dir() / name
    with scratch(state_dir() / "seats", name) as own:
        file = own / "checkpoint"
        shipped = _fetched(settings.lab, name, seat.job, file)
        here = _epoch_here(directory)
        if here is None or (shipped and shipped > here):
            if directory.exists():
                _inv(settings, name, "down")
            _there(directory)
            write_seat(directory, seat)
            if shipped:
                _go_on(settings, name, file)
            else:
                _begin(settings, name)
        else:
            _inv(settings, name, "up")
    write_seat(directory, seat)


def _go_on(settings: Settings, name: str, file: Path) -> None:
    """Make the instance of what was shipped. In the middle of a step, its checks may fail."""
    try:
        _inv(settings, name, "import-checkpoint", str(file), "--instance", name)
    except LabError:
        state = read_state(instances_dir() / name)
        if state is None or state.removing or state.restoring:
            raise


def _begin(settings: Settings, name: str) -> None:
    of = ["--name", settings.lab, *(["--distro", settings.distro] if settings.distro else [])]
    if not settings.exam:
        _inv(settings, name, "lab", "--instance", name, *of, "up")
        return
    own = [*(["--seed", settings.seed] if settings.seed else []), *(["--practice"] if settings.practice else [])]
    _inv(settings, name, "lab", "--instance", name, *of, "start", settings.lab, "--instance", name, *own)


def _fetched(of_class: str, name: str, job: int, file: Path) -> Epoch | None:
    """Get the checkpoint that the head has, once it answers. Return the epoch of the seat that it is from."""

    def look() -> bool | None:
        try:
            return home.fetch(of_class, name, job, file)
        except LabError as error:
            _say(str(error))
            return None

    there = wait(look, lambda answer: answer is not None, within=FOR_EVER, successes=1, interval=AGAIN)
    seat = parcels.about(file).seat if there else None
    return seat.epoch if seat else None


def _epoch_here(directory: Path) -> Epoch | None:
    """Return the epoch of the instance that an earlier epoch of this seat has left here; None when it is of no use."""
    state, seat = read_state(directory), read_seat(directory)
    return seat.epoch if state and seat and not state.removing else None


def _inv(settings: Settings, name: str, *words: str) -> None:
    """Run a command of inv on the seat's instance. Raises LabError when it fails."""
    _say(f"inv {' '.join(words)}")
    environment = {**os.environ, "HALAB_INSTANCE": name}
    with subprocess.Popen([f"{ROOT}/inv", *words], stdin=subprocess.DEVNULL, env=environment) as child:
        if status := child.wait():
            raise LabError(f"`inv {words[0]}` failed with exit status {status}")


def _there(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def main(settings: Settings, learner: str, epoch: Epoch) -> None:
    name = naming.instance_of(learner)
    log_to(name)
    end_in_order()
    seat = Seat(learner=learner, job=epoch.job, restarts=epoch.restarts)
    try:
        make(settings, name, seat)
    except HalabError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    watching = far.module(str(ROOT), "watching", settings.lab, str(instances_dir() / name))
    os.execv(watching[0], watching)


if __name__ == "__main__":
    told, of, job, restarts = sys.argv[1:]
    main(Settings.model_validate_json(told), of, Epoch(int(job), int(restarts)))
