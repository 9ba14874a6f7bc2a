"""Bringing an instance up, or back to a state that commands can work on after one was killed."""

from contextlib import suppress
from datetime import datetime

from halab.faults import registry
from halab.faults.power import FREEZE
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.kit.audience import Audience, Said, must_go_on, saying
from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.kit.wait import TimedOut, wait
from halab.providers import REBOOTS
from halab.spec import distros
from halab.walk import checkpoints, preparation, trial
from halab.walk.checkpoints import GRADING, START

STOPS_WITHIN = 90  # seconds that systemd gives a service to stop
START_WITHIN = 30  # seconds in which a BMC starts the system of a node that was powered on


def up(instance: Instance, audience: Audience) -> None:
    """Boot all nodes, whatever a killed command or a learner has left. Needs the lock."""
    if problems := instance.provider.problems():
        raise LabError("; ".join(problems))
    if START in checkpoints.names(instance):
        instance.up()
        checkpoints.wait_booted(instance)
    else:
        _have_an_image(instance, audience)
        preparation.make(instance, saying(audience))
    instance.start_bmcs()
    healed, unhealed = registry.try_to_heal(instance, instance.state.faults[::-1])
    if healed:
        audience.tell(Said(f"Healed: {', '.join(fault.name for fault in healed)}."))
    for sentence in unhealed:
        audience.tell(Said(f"{sentence}."))
    _finish(instance, audience)


def _have_an_image(instance: Instance, audience: Audience) -> None:
    """Make, and try, what the nodes are made from. Where nobody asked for the distro, another one does as well."""
    while True:
        try:
            return trial.ensure(instance, saying(audience))
        except LabError as error:
            if not instance.state.fallbacks:
                raise
            failed = distros.load(instance.state.distro)
            instance.fall_back()
            instead = distros.load(instance.state.distro)
            audience.tell(Said(f"Using {instead.title} instead of {failed.title}: {error}"))


def settle(instance: Instance, audience: Audience) -> None:
    """Finish, or take back, what a killed command left half done. Needs the lock."""
    states = instance.provider.power_states()
    if "absent" in states.values() or START not in checkpoints.names(instance):
        raise LabError(f"instance {instance.name} is only half up; try: inv up")
    on_purpose = {fault.node for fault in instance.state.faults if fault.name == FREEZE}
    frozen = [name for name, state in states.items() if state == "frozen" and name not in on_purpose]
    instance.provider.thaw(frozen)  # by a save that was killed
    _finish(instance, audience)
    instance.start_bmcs()  # those that have died
    _await_boots(instance, audience)


def await_stops(instance: Instance) -> None:
    """Wait while the systems of nodes stop, as somebody has just typed `reboot`; `settle` waits for their boot."""

    def system_state(node: str) -> str:
        try:
            return instance.provider.ask(node, ["systemctl", "is-system-running"]).stdout.strip()
        except LabError:
            return "off"

    def stop(node: str) -> None:
        if system_state(node) != "stopping":
            return
        within = STOPS_WITHIN * instance.pace.slowness
        wait(lambda: instance.provider.power_states()[node], lambda state: state != "on", within=within, successes=1)
        if instance.provider.ended(node) == REBOOTS:
            wait(instance.starting, lambda starting: node in starting, within=START_WITHIN, successes=1)

    powered = [node for node, state in instance.provider.power_states().items() if state == "on"]
    with suppress(TimedOut):
        for_each(powered, stop)


def _await_boots(instance: Instance, audience: Audience) -> None:
    """Wait for nodes that reboot, or were powered on: a command should not find them off, and save them so."""
    if not (starting := instance.starting()):
        return
    audience.tell(Said(f"Waiting for {' and '.join(starting)} to boot."))
    with suppress(TimedOut, LabError):  # what is wrong with them is for the command to find
        wait(instance.starting, lambda left: not left, within=START_WITHIN * instance.pace.slowness, successes=1)
        checkpoints.wait_booted(instance)


def put_back(instance: Instance) -> None:
    """Put a learner's work back as it was before it was graded. Needs the lock."""
    checkpoints.restore(instance, GRADING)
    checkpoints.forget(instance, GRADING)


def is_unfinished(instance: Instance) -> bool:
    """Return whether `settle` or `up` has something to finish or to take back, as a command was killed or is at
    work. That undoes what is done to the nodes meanwhile.
    """
    there = checkpoints.names(instance)
    return bool(START not in there or GRADING in there or instance.state.restoring or _half_done(instance))


def _half_done(instance: Instance) -> list[str]:
    return [name for name, record in instance.state.steps.items() if record.outcome == "performing"]


def _finish(instance: Instance, audience: Audience) -> None:
    """Finish a reset that was killed. One that the learner typed after a killed grading stands; the grading's own
    resets are part of the grading."""
    if instance.state.restoring not in (None, GRADING):
        audience.tell(Said(f"The reset to {instance.state.restoring} was interrupted; doing it again."))
        go_back(instance, instance.state.restoring)
    elif GRADING in checkpoints.names(instance):
        graded_at = checkpoints.find(instance, GRADING).at
        _say(instance, audience, "The grading was interrupted; putting everything back as it was before.", graded_at)
        put_back(instance)
    if half_done := _half_done(instance):
        before, begun = before_step(instance, half_done[0]), instance.state.steps[half_done[0]].at
        _say(instance, audience, f"Step {half_done[0]} was interrupted; going back to {before}.", begun)
        go_back(instance, before)


def _say(instance: Instance, audience: Audience, text: str, since: datetime) -> None:
    """Say what is taken back. Ask first, if somebody has a shell open, or has worked in one since."""
    if by_hand.may_have_worked(instance, since):
        must_go_on(audience, f"{text} What was done in shells since is lost.")
    else:
        audience.tell(Said(text))


def go_back(instance: Instance, checkpoint: str) -> None:
    """Restore a checkpoint, and wait until the cluster is there again. Needs the lock."""
    checkpoints.restore(instance, checkpoint)
    preparation.assure(instance)


def before_step(instance: Instance, step: str) -> str:
    """Return the name of the checkpoint that a step starts from."""
    names = [START, *(known.name for known in instance.folder.steps)]
    return names[names.index(step) - 1]
