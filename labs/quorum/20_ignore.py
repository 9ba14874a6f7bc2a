"""See what it costs to ignore quorum

Guides for two nodes say `pcs property set no-quorum-policy=ignore`, and `stonith-enabled=false`
a line later. The first was needed before Corosync knew of two_node; it has not been for many
years. Together they are a split-brain that waits for its day. Here they are, on three nodes,
where quorum would have saved you:

    pcs property set no-quorum-policy=ignore
    pcs property set stonith-enabled=false

The node that is cut off knows that it has no quorum. It says so, "partition WITHOUT quorum", and
does it all the same. The two others have quorum, and start the service too.

no-quorum-policy may also be

    stop        stop all resources: the default, and right nearly always
    freeze      keep what runs, start nothing: for cluster file systems, which cannot even be
                unmounted without quorum (GFS2 needs it)
    demote      demote promotable resources, stop the others
    fence       fence all nodes of this part, oneself included. This was called suicide before
                Pacemaker 2.1.9, and Pacemaker 2.1.5, that of Debian 12, knows it by no other name

Both are set right again at the end of the step.
"""

from halab.conditions import Lab, fencing, measured, online, option, served_by_owner


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs property set no-quorum-policy=ignore")
    first.type("pcs property set stonith-enabled=false")
    active = lab.where("virtual_ip")
    others = ",".join(node.name for node in lab.others(active))
    lab.measure("partition", groups=f"{active.name}/{others}")
    first.type("pcs property set no-quorum-policy=stop")
    first.type("pcs property set stonith-enabled=true")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check(
        "a partition was measured in which the address had two owners",
        measured("partition", fencing=False, split_brain=True),
        hint=(
            "pcs property set no-quorum-policy=ignore; pcs property set stonith-enabled=false; then measure",
            "cut off the node that has the address: inv measure partition --groups node1/node2,node3, if it is node1",
        ),
    )
    lab.check("a part without quorum stops its resources", option("no-quorum-policy", "stop"))
    lab.check("fencing is on again", fencing(True))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
