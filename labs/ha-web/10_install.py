"""Install the cluster's software

TODO
"""

from halab.conditions import active, command, enabled


def perform(lab):
    lab.type_on_all([*lab.distro.commands.install_cluster, *lab.distro.commands.open_cluster_ports, *lab.distro.commands.enable_pcsd])


def verify(lab):
    for node in lab.nodes:
        lab.check(
            f"{node.name} has Pacemaker, Corosync and pcs",
            command(node, "pacemakerd --version && crm_mon --version && corosync -v && pcs --version"),
            hint="the package manager tells which packages there are: they are called as in the sentence",
        )
        lab.check(f"pcsd runs on {node.name}", active(node, "pcsd"), within=20, hint="systemctl status pcsd")
        lab.check(f"pcsd starts when {node.name} boots", enabled(node, "pcsd"), hint="systemctl enable pcsd")
        lab.check(
            f"the firewall of {node.name} lets cluster traffic in",
            command(node, "firewall-cmd --query-service=high-availability && firewall-cmd --permanent --query-service=high-availability"),
            hint="firewalld has a service called high-availability",
        )
