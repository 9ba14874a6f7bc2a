"""Cut one, and see who notices

The same cut as in the lab on split-brain: the nodes do not hear each other on `lan` any more. There
it was a race with guns. Here knet, the part of Corosync that has the links, sends on the other one
when three pings of the first are lost, within about two seconds. No token is lost, no member leaves,
and Pacemaker never hears of it.

    corosync-cfgtool -n        LINK: 0 ... enabled, and LINK: 1 ... enabled connected
    corosync-cfgtool -s        nodeid: 2: disconnected, under LINK ID 0
    journalctl -u corosync     [KNET ] link: host: 2 link: 0 is down

That nobody notices is the point, and it is the danger: nobody mends what nobody notices. The day the
second link fails as well, the cluster falls apart "although it had two". So watch the links: in
Prometheus, ha_cluster_exporter has them as ha_cluster_corosync_ring_errors, and a line of cron with
`corosync-cfgtool -s | grep disconnected` is better than nothing.

Clients reach both nodes all the time: only the way from node to node is cut.
"""

from halab.conditions import Lab, fencing, linked, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    lab.fault("partition", network="lan")
    first.type("corosync-cfgtool -n", expect=r"LINK: 0 [^\n]*\) enabled (?!connected)", within=30)
    first.type("corosync-cfgtool -s")
    first.type("pcs status nodes")
    lab.heal()
    first.type("corosync-cfgtool -n", expect=r"LINK: 0 [^\n]* enabled connected", within=30)
    lab.measure("partition", network="lan")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check("fencing is on", fencing(True))
    lab.check("the nodes are connected on lan and on mgmt", linked("lan", "mgmt"), within=30)
    lab.check(
        "a partition of lan was measured, and caused no outage",
        measured("partition", networks="lan", fencing=True, outages=0, split_brain=False),
        hint=(
            "inv measure partition --network lan; what does it say?",
            "corosync-cfgtool -n, while inv fault partition --network lan lasts: is another link connected?",
            "add a link on mgmt, as in the step add, and measure again",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
