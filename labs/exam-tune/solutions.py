"""What keeps the promise, and what only seems to."""

from random import Random

from halab.exams.draw import paper_of
from halab.proof import REFERENCE, Solution, cheats, typed
from halab.spec import labs
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draws(spec: LabSpec) -> list[Draw]:
    return [paper_of(labs.load("exam-tune")).draw(Random(3), spec)]  # noqa: S311


def solutions(drawn: Drawn) -> tuple[Solution, ...]:
    quick = (
        "pcs cluster config update totem token=1000",
        *(f"pcs stonith update fence_node{n} power_wait=0" for n in (1, 2)),
    )

    def spoilt(name: str, *lines: str) -> Solution:
        """Each of them breaks all three promises."""
        return Solution(
            name, typed(*lines), fails=("takes over in", "one lost node", "crashed web server"), after=REFERENCE
        )

    return (
        Solution(
            REFERENCE,
            typed(
                *quick,
                "pcs resource defaults update resource-stickiness=1000",
                "pcs resource op add webserver monitor interval=5s",
            ),
        ),
        Solution(
            "without a preference",
            typed(
                *quick,
                f"pcs constraint location remove location-virtual_ip-{drawn['home']}-{drawn['score']}",
                "pcs resource defaults update resource-stickiness=1",
                "pcs resource op add webserver monitor interval=3s timeout=20s",
            ),
        ),
        cheats.replaced(),
        cheats.by_hand("takes over in"),
        spoilt("fencing off", "pcs property set stonith-enabled=false"),
        spoilt(
            "slow, hardly sticky, looks at the address only",
            "pcs cluster config update totem token=10000",
            "pcs resource defaults update resource-stickiness=10",
            "pcs resource op remove webserver monitor",
            "pcs resource update virtual_ip op monitor interval=2s",
        ),
        spoilt(
            "fencing takes its time, at home at any price, looks once an hour",
            *(f"pcs stonith update fence_node{n} pcmk_delay_base=20" for n in (1, 2)),
            f"pcs constraint location virtual_ip prefers {drawn['home']}=INFINITY",
            "pcs resource update webserver op monitor interval=3600s",
        ),
    )
