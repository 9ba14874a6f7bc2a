"""Two cables, one switch

Redundant is what fails for different reasons. Two links that share a switch, a power strip, a
network card or the hand that configures both are one link with two names. So pull both cables of the
node that serves, as if its one switch had died.

Nothing is left to talk on, and it is as with one link: the node is lost, its peer has it fenced by
its BMC, and takes over. The lost node would like to fence its peer, and cannot: the way to the BMCs
was on `mgmt`, which is gone. That is luck. Were it the way between the nodes that is cut on both
networks (`inv measure partition --network lan,mgmt`), both could shoot, and a second link would have
changed nothing: see the lab on split-brain for who wins.

Keep the way to the fence devices apart from what they are to help against, or have a second one.
"""

from halab.conditions import Lab, fencing, linked, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    lab.measure("link-down", network="lan,mgmt")
    lab.nodes[0].type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check("the nodes are connected on lan and on mgmt", linked("lan", "mgmt"), within=30)
    lab.check(
        "the loss of both cables of a node was measured: it is fenced, and its peer serves",
        measured("link-down", networks="lan,mgmt", fencing=True, ended=True, at_least=1, split_brain=False),
        hint=(
            "inv measure link-down --network lan,mgmt",
            "fencing is what decides when no link is left: pcs stonith status",
            "pcs stonith history: was the node fenced? inv bmc NODE log: by whom?",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
