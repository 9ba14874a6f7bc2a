"""Live with two votes

The third node leaves the cluster, as it would to save money. Of two votes a majority is two: if
one node dies, the other has no quorum, and the cluster was for nothing. So pcs writes

    two_node: 1          one vote is enough, on condition that there was a second one before:
    wait_for_all: 1      implied by two_node; a starting node waits until it has seen all others

Why wait? Think of a cut that was there before the nodes started: each would be alone, have its
one vote, have quorum, fence the other and start everything; the other one boots, is alone, has
quorum, fences ... all night long. With wait_for_all a node that starts alone does nothing.

See it: the cluster is stopped on both nodes, and started on one. It is online and waits:
`corosync-quorumtool -s` says "Activity blocked", and has the flag WaitForAll. (`pcs quorum
status` may only say that it cannot tell.) The second one starts, and both go on.

What if the second one never comes, after a power failure that only one server survived? Then
somebody must know, not guess, that it is off, and say so:

    pcs quorum unblock

Like `pcs stonith confirm` that is a promise.

A node that has left may still be remembered, and come back as soon as another node becomes the
controller: unclean, and nobody has a device to fence it with. `crm_node --list` tells whom a node
remembers, `crm_node --force --remove` makes it forget.
"""

from halab.conditions import Lab, command, fencing, online, served_by_owner
from halab.walk.membership import remove_node

FLAGS = "corosync-quorumtool -s"


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    one.type(f"pcs stonith delete fence_{third.name}")
    remove_node(third, lab.others(third))
    one.type("cat /etc/corosync/corosync.conf", expect=r"two_node: 1")
    one.type("pcs cluster stop --all")
    one.type("pcs cluster start")
    one.type(FLAGS, expect=r"Activity blocked", within=60, fails=True)  # its exit status says so as well
    two.type("pcs cluster start")
    one.type(FLAGS, expect=r"Quorate:\s+Yes", within=60)
    one.type("pcs status nodes", expect=rf"Online: {one.name} {two.name}\n", within=90)


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node in (one, two):
        lab.check(
            f"{node.name} knows that the cluster has two nodes, and waits for all when it starts",
            command(node, FLAGS, r"Expected votes:\s+2\b.*Flags:.*2Node.*WaitForAll"),
            hint=(
                f"on {node.name}: {FLAGS}; votequorum(5)",
                "pcs writes two_node into corosync.conf when two nodes are left",
                f"pcs stonith delete fence_{third.name}; pcs cluster node remove {third.name}",
            ),
        )
    lab.check(
        f"{third.name} is no node of a cluster",
        command(third, "! test -e /etc/corosync/corosync.conf"),
        hint=f"pcs cluster node remove {third.name}",
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
