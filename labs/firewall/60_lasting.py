"""See what a cluster does not see, and what a reload and a reboot undo

Now HTTP. Somebody closes it on the node that serves, at run time. The measurement shows an outage
that does not end by itself: nginx runs, which is all that its monitor looks at, and the cluster is
content. No agent looks from outside, as clients do. Whoever wants to know whether a service answers
has to ask it from where its clients are.

What was changed at run time is gone with the next --reload, and that heals it here. That cuts both
ways. Somebody mends it in a hurry, at run time, and forgets it:

    firewall-cmd --add-service=https      in force now, gone after a reload or a boot
    firewall-cmd --permanent --add-...    in force after a reload or a boot, not now
    firewall-cmd --runtime-to-permanent   keeps what is in force: all of it

The first is the trap: it works until the node boots, and a node boots when it was fenced, at night.
Here https is opened on node3 at run time only, node3 is fenced, boots, and https is closed again, while
what was --permanent is open. Then it is opened on every node, to stay: where one node is left out, it
is found in a failover. So test a firewall by booting, before it is tested by an accident.
"""

from halab.conditions import Lab, lets_in, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.measure("firewall-closed")
    third.type("firewall-cmd --add-service=https")
    third.type("firewall-cmd --list-services", expect=r"\bhttps\b")
    one.type(f"pcs stonith fence {third.name}", within=120)
    third.wait_booted(within=120)
    one.type("pcs status nodes", expect=rf"Online: {one.name} {two.name}\n.*Remote.*Online: {third.name}\n", within=120)
    third.type("firewall-cmd --query-service=https", fails=True)
    third.type("firewall-cmd --query-service=high-availability")
    lab.type_on_all(["firewall-cmd --permanent --add-service=https", "firewall-cmd --reload"])


def verify(lab: Lab) -> None:
    lab.check(
        "it was measured what clients see when the firewall of the active node closes",
        measured("firewall-closed"),
    )
    for node in lab.nodes:
        lab.check(
            f"the firewall of {node.name} lets https in, now and after a restart",
            lets_in(node, "https", "443/tcp", outside=True),
        )
        lab.check(
            f"the firewall of {node.name} lets the cluster in",
            lets_in(node, "high-availability", "2224/tcp", "5405/udp"),
        )
    lab.check("two nodes and the remote node are online", online(), within=120)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
