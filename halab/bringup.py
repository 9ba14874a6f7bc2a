"""Bringing an instance up, or back to a state that commands can work on after one was killed."""

from collections.abc import Callable

from halab import checkpoints
from halab.checkpoints import START
from halab.errors import LabError
from halab.instance import Instance
from halab.parallel import for_each


def up(instance: Instance, say: Callable[[str], None]) -> None:
    """From nothing, or from whatever a killed command or a learner left, to booted nodes. Needs the lock."""
    if problems := instance.provider.problems():
        raise LabError("; ".join(problems))
    instance.up()
    is_new = START not in checkpoints.names(instance)
    if is_new:
        for_each(instance.spec.nodes, lambda node: _introduce(instance, node.name))
    checkpoints.wait_booted(instance)
    if is_new:
        checkpoints.save(instance, START)
    instance.start_bmcs()
    _finish(instance, say)


def settle(instance: Instance, say: Callable[[str], None]) -> None:
    """Finish, or take back, what a killed command left half done. Needs the lock."""
    states = instance.provider.power_states()
    if "absent" in states.values() or START not in checkpoints.names(instance):
        raise LabError(f"instance {instance.name} is only half up; try: inv up")
    instance.provider.thaw([name for name, state in states.items() if state == "frozen"])  # by a save that was killed
    _finish(instance, say)


def _finish(instance: Instance, say: Callable[[str], None]) -> None:
    if instance.state.restoring:
        say(f"The reset to {instance.state.restoring} was interrupted; doing it again.")
        checkpoints.restore(instance, instance.state.restoring)
    half_done = [name for name, record in instance.state.steps.items() if record.outcome == "performing"]
    if half_done:
        before = before_step(instance, half_done[0])
        say(f"Step {half_done[0]} was interrupted; going back to {before}.")
        checkpoints.restore(instance, before)


def before_step(instance: Instance, step: str) -> str:
    """The name of the checkpoint that a step starts from."""
    names = [START, *(known.name for known in instance.folder.steps)]
    return names[names.index(step) - 1]


def _introduce(instance: Instance, node: str) -> None:
    """Write /etc/hosts, so that nodes know each other by name and on the cluster's network."""
    lines = ["127.0.0.1 localhost", *(f"{peer.lan} {peer.name}" for peer in instance.spec.nodes)]
    result = instance.provider.run(node, ["tee", "/etc/hosts"], input="\n".join(lines) + "\n")
    if not result.ok:
        raise LabError(f"{node}: /etc/hosts could not be written: {result.last_line()}")
