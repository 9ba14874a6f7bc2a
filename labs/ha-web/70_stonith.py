"""Fence a node that cannot be trusted

A node that does not answer may be dead, frozen, or alive and cut off. Only when its power is
off is it certain that it holds no address and writes to no disk. To make certain is fencing,
or stonith: shoot the other node in the head. Every server has a second, small computer for
it, the BMC, which answers IPMI while the server is off. Each node gets one device, with the
agent fence_ipmilan (`pcs stonith describe fence_ipmilan`, fence_ipmilan(8)).

pcmk_host_list says which node a device can fence. Without it Pacemaker may take any device
for any node, and cut the power of the wrong one. A device should not run on the node that it
fences: a node in doubt cannot be trusted to kill itself and to report it. Hence "avoids".
The BMCs are on a network of their own: if they shared the cluster's, one cut would take away
the nodes and the means to fence them, and the cluster would wait, doing nothing, which is
right. A BMC fed by its server's power supply has the same fault when that supply dies.

A device that nobody has tried is a hope. So each node is really fenced, one after the other.
Look for the service, which goes on from another node; for the fenced node, which boots and
joins again because of `enable --all`; and for who fenced whom, in `pcs stonith history`.

In practice: a password that changed on the BMC only, IPMI over LAN not enabled, a firewall
before 623/udp, and "soft" power-off: systemd-logind that takes the power button for a wish
and shuts down slowly. Two nodes that lose sight of each other shoot at the same moment:
pcmk_delay_base=5s on one of the devices lets one of them win (Pacemaker Explained, "Fencing").
"We were allegedly just fenced": a node hears that it is dead, so its device told a lie, did
not cut the power, or was done so late that the node was up again; its Pacemaker stops then.
"""

from shlex import quote

from halab.conditions import Lab, bmc_power, can_be_fenced, fenced_by_peer, fencing, online, served_by_owner


def login_of(lab: Lab) -> str:
    account = lab.credentials
    return f"username={quote(account.bmc_user)} password={quote(account.bmc_password)} lanplus=1"


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    login = login_of(lab)
    for node in lab.nodes:
        first.type(
            f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} {login} "
            f"pcmk_host_list={node.name} op monitor interval=60s"
        )
        first.type(f"pcs constraint location fence_{node.name} avoids {node.name}")
    first.type("pcs property set stonith-enabled=true")
    for node in lab.nodes:
        first.type("pcs stonith", expect=rf"fence_{node.name}\s+\(stonith:fence_ipmilan\):\s+Started", within=60)
    for node in lab.nodes[::-1]:
        peer = lab.others(node)[0]
        peer.type(f"pcs stonith fence {node.name}")
        node.wait_booted(within=120)  # until then, a peer may still list the node as online
        peer.type("pcs status nodes", expect=r"Online: " + " ".join(n.name for n in lab.nodes) + r"\n", within=120)
        lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/", within=60)
    lab.others(first)[0].type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("fencing is enabled", fencing(True))
    for node in lab.nodes:
        login = login_of(lab)
        lab.check(f"the BMC of {node.name} answers, and its power is on", bmc_power(node, "on"), within=10)
        lab.check(
            f"a peer can fence {node.name} with a device that is started",
            can_be_fenced(node),
            within=60,
            hint=(
                f"on a peer: stonith_admin --list {node.name}; pcs stonith status",
                f"{node.name} must be in a device's pcmk_host_list; one that is stopped could not log in to {node.bmc}",
                f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} {login} pcmk_host_list={node.name}",
            ),
        )
        lab.check(f"{node.name} was really fenced by a peer", fenced_by_peer(node))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
