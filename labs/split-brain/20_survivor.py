"""Make certain before you act

The same cut, with fencing on. Each side still believes the other one dead, but belief is not
enough any more: before it starts anything, it has the other's power cut, and waits for the BMC
to confirm it. So nobody ever sees two owners.

But who shoots first? Both notice in the same moment, both BMCs are reachable by the network for
management, and both shoot. Often enough both are hit: a fence race, with no winner. Both nodes
boot, and as the cut is still there, neither starts anything: wait_for_all has a starting node
wait until it has seen the other one. The service is down until somebody mends the cable.

That is bad, and it is safe. A cluster that is down can be started; data that two nodes wrote
into cannot be put together again.

Sometimes only one is hit. Then the survivor takes over, or, when it was the active one, clients
notice nothing. Repeat the measurement, and the result changes: it is a race.

`pcs stonith history` on a survivor, and the event log of each BMC, tell who shot whom: the
picture of the measurement shows both.
"""

from halab.conditions import Lab, fencing, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    lab.measure("partition")
    lab.nodes[0].type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check(
        "a partition with fencing was measured, and the address never had two owners",
        measured("partition", fencing=True, split_brain=False),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
