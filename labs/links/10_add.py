"""Add a second link

A cluster believes that a node is dead when it hears nothing from it. With one link, it cannot
tell a dead node from a broken cable, and fences. A second link, on other cables and another
switch, makes that mistake rare.

The nodes have a second network already, for management. Give it to Corosync as well:

    pcs cluster link add NODE=ADDRESS NODE=ADDRESS

That changes corosync.conf on every node (ring1_addr is the address of link 1; the name is from
the time when links were rings) and has Corosync read it again. Nothing stops. All nodes must be
there, as all need the same file.

Each link has a UDP port of its own: 5405 for link 0, 5406 for link 1, and so on. firewalld's
service high-availability has all of them; the firewall between two rooms may know only 5405. A link
that never worked is not missed until the other one fails. So look at `corosync-cfgtool -n`.

More: corosync.conf(5), corosync-cfgtool(8), pcs(8) under "cluster link".
"""

from halab.conditions import Lab, fencing, linked, online, served_by_owner


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    addresses = " ".join(f"{lab.own_name(node)}={node.mgmt}" for node in lab.nodes)
    first.type("corosync-cfgtool -n")
    first.type(f"pcs cluster link add {addresses}")
    first.type("corosync-cfgtool -n", expect=r"LINK: 1 [^\n]* enabled connected", within=30)
    first.type("pcs cluster config")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check("fencing is on", fencing(True))
    lab.check("the nodes are connected on lan and on mgmt", linked("lan", "mgmt"), within=30)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
