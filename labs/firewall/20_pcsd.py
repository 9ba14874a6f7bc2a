"""Open the ports that every node needs: 2224/tcp and 5405/udp

2224/tcp is pcsd: what you type on one node is carried to the others through it. Closed, it looks
like this, and nothing else does:

    pcs pcsd status      nodeN: Offline
    pcs cluster stop --all, pcs host auth, pcs cluster node add, any change of corosync.conf
                         "Unable to communicate with nodeN", after a minute of silence

pcs waits for 60 s; --request-timeout=5 tells sooner. The cluster itself does not use pcsd: it runs,
and fails over, without. A sign that says "Offline" in `pcs status` under "PCSD Status" is not about
membership.

5404-5405/udp is Corosync itself: 5405 for the first link (knet, one port more for each further link).
Closed, it looks like nothing, as you see here: the node leaves and joins again, through a closed
firewall. Both sides send, so each side's packets pass as answers to what the other one's firewall
saw leave. You would depend on that, and it fails where a filter between the nodes keeps no state
(a router's access list), or where only one side speaks. Then it is a partition, with all that it
brings: `inv fault partition` shows it. So open it, on every node, in spite of what you saw.
"""

from halab.conditions import Lab, authorized, lets_in, online, reached, served_by_owner


def perform(lab: Lab) -> None:
    one, _, third = lab.nodes
    everybody = " ".join(node.name for node in lab.nodes)
    one.type(f"pcs --request-timeout=5 pcsd status {everybody}", fails=True)
    third.type("firewall-cmd --permanent --add-port=2224/tcp")
    third.type("firewall-cmd --reload")
    one.type(f"pcs pcsd status {everybody}", expect=rf"{third.name}: Online", within=30)
    third.type("pcs cluster stop")
    third.type("pcs cluster start")
    one.type("pcs status", expect=r"Online: \[ " + everybody + r" \]", within=90)
    third.type("firewall-cmd --permanent --add-port=5404-5405/udp")
    third.type("firewall-cmd --reload")


def verify(lab: Lab) -> None:
    one, _, third = lab.nodes
    lab.check(f"{one.name} gets through to pcsd on {third.name}", reached(one, third, 2224, "open"), within=10)
    lab.check("pcs on one node may drive every node", authorized(), within=10)
    lab.check(
        f"the firewall of {third.name} lets Corosync and pcsd in",
        lets_in(third, "high-availability", "2224/tcp", "5405/udp"),
        hint=(
            f"on {third.name}: firewall-cmd --list-all, and again with --permanent",
            "a port has a protocol: 2224/tcp, 5405/udp",
            f"on {third.name}: firewall-cmd --permanent --add-port=2224/tcp --add-port=5404-5405/udp; "
            "firewall-cmd --reload",
        ),
    )
    lab.check("every node is online", online(), within=90)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
