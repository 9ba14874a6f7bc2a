"""Outvote a node that is cut off

Each node has one vote. Quorum is more than half of all votes there are: two of three. `pcs quorum
status` shows expected votes, total votes, and whether this part is quorate.

Now the node that serves is cut off from the two others. Both parts notice at the same moment:

    two nodes    have two of three votes: quorate. They have the lost node fenced, and then, not
                 before, they start the service
    one node     has one of three: not quorate. no-quorum-policy=stop (the default) says that it
                 stops all its resources; and it may fence nobody

So there is no race: only one part may shoot. Compare that with two nodes, where both have quorum
and both shoot. This is what a third vote buys, and why "three nodes or none" is said so often.

Had the node that was cut off been one that does not serve, nobody would have noticed anything
but the administrator.

What it needs: an odd number of votes. With four nodes a cut two to two leaves no majority on
either side, and the service stops everywhere. votequorum(5) tells of tie breakers.
"""

from halab.conditions import Lab, fencing, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    active = lab.where("virtual_ip")
    others = lab.others(active)
    active.type("pcs quorum status")
    lab.measure("partition", groups=f"{active.name}/{','.join(node.name for node in others)}")
    others[0].type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check(
        "a partition of three nodes was measured: the service went on, and never had two owners",
        measured("partition", fencing=True, split_brain=False, ended=True),
        hint=(
            "pcs status tells on which node virtual_ip is: cut that one off from the two others",
            "inv measure partition --groups node1/node2,node3, if it is node1",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
