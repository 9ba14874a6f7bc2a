"""Open 3121/tcp for a remote node

A cluster has 16 full nodes at most, or 32, depending on whom you ask: each one takes part in every
decision. A remote node does not: it runs resources and can be fenced, but has no Corosync, no vote
and no decision. One of the full nodes connects to its pacemaker-remoted, on 3121/tcp, as to a
resource: ocf:pacemaker:remote. See "Pacemaker Remote".

node3 becomes one here. It leaves the cluster, gets the package in place of Pacemaker, and comes back
through `pcs cluster node add-remote`, which uses pcsd: that works. The connection does not: 3121 is
closed, and now it does show, loudly:

    Failed Resource Actions:
      * node3 start on node1 could not be executed (Timed out: No route to host ...)

With fencing on, the cluster does what it does with any node that it cannot reach, and shoots node3
while you work on its firewall. So fencing is off for the time of the change, and only for that.

Open the port, and tell the cluster that the cause is mended (`pcs resource cleanup node3`). Then look
for "RemoteOnline".

The connection is given up after 20 s, so that you see it fail soon. In the end it has a minute, which
is the default: a start that failed is not tried again by itself, and a node that was fenced needs
its time to boot.

Whatever fails to start for "Timed out" and not for a reason of its own, think of a firewall. (Pacemaker 2
writes "Timed Out".)
"""

from halab.conditions import Lab, command, fencing, lets_in, online, reached, served_by_owner
from halab.walk.membership import remove_node


def perform(lab: Lab) -> None:
    one, _, third = lab.nodes
    one.type("pcs property set stonith-enabled=false")
    remove_node(third, lab.others(third))
    third.type(lab.distro.install("pacemaker-remote"))
    third.type("systemctl disable --now pacemaker_remote")  # some packages start it, and pcs wants to do that itself
    one.type(f"pcs cluster node add-remote {third.name} {third.lan} op start timeout=20s", within=120)
    one.type("pcs status", expect=rf"{third.name} start on \S+ could not be executed \(Timed [Oo]ut", within=120)
    third.type("firewall-cmd --permanent --add-port=3121/tcp")
    third.type("firewall-cmd --reload")
    one.type(f"pcs resource cleanup {third.name}")
    one.type("pcs status nodes", expect=rf"Pacemaker Remote Nodes:\n Online: {third.name}\n", within=60)
    one.type(f"pcs resource update {third.name} op start timeout=60s")
    one.type("pcs property set stonith-enabled=true")


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check(f"{one.name} gets through to pacemaker-remoted", reached(one, third, 3121, "open"), within=30)
    lab.check(
        f"the firewall of {third.name} lets Pacemaker Remote in",
        lets_in(third, "high-availability", "3121/tcp"),
        hint=f"on {third.name}: firewall-cmd --permanent --add-port=3121/tcp; firewall-cmd --reload",
    )
    lab.check("two nodes are online, and the remote node as well", online(one, two, third), within=120)
    lab.check(
        f"{third.name} is a remote node",
        command(one, "crm_mon --output-as=xml", rf'<node name="{third.name}"[^>]* online="true"[^>]* type="remote"'),
        hint=(
            "pcs status nodes: who is under Pacemaker Remote Nodes?",
            f"a full node leaves with pcs cluster node remove {third.name}, and its Pacemaker makes room for "
            "pacemaker-remote",
            f"on {one.name}: pcs cluster node add-remote {third.name} {third.lan}",
        ),
    )
    lab.check("fencing is on again", fencing(True))
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
