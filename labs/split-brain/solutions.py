"""What else passes each step, and what only seems to."""

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, typed

STANDBY = "pcs node standby --all"
NO_FENCING = "pcs property set stonith-enabled=false"


def not_measured(lab: Lab) -> None:
    one, two = lab.nodes
    one.type(NO_FENCING)
    lab.fault("partition")
    one.type("pcs status nodes", expect=rf"Offline: {two.name}\b", within=60)
    lab.heal()
    one.type("pcs status nodes", expect=rf"Online: {one.name} {two.name}\n", within=60)
    one.type(STANDBY)


def late_for_one(lab: Lab) -> None:
    """Whoever would shoot the node that serves waits, and nobody else."""
    lab.nodes[0].type(f"pcs stonith update fence_{lab.where('virtual_ip').name} pcmk_delay_base=8s")
    lab.measure("partition")


def nothing_to_confirm(lab: Lab) -> None:
    lab.fault("bmc-dead")
    lab.heal()
    lab.nodes[0].type(STANDBY)


SOLUTIONS = {
    "two-owners": (
        Solution(
            "not measured, fencing left off, left in standby",
            not_measured,
            fails=("is online", "was measured", "on again", "service answers"),
        ),
    ),
    "survivor": (
        Solution(
            "fencing off, left in standby",
            typed(NO_FENCING, STANDBY),
            fails=("is online", "fencing is on", "was measured", "service answers"),
        ),
    ),
    "race": (
        Solution(
            "no delay, fencing off, left in standby",
            typed("pcs property set priority-fencing-delay=0", NO_FENCING, STANDBY),
            fails=("is online", "fencing is on", "has to wait", "causes no outage", "service answers"),
            after=REFERENCE,
        ),
        Solution("a delay of one device", late_for_one),
    ),
    "confirm": (
        Solution(
            "a BMC that came back, left in standby",
            nothing_to_confirm,
            fails=("is online", "confirmed", "service answers"),
        ),
    ),
}
