"""Let a third machine have the casting vote

A quorum device is a third vote without a third node: a small daemon, corosync-qnetd, on any
machine that both nodes reach, best on one that fails for other reasons than they do. It runs no
resources, needs no fencing, and may serve many clusters. Both nodes keep a connection to it
(corosync-qdevice, port 5403/tcp), and when they lose each other, it gives its vote to one part.

    ffsplit    fifty-fifty split: exactly one of two equal parts gets the vote
    lms        last man standing: a single node may go on as long as it reaches the device

Three votes, two are enough: a majority again. two_node is gone from corosync.conf, and with it
the fence race: of two nodes that are cut off from each other, only the one with the casting vote
has quorum, and only that one may shoot. `pcs quorum status` shows the Qdevice as one more vote,
and `pcs qdevice status net` on the third machine shows who is connected.

If the device dies, nothing happens: two of three votes are left. If it dies, and a node as well,
the other one stops. So watch it, and do not put it on one of the nodes.

More: corosync-qdevice(8), corosync-qnetd(8).
"""

from halab.conditions import Lab, command, fencing, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    for line in lab.distro.commands.start_qnetd:
        third.type(line)
    for node in (one, two):
        node.type(lab.distro.install("corosync-qdevice"))
    one.type(f"pcs quorum device add model net host={third.name} algorithm=ffsplit")
    one.type("pcs quorum status", expect=r"Total votes:\s+3\b", within=60)
    third.type("pcs qdevice status net --full", expect=rf"{two.name}|Node ID 2", within=60)
    lab.measure("partition", groups=f"{one.name}/{two.name}")


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node in (one, two):
        lab.check(
            f"{node.name} counts the vote of the quorum device",
            command(node, "corosync-quorumtool -s", r"Expected votes:\s+3\b.*Quorate.*Qdevice.*\bA,V\b"),
            within=60,
            hint=(
                f"on {node.name}: pcs quorum status; systemctl status corosync-qdevice",
                f"the device must run ({third.name}: pcs qdevice status net), and 5403/tcp must be open there",
                f"pcs quorum device add model net host={third.name} algorithm=ffsplit",
            ),
        )
    lab.check(
        "a partition of the two nodes, as the cluster is configured now, leaves the service to one of them",
        measured("partition", fencing=True, split_brain=False, ended=True, now=True),
        hint=f"inv measure partition --groups {one.name}/{two.name}: {third.name} is in no group, so both reach it",
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
