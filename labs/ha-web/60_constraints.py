"""Keep address and server together

virtual_ip and webserver are two resources that know nothing of each other. A client needs
both on one node, so the cluster must be told two things, and they are two:

    colocation   where: webserver goes where virtual_ip is, or it does not run at all
    order        when: virtual_ip starts first, and stops last

A colocation says nothing about time, an order nothing about place. The colocation also has a
direction: "webserver with virtual_ip" looks for a place for the address, and the server
follows. If nginx can start nowhere, the address stays; the other way round it would go too.
INFINITY makes it a must. A finite score is a wish, which gives way when others weigh more.

A group (`pcs resource group add web virtual_ip webserver`) means the same in one word: its
members are together, start from left to right and stop from right to left. Groups are what
most people use; constraints show what they are made of. The check takes either. That both
are on one node today proves nothing, for they may be by luck, so the check asks Pacemaker's
policy engine, as you can: `crm_simulate --live-check --show-scores`, see crm_simulate(8).

Then watch: the address is moved, and the server follows. `pcs resource move` does it with a
location constraint. Older versions leave that behind: a "cli-prefer" or "cli-ban" that holds
the resource for months, until the day when it may not fail over. Look at `pcs constraint`
afterwards, and use `pcs resource clear`.

How much a resource clings to its place is its stickiness. Pacemaker's default is 0, but clusters
on Enterprise Linux 9 and later, and on Fedora, begin with 1. Here it is set to 0, so that
nothing but your constraints decides, and the labs that go on from here show the same everywhere.
Each move is a short outage, so in production give resources a stickiness, else a node that comes
back may pull them over once more: see the lab on failovers.

More: Pacemaker Explained, "Resource Constraints".
"""

from halab.conditions import Lab, follows, independent, online, ordered, served_by_owner, started, together


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs constraint colocation add webserver with virtual_ip score=INFINITY")
    first.type("pcs constraint order virtual_ip then webserver")
    first.type("pcs resource", expect=r"virtual_ip[^\n]+Started (\S+)\s.*webserver[^\n]+Started \1\s", within=60)
    first.type("pcs resource defaults update resource-stickiness=0")
    home = lab.where("virtual_ip")
    for node in [*lab.others(home), home]:
        both = rf"virtual_ip[^\n]+Started {node.name}\s.*webserver[^\n]+Started {node.name}\s"
        first.type(f"pcs resource move virtual_ip {node.name}", within=120)
        first.type("pcs resource", expect=both, within=60)
        lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/", within=10)


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check("virtual_ip is started on one node", started("virtual_ip"), within=60)
    lab.check("webserver is started on the same node", together("virtual_ip", "webserver"), within=30)
    lab.check("the page at the address comes from that node", served_by_owner("virtual_ip"), within=20)
    lab.check("webserver would follow virtual_ip anywhere", follows("webserver", "virtual_ip"), within=10)
    lab.check("virtual_ip would stay if webserver could run nowhere", independent("virtual_ip", "webserver"))
    lab.check("webserver starts after virtual_ip", ordered("virtual_ip", "webserver"))
