"""Give the service one address

Clients should not have to know which node serves them. They are given one address that no
node owns, and the cluster puts it on one of them: a resource, called virtual_ip here, of the
agent ocf:heartbeat:IPaddr2. `pcs resource describe ocf:heartbeat:IPaddr2` tells what it can
do. When it starts, it adds the address and sends gratuitous ARP, so that neighbours learn
where the address lives now. It is a second address beside the node's own, so look for it
with `ip address show`; ifconfig does not tell of it. `op monitor interval=30s` has the
cluster look at it every 30 s. Without a monitor it would not notice a loss.

Pacemaker starts nothing while fencing is enabled and no fence device exists, and says so:
"Resource start-up disabled since no STONITH resources have been defined"; from 3.0.2 on it
calls them fencing resources, and the property stonith-enabled has the new name
fencing-enabled, beside the old one. To see the pieces one by one, fencing is turned off for
now; the last step builds it and turns it on.

Know what "for now" risks. When a node falls silent, the other cannot tell dead from cut off.
Without fencing it does not find out but takes over, and if the silent one lives, both hold
the address: clients reach one or the other, whichever answered ARP last, and with shared
storage both would write. Too many clusters went into production with this line still set.

In practice also: a wrong cidr_netmask (32 is only reachable by luck), an address that a DHCP
server gives to somebody else too, a switch that ignores gratuitous ARP, and an address typed
in by hand that nobody took away. The cluster knows nothing of what it did not start.
"""

from halab.conditions import Lab, address_only_on_owner, answers_ping, started


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs property set stonith-enabled=false")
    first.type(
        f"pcs resource create virtual_ip ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix} op monitor interval=30s"
    )
    first.type("pcs status", expect=r"virtual_ip\s+\(ocf:+heartbeat:IPaddr2\):\s+Started", within=30)


def verify(lab: Lab) -> None:
    lab.check(
        "virtual_ip is started on one node",
        started("virtual_ip"),
        within=90,
        hint=(
            "pcs status tells where virtual_ip is, and under Failed Resource Actions why not",
            "if it is Stopped without a failure: is fencing enabled while there is no fence device?",
            "pcs property set stonith-enabled=false",
            f"pcs resource create virtual_ip ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix}",
        ),
    )
    lab.check(
        f"that node, and no other, has the address {lab.vip}/{lab.prefix}",
        address_only_on_owner("virtual_ip"),
        within=10,
        hint=(
            "ip address show, on every node; pcs resource config virtual_ip",
            "a wrong prefix? or typed in by hand? the cluster never takes away what it did not add",
            f"pcs resource update virtual_ip ip={lab.vip} cidr_netmask={lab.prefix}",
            f"ip address flush to {lab.vip}, where it does not belong",
        ),
    )
    lab.check("the address answers from the workstation", answers_ping(lab.vip), within=10)
