"""Where a lab begins: with bare nodes, or where the lab that it continues ends.

That is walked to once, and then kept for all instances to come, under a name that tells from what it was made.
"""

import hashlib
from collections.abc import Callable

from halab import checkpoints
from halab.checks import Outcome, overall
from halab.errors import LabError
from halab.files import one_at_a_time
from halab.instance import Instance
from halab.lab import Lab
from halab.labs import LabFolder
from halab.parallel import for_each

Say = Callable[[str], None]


def make(instance: Instance, say: Say) -> None:
    """From nothing, or what a killed command left, to booted nodes where the lab begins. Needs the lock."""
    before = instance.folder.continues
    if before is None:
        _make_bare(instance)
        return
    if set(instance.provider.power_states().values()) != {"absent"}:  # an `up` that was killed
        instance.stop_bmcs()
        instance.provider.down()
    name = _name(instance, before)
    if not instance.provider.has_prepared(name):
        with one_at_a_time(f"prepared-{name}"):
            if not instance.provider.has_prepared(name):
                _walk_through(instance, before, say)
                instance.provider.keep_prepared(name)
                return
    _make_bare(instance, name)
    instance.start_bmcs()
    assure(instance, before)


def assure(instance: Instance, before: LabFolder) -> None:
    """Wait until the last step of the lab that is continued holds. Raises LabError when it does not."""
    lab = Lab(instance)
    before.steps[-1].verify(lab)
    _must_pass(lab, before.steps[-1].name)


def _make_bare(instance: Instance, prepared: str | None = None) -> None:
    instance.up(prepared)
    for_each(instance.spec.nodes, lambda node: _introduce(instance, node.name))
    checkpoints.wait_booted(instance)


def _walk_through(instance: Instance, before: LabFolder, say: Say) -> None:
    say(f"Preparing what this lab begins with, the cluster of {before.name}, once; that takes some minutes.")
    _make_bare(instance)
    instance.start_bmcs()
    for step in before.steps:
        say(f"  {step.name}: {step.title}")
        lab = Lab(instance)
        try:
            step.perform(lab)
            step.verify(lab)
        finally:
            lab.close()
        _must_pass(lab, step.name)


def _must_pass(lab: Lab, step: str) -> None:
    if overall(lab.results) is not Outcome.PASSED:
        wrong = next(result for result in lab.results if result.outcome is not Outcome.PASSED)
        raise LabError(f"the cluster that this lab begins with is not whole, in {step}: {wrong.sentence}: {wrong.seen}")


def _name(instance: Instance, before: LabFolder) -> str:
    """Whatever decides what the cluster is like is in the digest."""
    digest = hashlib.sha256(instance.spec.model_dump_json(exclude={"title"}).encode())
    for step in before.steps:
        digest.update(step.path.read_bytes())
    return f"{before.name}-{instance.state.distro}-{digest.hexdigest()[:12]}"


def _introduce(instance: Instance, node: str) -> None:
    """Write /etc/hosts, so that nodes know each other by name and on the cluster's network."""
    lines = ["127.0.0.1 localhost", *(f"{peer.lan} {peer.name}" for peer in instance.spec.nodes)]
    result = instance.provider.run(node, ["tee", "/etc/hosts"], input="\n".join(lines) + "\n")
    if not result.ok:
        raise LabError(f"{node}: /etc/hosts could not be written: {result.last_line()}")
