"""Fence a node that cannot be trusted

TODO
"""

from halab.conditions import fenced_by_peer, fencing, online, served_by_owner, started


def perform(lab):
    first = lab.nodes[0]
    account = lab.credentials
    for node in lab.nodes:
        first.type(
            f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} username={account.bmc_user} "
            f"password={account.bmc_password} lanplus=1 pcmk_host_list={node.name} op monitor interval=60s"
        )
        first.type(f"pcs constraint location fence_{node.name} avoids {node.name}")
    first.type("pcs property set stonith-enabled=true")
    for node in lab.nodes:
        first.type("pcs stonith", expect=rf"fence_{node.name}\s+\(stonith:fence_ipmilan\):\s+Started", within=60)
    for node in lab.nodes[::-1]:
        peer = lab.others(node)[0]
        peer.type(f"pcs stonith fence {node.name}")
        node.wait_booted()  # until the membership has noticed, the fenced node still shows as online
        peer.type("pcs status nodes", expect=r"Online: " + " ".join(n.name for n in lab.nodes) + r"\n", within=120)
        lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/")


def verify(lab):
    lab.check("every node is online", online(), within=90)
    lab.check("fencing is enabled", fencing(True))
    for node in lab.nodes:
        lab.check(f"fence_{node.name} is started", started(f"fence_{node.name}"), within=60)
        lab.check(f"{node.name} was really fenced by a peer", fenced_by_peer(node))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
