"""Open 5403/tcp for a quorum device

Two full nodes are left, and a third vote would do them good: corosync-qnetd, on the third machine.
(It runs resources as a remote node, too. In earnest keep these apart: who has the casting vote had
better not be somebody whom the others can fence.)

`pcs quorum device add` succeeds, as it talks to pcsd, and restarts nothing. The nodes cannot reach
qnetd on 5403, and again the cluster runs. Only who looks sees it:

    pcs quorum status               Qdevice  0 votes, or flags A,NV: alive, not voting
    pcs quorum device status        State: Connect failed

You believe that you have three votes, and have two. Open the port, and the flags become A,V.

A port is opened where somebody listens: 5403/tcp on the machine with qnetd, 3121/tcp on remote
nodes, the rest on every full node. The service high-availability opens them all, everywhere.
"""

from halab.conditions import Lab, command, lets_in, online, reached, served_by_owner

VOTES = "corosync-quorumtool -s"


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    for line in lab.distro.commands.start_qnetd:
        third.type(line)
    for node in (one, two):
        node.type(lab.distro.install("corosync-qdevice"))
    one.type(f"pcs quorum device add model net host={third.name} algorithm=ffsplit")
    one.type("pcs quorum device status", expect=r"State:\s+Connect failed", within=60)
    third.type("firewall-cmd --permanent --add-port=5403/tcp")
    third.type("firewall-cmd --reload")
    one.type("pcs quorum status", expect=r"Total votes:\s+3\b.*\bA,V", within=90)


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check(
        f"the firewall of {third.name} lets quorum devices in",
        lets_in(third, "high-availability", "5403/tcp"),
        hint=f"on {third.name}: firewall-cmd --permanent --add-port=5403/tcp; firewall-cmd --reload",
    )
    for node in (one, two):
        lab.check(f"{node.name} gets through to qnetd", reached(node, third, 5403, "open"), within=10)
        lab.check(
            f"{node.name} counts the vote of the quorum device",
            command(node, VOTES, r"Expected votes:\s+3\b.*Quorate.*Qdevice.*\bA,V\b"),
            within=90,
            hint=(
                f"on {node.name}: pcs quorum device status; pcs quorum status",
                "State: Connect failed, while qnetd runs, is a firewall",
                f"pcs quorum device add model net host={third.name} algorithm=ffsplit",
            ),
        )
    lab.check("two nodes and the remote node are online", online(one, two, third), within=60)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
