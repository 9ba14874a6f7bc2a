"""What keeps the promise, and what only seems to."""

from functools import partial

from halab.conditions import Lab
from halab.exams.draw import paper_of, source
from halab.proof import REFERENCE, Solution, cheats, typed
from halab.spec import labs
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draws(spec: LabSpec) -> list[Draw]:
    return [paper_of(labs.load("exam-tune")).draw(source("exam-tune", "proof", "3"), spec)]


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
        Solution("without a preference", partial(without_preference, quick, **drawn)),
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


def without_preference(quick: tuple[str, ...], lab: Lab, home: str, score: int, **_: object) -> None:
    """The page is that of Clusters from Scratch, 7.2: three lines, with the name in the second one."""
    page = lab.distro.paths.web_page
    lines = [
        *quick,
        f"pcs constraint remove location-virtual_ip-{home}-{score}",
        "pcs resource defaults update resource-stickiness=1",
        "pcs resource op add webserver monitor interval=3s timeout=20s",
    ]
    for line in lines:
        lab.nodes[0].type(line)
    lab.type_on_all(
        [f"printf '%s\\n' '<html>' \"<body>My Test Site - $(hostname)</body>\" '</html>' > {page}"],
    )
