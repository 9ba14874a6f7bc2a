"""What else passes each step, and what only seems to."""

from collections.abc import Callable

from halab.conditions import Lab
from halab.proof import EVERY_CHECK, REFERENCE, Solution, out_of_service, typed


def cut_in_passing(*lines: str) -> Callable[[Lab], None]:
    """The nodes lose each other for a moment, in which nobody measures and nothing is served."""

    def perform(lab: Lab) -> None:
        active = lab.where("virtual_ip")
        typed(*lines)(lab)
        out_of_service(lab)
        lab.fault("partition", groups=f"{active.name}/{','.join(node.name for node in lab.others(active))}")
        lab.heal()

    return perform


def third_stopped(lab: Lab) -> None:
    """It runs no cluster, and is a node of it all the same: its vote counts as lost."""
    out_of_service(lab)
    lab.nodes[2].type("pcs cluster stop")


def without_device(lab: Lab) -> None:
    lab.nodes[0].type("pcs quorum device remove")
    out_of_service(lab)


SOLUTIONS = {
    "majority": (Solution("not measured", cut_in_passing("pcs quorum status"), fails=EVERY_CHECK),),
    "ignore": (
        Solution(
            "not measured, and left so",
            cut_in_passing("pcs property set no-quorum-policy=ignore"),
            fails=EVERY_CHECK,
        ),
    ),
    "two-nodes": (
        Solution("the third one stopped", third_stopped, fails=EVERY_CHECK),
        Solution("without a stop", typed("pcs stonith delete fence_node3", "pcs cluster node remove node3")),
    ),
    "qdevice": (
        Solution(
            "removed again",
            without_device,
            fails=EVERY_CHECK,
            after=REFERENCE,
        ),
    ),
}
