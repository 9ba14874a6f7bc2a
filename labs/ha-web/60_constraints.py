"""Keep address and server together

TODO
"""

from halab.conditions import online, served_by_owner, started, together


def perform(lab):
    first = lab.nodes[0]
    first.type("pcs constraint colocation add webserver with virtual_ip INFINITY")
    first.type("pcs constraint order virtual_ip then webserver")
    first.type("pcs resource", expect=r"Started.*Started", within=30)
    for node in lab.nodes[::-1]:
        first.type(f"pcs resource move virtual_ip {node.name}", within=120)
        first.type("pcs resource", expect=rf"virtual_ip[^\n]+Started {node.name}\s.*webserver[^\n]+Started {node.name}\s", within=60)
        lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/")


def verify(lab):
    lab.check("every node is online", online(), within=60)
    lab.check("virtual_ip is started on one node", started("virtual_ip"), within=30)
    lab.check("webserver is started on the same node", together("virtual_ip", "webserver"), within=30)
    lab.check("the page comes from that node", served_by_owner("virtual_ip"), within=20)
