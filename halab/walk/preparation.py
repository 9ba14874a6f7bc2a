"""Where a lab begins: with bare nodes, or where the lab that it continues ends.

The first instance walks there. Then that place is kept for later instances, under a digest of what it was made from.
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
    """Boot all nodes, bring them where the lab begins, and save that. Needs the lock.

    A killed command may have left anything."""
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
    """Take over where another instance has walked to, if one has."""
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
    """Keep where the lab begins. It replaces what was kept for older lab files or images."""
    checkpoints.export(instance, START, kept)
    kind = kept.name.rpartition("-")[0]
    for other in kept.parent.glob(f"{kind}-*"):
        if other != kept:
            shutil.rmtree(other)


def assure(instance: Instance) -> None:
    """Wait, after a restore, until the cluster has formed again: until the checks of the last step that is passed
    hold, or those of the place where the lab begins. Raises LabError when they do not.

    There are no such checks for bare nodes, nor for an exam, because it begins with what is broken.
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
    """Return the lab with the cluster that it begins with. Nodes may be left out of that."""
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
    """Return where such a cluster is kept; None when it cannot be. All that it is made from is in the digest."""
    lineage = instance.provider.lineage()
    if lineage is None:
        return None
    own = {"title", "needs", "proven_on"}  # what a lab says of itself, and not of its cluster
    digest = hashlib.sha256(lineage.encode() + instance.spec.model_dump_json(exclude=own).encode())
    for step in before.steps:
        digest.update(step.path.read_bytes())
    total = len(instance.spec.nodes)
    kind = f"{before.name}-{instance.state.distro}-{instance.folder.cluster_nodes or total}-of-{total}"
    return cache_dir() / "prepared" / f"{kind}-{digest.hexdigest()[:12]}"


def _introduce(instance: Instance, node: str) -> None:
    """Write /etc/hosts, by which nodes find each other's address on the cluster's network."""
    lines = ["127.0.0.1 localhost", *(f"{peer.lan} {peer.name}" for peer in instance.spec.nodes)]
    result = instance.provider.run(node, ["tee", "/etc/hosts"], input="\n".join(lines) + "\n")
    if not result.ok:
        raise LabError(f"{node}: /etc/hosts could not be written: {result.cause()}")
