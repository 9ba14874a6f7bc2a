"""What else passes each step, and what only seems to."""

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, typed

STANDBY = "pcs node standby --all"


def crashed_without_fencing(lab: Lab) -> None:
    lab.nodes[0].type("pcs property set stonith-enabled=false")
    lab.measure("service-crash")
    lab.nodes[0].type(STANDBY)


def sticky_address(lab: Lab) -> None:
    home = lab.where("virtual_ip")
    other = lab.others(home)[0]
    other.type(f"pcs constraint location virtual_ip prefers {home.name}=20")
    lab.measure("power-cut", repeat=2)
    other.type("pcs resource meta virtual_ip resource-stickiness=50")
    lab.measure("power-cut")


SOLUTIONS = {
    "planned": (
        Solution(
            "typed, not measured, and left in standby",
            typed(STANDBY),
            fails=("is online", "was measured", "service answers"),
        ),
    ),
    "unplanned": (
        Solution(
            "fencing off, left in standby",
            crashed_without_fencing,
            fails=("is online", "was measured", "service answers"),
        ),
    ),
    "stickiness": (
        Solution(
            "points from the beginning",
            typed("pcs resource defaults update resource-stickiness=100"),
            fails=("second outage",),
        ),
        Solution(
            "no points, left in standby",
            typed("pcs resource defaults update resource-stickiness=", STANDBY),
            fails=("is online", "rather stay", "costs one outage"),
            after=REFERENCE,
        ),
        Solution("only the address stays", sticky_address),
    ),
    "tuning": (
        Solution(
            "fencing off, left in standby",
            typed("pcs property set stonith-enabled=false", STANDBY),
            fails=("is online", "fencing is on", "below five seconds"),
            after=REFERENCE,
        ),
    ),
}
