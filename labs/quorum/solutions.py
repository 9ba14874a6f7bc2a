"""What else passes each step, and what only seems to."""

from collections.abc import Callable

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, typed

EVERY_CHECK = ("",)  # found in each sentence
OUT_OF_SERVICE = (
    "pcs property set stonith-enabled=false",
    "pcs resource disable virtual_ip",
    "pcs node standby node2",
)


def cut_in_passing(*lines: str) -> Callable[[Lab], None]:
    """The nodes lose each other for a moment, in which nobody measures."""

    def perform(lab: Lab) -> None:
        active = lab.where("virtual_ip")
        typed(*lines)(lab)
        lab.fault("partition", groups=f"{active.name}/{','.join(node.name for node in lab.others(active))}")
        lab.heal()

    return perform


def third_stopped(lab: Lab) -> None:
    """It runs no cluster, and is a node of it all the same: its vote counts as lost."""
    typed(*OUT_OF_SERVICE)(lab)
    lab.nodes[2].type("pcs cluster stop")


SOLUTIONS = {
    "majority": (Solution("not measured", cut_in_passing("pcs quorum status", *OUT_OF_SERVICE), fails=EVERY_CHECK),),
    "ignore": (
        Solution(
            "not measured, and left so",
            cut_in_passing("pcs property set no-quorum-policy=ignore", *OUT_OF_SERVICE),
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
            typed("pcs quorum device remove", *OUT_OF_SERVICE),
            fails=EVERY_CHECK,
            after=REFERENCE,
        ),
    ),
}
