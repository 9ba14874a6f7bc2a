"""The cluster is whole, and its clients are alone

Pull the cable of the node that serves, on `lan`. With one link the cluster would have noticed: the
nodes would lose each other, and fencing would move the service. With two, the nodes talk on `mgmt`
and are content. virtual_ip is started, on a node that no client reaches. Its monitor asks whether the
address is there, and it is. The outage lasts until somebody plugs the cable in.

So the second link takes away what noticed by accident, and you have to notice on purpose. A clone of
ocf:pacemaker:ping runs on every node and pings what clients reach, a router for example. It writes
into an attribute of its node how many answered, and a rule keeps the address away from nodes where
none does:

    pcs resource create ping ocf:pacemaker:ping host_list=ADDRESS dampen=1s clone
    pcs constraint location virtual_ip rule score=-INFINITY pingd lt 1 or not_defined pingd

Ping something that is not itself part of what fails, better two of them: when the one router that is
pinged restarts, every node loses it, and the rule stops the service everywhere. Then a preference
(score-attribute=pingd) is wiser than a ban: it moves to where it is better, and stays if it is bad
everywhere. dampen waits for the other nodes to find out the same, before anybody acts.

More: Pacemaker Explained, "Moving Resources Due to Connectivity Changes"; `crm_mon -A1` shows
attributes.
"""

from halab.conditions import Lab, fencing, linked, measured, online, served_by_owner

OPTIONS = "dampen=1s attempts=2 timeout=1 op monitor interval=2s timeout=20s"


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    lab.measure("link-down")
    first.type(f"pcs resource create ping ocf:pacemaker:ping host_list={lab.clients} {OPTIONS} clone")
    first.type("crm_mon -A1", expect=r"pingd\s+: 1\b.*pingd\s+: 1\b", within=60)
    first.type("pcs constraint location virtual_ip rule score=-INFINITY pingd lt 1 or not_defined pingd")
    first.type("crm_resource --wait --timeout=60s")
    lab.measure("link-down")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check("fencing is on", fencing(True))
    lab.check("the nodes are connected on lan and on mgmt", linked("lan", "mgmt"), within=30)
    lab.check(
        "a node that clients do not reach gives the service away, by itself, as the cluster is configured now",
        measured("link-down", networks="lan", fencing=True, ended=True, now=True),
        hint=(
            "inv measure link-down: does the outage end before the cable is plugged in?",
            "crm_mon -A1, while inv fault link-down lasts: does any attribute of the node tell? pcs constraint: who asks it?",
            "pcs resource create ping ocf:pacemaker:ping, cloned, and a location rule for virtual_ip: pcs(8)",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
