"""Bringing home what an instance has, on its machine: the checkpoint where the learner is, and attempts at an exam."""

import sys

from halab.classroom import home, receiving
from halab.instance.instance import Instance, instances_dir
from halab.kit.errors import HalabError
from halab.kit.paths import state_dir
from halab.kit.printable import printable
from halab.kit.scratch import end_in_order, scratch
from halab.walk import checkpoints, travel

MOVED = "moved"  # the checkpoint of a learner's work as it was when another seat was given
SAVE = "save"


def ship(of_class: str, name: str, *, save: bool = False) -> bool:
    """Bring the checkpoint where the learner is to the head, and return whether it counts there.

    With `save` that is the work as it is now. Raises Locked while something is done to the instance, and LabError when
    the checkpoint did not arrive.
    """
    instance = Instance.open(name)
    with scratch(state_dir() / "seats", name) as own:
        file = own / "checkpoint"
        with instance.lock():
            if save:
                checkpoints.save(instance, MOVED)
            is_moved = checkpoints.names(instance)[-1:] == [MOVED]  # nothing was passed since
            travel.export(instance, MOVED if is_moved else travel.default(instance), file)
        return home.send("checkpoint", of_class, name, file)


def send_attempts(of_class: str, name: str) -> bool:
    """Bring the attempts of an instance to the head, and return whether they count there."""
    with scratch(state_dir() / "seats", name) as own:
        file = own / "attempts"
        receiving.pack(instances_dir() / name, file)
        return home.send("attempts", of_class, name, file)


def main(of_class: str, name: str, how: str = "") -> int:
    """Ship, and return the exit status."""
    try:
        counts = ship(of_class, name, save=how == SAVE)
    except HalabError as error:
        print(f"halab: {printable(str(error))}", file=sys.stderr, flush=True)
        return error.exit_code
    print("The last checkpoint is on the head." if counts else "This seat was given anew: what is here does not count.")
    return 0


if __name__ == "__main__":
    end_in_order()
    sys.exit(main(*sys.argv[1:]))
