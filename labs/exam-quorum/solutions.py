"""What gives the majority its rights again, and what does not."""

from collections.abc import Callable

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, cheats, typed
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draws(spec: LabSpec) -> list[Draw]:
    return [(spec, {"way": "tie breaker"})]


FENCING = "stonith-enabled=true"
RULES = "last_man_standing=0 auto_tie_breaker=0 wait_for_all=1"


def solutions(drawn: Drawn) -> tuple[Solution, ...]:
    minority, votes, policy = "alone, the node", "the votes are", "a part without quorum"
    return (
        Solution(REFERENCE, updated(f"pcs quorum update {RULES}", f"pcs property set no-quorum-policy=stop {FENCING}")),
        Solution("by hand", by_hand),
        cheats.replaced(),
        cheats.by_hand(votes, policy),
        Solution("policy only", updated(after="pcs property set no-quorum-policy=stop"), fails=(votes,)),
        Solution("rules only", updated(f"pcs quorum update {RULES}"), fails=(policy, minority)),
        Solution(
            "a node with three votes, freeze, fencing off",
            updated(
                "sed -i '0,/nodeid: 1/s//nodeid: 1\\n        quorum_votes: 3/' /etc/corosync/corosync.conf",
                "pcs property set no-quorum-policy=freeze stonith-enabled=false",
            ),
            fails=(votes, policy, "two nodes go on"),
            after=REFERENCE,
        ),
        Solution(
            "no room for others",
            typed("pcs resource meta virtual_ip target-role=Stopped"),
            fails=("two nodes go on", minority),
            after=REFERENCE,
        ),
    )


def updated(line: str = "true", after: str = "true") -> Callable[[Lab], None]:
    """With the cluster stopped, and then with it running; the votes are the same in every node's file."""

    def perform(lab: Lab) -> None:
        first = lab.nodes[0]
        first.type("pcs cluster stop --all")
        first.type(line)
        first.type("pcs cluster sync")
        first.type("pcs cluster start --all --wait=60")
        first.type(after)

    return perform


def by_hand(lab: Lab) -> None:
    """Without pcs: the file on each node, and a property that goes back to its default."""
    for node in lab.nodes:
        node.type("sed -i -E '/last_man_standing|auto_tie_breaker|wait_for_all/d' /etc/corosync/corosync.conf")
        node.type("sed -i 's/provider: corosync_votequorum/&\\n    wait_for_all: 1/' /etc/corosync/corosync.conf")
    lab.nodes[0].type("pcs cluster stop --all")
    lab.nodes[0].type("pcs cluster start --all --wait=60")
    lab.nodes[0].type("crm_attribute --type crm_config --name no-quorum-policy --delete")
    lab.nodes[0].type(f"pcs property set {FENCING}")
