"""Make a cluster of the nodes

TODO
"""

from halab.conditions import enabled, online, option, quorate


def perform(lab):
    first = lab.nodes[0]
    names = " ".join(node.name for node in lab.nodes)
    first.type(f"pcs cluster setup {lab.cluster} {names}")
    first.type("pcs cluster start --all")
    first.type("pcs cluster enable --all")
    first.type("pcs status", expect=r"Cluster name: " + lab.cluster, within=30)
    first.type("pcs property set dc-deadtime=2s")
    first.type("pcs status", expect=r"Online: \[ " + names + r" \]", within=60)


def verify(lab):
    lab.check("every node is online", online(), within=60, hint="pcs status")
    lab.check("the cluster has quorum", quorate(), within=30)
    lab.check("a starting cluster waits 2 s for a coordinator", option("dc-deadtime", "2s"))
    for node in lab.nodes:
        for unit in ("corosync", "pacemaker"):
            lab.check(f"{unit} starts when {node.name} boots", enabled(node, unit), hint="pcs cluster enable --all")
