"""See one address on two nodes

Fencing is turned off, as so many guides do "for now", and then the nodes lose sight of each
other. Nothing is broken on either of them. Each forms a cluster of its own, which by two_node: 1
has quorum. Each calls the other one offline, and the one that had nothing starts everything.

Look at `pcs status` on both sides: two stories, both of them consistent, both wrong. Neither
node can find out, as all it knows of the other one is silence.

Then ask the network. `arping` from the workstation gets answers from two hardware addresses.
Which one a client talks to depends on whose answer came last, and may be another one for each
client, and change in the middle of a download. With a web page that is a nuisance. With a shared
file system or a database, both write, and what comes out belongs to nobody: restoring a backup
is then the best of all outcomes.

The outage that is measured is small, perhaps there is none at all. That is the trap: by the
number alone this is the best result of the whole lab. Hence "unsafe" stands beside it.

After the cut is mended the nodes meet again, find the resources active twice ("multiple-active")
and stop them on both before they start them on one. Fencing is turned on again at the end.
"""

from halab.conditions import Lab, fencing, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    one, two = lab.nodes
    one.type("pcs property set stonith-enabled=false")
    lab.fault("partition")
    one.type("pcs status nodes", expect=rf"Offline: {two.name}\b", within=60)
    two.type("pcs status nodes", expect=rf"Offline: {one.name}\b", within=60)
    for node in lab.nodes:
        node.type("pcs resource", expect=rf"virtual_ip[^\n]+Started {node.name}\b", within=60)
    lab.workstation.type(f"arping -c 3 -I lan {lab.vip} | grep reply")
    lab.heal()
    one.type("pcs status nodes", expect=rf"Online: {one.name} {two.name}\n", within=60)
    lab.measure("partition")
    one.type("pcs property set stonith-enabled=true")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check(
        "a partition without fencing was measured, and the address had two owners",
        measured("partition", fencing=False, split_brain=True),
        hint=(
            "pcs property set stonith-enabled=false, then: inv measure partition",
            "inv fault partition, and look at pcs status on both nodes before you heal it",
        ),
    )
    lab.check("fencing is on again", fencing(True), hint="pcs property set stonith-enabled=true")
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
