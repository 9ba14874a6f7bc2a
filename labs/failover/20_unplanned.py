"""Lose a node without warning

Now nobody tells the cluster. It has to find out, and to be certain, before it may act:

    detect    Corosync passes a token round the nodes. When it has not come back for `token`
              (3 s, and a little more for each node beyond two), the others form a new
              membership, which takes `consensus` (1.2 times as long) at most
    fence     a node that left without a word may still run and hold the address. So the cluster
              has its power cut, and waits until the BMC says that it is off
    recover   the address is started on the other node, then nginx, and clients are told by ARP

Four losses, from outside to inside:

    power-cut       gone at once, with all it ran; only its BMC still answers
    freeze          the machine hangs: to everybody else the same as dead, but were it not fenced
                    it could wake up later, with the address, and know of nothing
    kill-corosync   the node runs and is healthy, but it is no member any more: it is fenced too
    service-crash   nginx dies; the node is fine. The cluster finds out when it looks the next
                    time (monitor interval=10s), and starts nginx again where it was

Compare the numbers. The first three lose most of their time to the token and to fencing; the
last one depends on luck, as the crash may come right after a look or right before one. Try it
with --repeat 5 and see how far minimum and maximum are apart.

`pcs stonith history` tells who was fenced by whom; journalctl -u corosync -u pacemaker, on the
surviving node, tells the story that the report is made from.
"""

from halab.conditions import Lab, measured, online, served_by_owner

LOSSES = {
    "power-cut": "a node that loses its power",
    "freeze": "a node that hangs",
    "kill-corosync": "a node whose Corosync dies",
    "service-crash": "a crashed nginx",
}


def perform(lab: Lab) -> None:
    for loss in LOSSES:
        lab.measure(loss)
    lab.nodes[0].type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    for loss, words in LOSSES.items():
        lab.check(f"the outage of {words} was measured, with fencing on", measured(loss, fencing=True))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
