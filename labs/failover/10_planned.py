"""Move the service on purpose

Maintenance is the everyday failover: a kernel update, a new disk. Three ways to get a service
off a node, and what each costs its clients. Measure, do not believe.

    pcs node standby NODE      the node stays a member, votes, and runs nothing: for maintenance
    pcs resource ban R NODE    one resource may not run there: a constraint, until it is cleared
    pcs cluster stop           the software stops on one node, which leaves the cluster in order

In all three nobody has to find out that something is wrong, and nobody is fenced: the lost time
is that of stopping the resources here and starting them there. In the report the columns Detect
and Fence are empty, and Recover is all there is.

Look at the picture: the address is gone for a moment, nginx follows. What takes longest? Often
not the cluster but a client: gratuitous ARP tells the neighbours that the address has moved, and
a switch or a router that ignores it goes on sending to the old node until its entry expires.

In practice: after `pcs node standby` people forget `unstandby`, and the cluster of two is a
cluster of one until the day the other node dies. `pcs status` says so in its node list. And a
`ban` that nobody clears is a constraint like any other, for ever: `pcs constraint` shows it.

`pcs cluster stop` on two nodes at once, or on one while the other is down, ends the service.
Ask `pcs quorum status` before you stop anything.
"""

from halab.conditions import Lab, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    for planned in ("standby", "move", "stop-cluster"):
        lab.measure(planned)
    lab.nodes[0].type("pcs status")


def verify(lab: Lab) -> None:
    lab.check("every node is online, and none in standby", online(), within=90)
    lab.check("the outage of a node in standby was measured", measured("standby"))
    lab.check("the outage of a moved address was measured", measured("move"))
    lab.check("the outage of a cluster that is stopped on one node was measured", measured("stop-cluster"))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
