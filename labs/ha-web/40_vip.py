"""Give the service one address

TODO
"""

from halab.conditions import address_only_on_owner, answers_ping, started


def perform(lab):
    first = lab.nodes[0]
    first.type("pcs property set stonith-enabled=false")
    first.type(f"pcs resource create virtual_ip ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix} op monitor interval=30s")
    first.type("pcs status", expect=r"virtual_ip\s+\(ocf:+heartbeat:IPaddr2\):\s+Started", within=30)


def verify(lab):
    lab.check("virtual_ip is started on one node", started("virtual_ip"), within=60)
    lab.check("the address is on that node, and on no other", address_only_on_owner("virtual_ip"), within=10)
    lab.check("the address answers from the workstation", answers_ping(lab.vip), within=10)
