"""Make a cluster of the nodes

`pcs cluster setup` writes /etc/corosync/corosync.conf and gives every node the same copy,
together with a key that signs and encrypts the traffic. `start --all` starts Corosync and
Pacemaker everywhere, `enable --all` makes them start at boot. Whether to enable is a choice:
a node that was fenced then comes back by itself, which is what this lab wants. Some sites
prefer to look at it first.

Look in `pcs status` for "partition with quorum" and for every node after "Online:". A few
seconds pass: the nodes find each other, then they elect one of them coordinator (DC), and
only the coordinator decides. "UNCLEAN" means "I do not know what that node is doing". Change
nothing before: the first coordinator writes options of its own, and of two who begin the
same section of an empty configuration one is refused ("Unable to update cib").

Quorum is more than half of the votes, so that of a cluster cut in two only one part goes on.
With two nodes half is one, and one vote must do: corosync.conf then has two_node: 1, which
also makes a starting node wait until it has seen the other once (wait_for_all). In a cut
both parts then have quorum, and each believes the other dead: split-brain. Two nodes are
held together by fencing alone, the last step. `corosync-quorumtool` shows the votes, and
votequorum(5) explains the flags; three nodes, or a quorum device, do without the exception.

dc-deadtime is how long a starting node listens for a coordinator before it calls an
election. Its default of 20 s suits servers that boot minutes apart. Here it is 1 s, because
lab nodes boot together and every reset would cost you the difference. Do not copy that into
production without thought: once fencing is on, a coordinator elected too early takes nodes
that are merely slow for lost ones, and shoots them as they boot (startup-fencing). The
options are in pacemaker-controld(7) and in Pacemaker Explained, "Cluster-Wide Options".
"""

from halab.conditions import Lab, enabled, online, option, quorate


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    names = " ".join(node.name for node in lab.nodes)
    first.type(f"pcs cluster setup {lab.cluster} {names}")
    first.type("pcs cluster start --all")
    first.type("pcs cluster enable --all")
    first.type("pcs status", expect=r"Cluster name: " + lab.cluster, within=30)
    first.type("pcs status", expect=r"Online: \[ " + names + r" \]", within=60)
    first.type("pcs property set dc-deadtime=1s")


def verify(lab: Lab) -> None:
    names = " ".join(node.name for node in lab.nodes)
    lab.check(
        "every node is online",
        online(),
        within=90,
        hint=(
            "pcs status, on each node: do they tell the same story?",
            "a node that sees only itself is cut off by a firewall; one that tells nothing runs no cluster software",
            f"pcs cluster setup {lab.cluster} {names}; pcs cluster start --all",
        ),
    )
    lab.check("the cluster has quorum", quorate(), within=30)
    lab.check(
        "a starting cluster waits at most 2 s for a coordinator",
        option("dc-deadtime", "1s", "1", "1000ms", "PT1S", "2s", "2", "2000ms", "PT2S"),
    )
    for node in lab.nodes:
        for unit in ("corosync", "pacemaker"):
            lab.check(
                f"{unit} starts when {node.name} boots",
                enabled(node, unit),
                hint=(f"on {node.name}: systemctl is-enabled {unit}", "pcs cluster enable --all"),
            )
