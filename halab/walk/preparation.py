"""Where a lab begins: with bare nodes, or where the lab that it continues ends.

That is walked to once, and then kept for all instances to come, under a name that tells from what it was made.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from halab.conditions.checks import Outcome, overall
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.kit.files import one_at_a_time
from halab.kit.parallel import for_each
from halab.kit.paths import cache_dir
from halab.spec.labs import LabFolder, Step
from halab.walk import checkpoints
from halab.walk.checkpoints import START
from halab.walk.lab import Lab

Say = Callable[[str], None]


def make(instance: Instance, say: Say) -> None:
    """From nothing, or what a killed command left, to booted nodes where the lab begins, saved. Needs the lock."""
    before = instance.folder.continues
    if before is None:
        _make_bare(instance)
        checkpoints.save(instance, START)
        return
    if set(instance.provider.power_states().values()) != {"absent"}:  # an `up` that was killed
        instance.stop_bmcs()
        instance.provider.down()
    _make_bare(instance)
    instance.start_bmcs()
    kept = _place(instance, before)
    if kept is None:
        _walk_through(instance, before, say)
        return
    if _take_over(instance, kept):
        return
    with one_at_a_time(f"prepared-{kept.name}"):
        if _take_over(instance, kept):  # as another instance was at it
            return
        _walk_through(instance, before, say)
        _keep(instance, kept)
        _begin_at_start(instance)  # where those who take over begin: resources may be elsewhere now


def _take_over(instance: Instance, kept: Path) -> bool:
    """Go on from what another instance has walked to, if one has."""
    if not kept.is_dir():
        return False
    # Killed from here on, the restore is done again; before the checkpoint is there, all of it is
    instance.remember(instance.state.model_copy(update={"restoring": START}))
    checkpoints.adopt(instance, kept)
    _begin_at_start(instance)
    return True


def _begin_at_start(instance: Instance) -> None:
    checkpoints.restore(instance, START)
    assure(instance)


def _keep(instance: Instance, kept: Path) -> None:
    """Export where the lab begins, in place of what was kept of older lab files or images."""
    checkpoints.export(instance, START, kept)
    kind = kept.name.rpartition("-")[0]
    for other in kept.parent.glob(f"{kind}-*"):
        if other != kept:
            shutil.rmtree(other)


def assure(instance: Instance) -> None:
    """Wait until what holds after the last step that is passed, or where the lab begins, holds again: a cluster forms
    anew after a restore. Raises LabError when it does not. Bare nodes have nothing that would have to hold, and neither
    has an exam, which begins with what is broken.
    """
    if instance.state.sitting and instance.state.sitting.began:
        return
    before = instance.folder.continues
    if last := instance.last_passed:
        _must_hold(last, Lab(instance))
    elif before:
        _must_hold(before.steps[-1], _begun(instance))


def _must_hold(step: Step, lab: Lab) -> None:
    step.verify(lab)
    if overall(lab.results) is not Outcome.PASSED:
        wrong = next(result for result in lab.results if result.outcome is not Outcome.PASSED)
        raise LabError(f"the cluster is not as step {step.name} left it: {wrong.sentence}: {wrong.seen}")


def _begun(instance: Instance) -> Lab:
    """The lab as its cluster is when it begins, which may leave nodes out."""
    return Lab(instance, cluster_nodes=instance.folder.cluster_nodes)


def _make_bare(instance: Instance) -> None:
    instance.up()
    for_each(instance.spec.nodes, lambda node: _introduce(instance, node.name))
    checkpoints.wait_booted(instance)


def _walk_through(instance: Instance, before: LabFolder, say: Say) -> None:
    say(f"Preparing what this lab begins with, the cluster of {before.name}, once; that takes some minutes.")
    for step in before.steps:
        say(f"  {step.name}: {step.title}")
        lab = _begun(instance)
        try:
            step.perform(lab)
            _must_hold(step, lab)
        finally:
            lab.close()
    checkpoints.save(instance, START)


def _place(instance: Instance, before: LabFolder) -> Path | None:
    """Where such a cluster is kept, if it can be. Whatever decides what it is like is in the digest."""
    lineage = instance.provider.lineage()
    if lineage is None:
        return None
    digest = hashlib.sha256(lineage.encode() + instance.spec.model_dump_json(exclude={"title", "needs"}).encode())
    for step in before.steps:
        digest.update(step.path.read_bytes())
    total = len(instance.spec.nodes)
    kind = f"{before.name}-{instance.state.distro}-{instance.folder.cluster_nodes or total}-of-{total}"
    return cache_dir() / "prepared" / f"{kind}-{digest.hexdigest()[:12]}"


def _introduce(instance: Instance, node: str) -> None:
    """Write /etc/hosts, so that nodes know each other by name and on the cluster's network."""
    lines = ["127.0.0.1 localhost", *(f"{peer.lan} {peer.name}" for peer in instance.spec.nodes)]
    result = instance.provider.run(node, ["tee", "/etc/hosts"], input="\n".join(lines) + "\n")
    if not result.ok:
        raise LabError(f"{node}: /etc/hosts could not be written: {result.last_line()}")
