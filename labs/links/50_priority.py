"""Say which link is better

knet has three modes. In `passive`, pcs's and Corosync's default, one link carries all, and the others
are only watched: that with the highest priority, and of several such the one with the lowest number.
`active` sends everything on all links, and `rr` takes turns. Active hides the loss of a packet, and
takes as much of each network as the slowest of them gives.

Backups and users make `lan` slow at times, and a token that comes late is a node that seems dead. So
have the cluster talk on `mgmt`, where it is quiet, and keep `lan` for when that fails:

    pcs cluster link update 1 options link_priority=10

pcs changes links only of a cluster that is stopped, as the nodes must not disagree. A cluster stops
without its services if it is told to leave them alone: in maintenance mode, resources go on running
where they are, watched by nobody. Clients notice nothing, and nothing would help them meanwhile.

When it is started again, Pacemaker looks what runs where, before it does anything.
"""

from halab.conditions import Lab, fencing, linked, managed, online, preferred, served_by_owner


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs property set maintenance-mode=true")
    first.type("pcs cluster stop --all")
    lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/", within=10)
    first.type("pcs cluster link update 1 options link_priority=10")
    first.type("pcs cluster start --all")
    online_again = rf"Online:.*{lab.own_name(lab.nodes[0])}.*{lab.own_name(lab.nodes[1])}"
    first.type("pcs status nodes", expect=rf"(?m){online_again}|Maintenance: .*{lab.own_name(lab.nodes[1])}", within=90)
    first.type("pcs property set maintenance-mode=false")
    first.type("corosync-cmapctl totem.interface")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("the cluster manages its resources", managed(), within=60)
    lab.check("fencing is on", fencing(True))
    lab.check("the nodes are connected on lan and on mgmt", linked("lan", "mgmt"), within=30)
    lab.check("what nodes say to each other goes over mgmt", preferred("mgmt"), within=30)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
