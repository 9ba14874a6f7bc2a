"""Install the cluster's software

Three programs make a cluster of separate machines, and each has one job. Corosync passes
messages between the nodes and decides who is a member and whether there are enough members
(quorum). Pacemaker decides what runs where, and starts, watches and stops it. pcs is the
tool you type; its daemon pcsd carries your commands to the other nodes.

The software must be on every node, in the same version, so everything in this step happens
on all nodes. pcsd must run now and after every boot. Corosync and Pacemaker need not run
yet: there is no cluster to be a member of. Some distros' packages start a cluster of one
node by themselves when they are installed; then that one must be destroyed first.

Cluster traffic has to pass the firewall. firewalld has a service for it, and
`firewall-cmd --info-service=high-availability` tells its ports:

    2224/tcp        pcsd
    5404-5412/udp   Corosync, 5405 being the one that always matters
    3121/tcp        Pacemaker Remote
    5403/tcp        Corosync's quorum device

Forget 2224 and `pcs host auth` hangs. Forget 5405 and it is worse, for you may not notice: the
firewall remembers what a node sends, and lets its peer's packets in as the answer. So two nodes
that send to each other find each other all the same, and you depend on luck without knowing.
--permanent alone changes only the next start of the firewall: hence the --reload.

Do not turn off the firewall or SELinux to get on. Where SELinux is enforcing, its policy
knows clusters, and `ausearch -m AVC -ts recent` tells what it has refused.
"""

from halab.conditions import Lab, active, command, enabled, lets_in


def perform(lab: Lab) -> None:
    commands = lab.distro.commands
    lab.type_on_all([*commands.install_cluster, *commands.open_cluster_ports, *commands.enable_pcsd])


def verify(lab: Lab) -> None:
    install = " && ".join(lab.distro.commands.install_cluster)
    for node in lab.nodes:
        lab.check(
            f"{node.name} has Pacemaker, Corosync and pcs",
            command(node, "pacemakerd --version && crm_mon --version && corosync -v && pcs --version", own=True),
            hint=(
                f"see what is missing on {node.name}: type pacemakerd --version, corosync -v and pcs --version there",
                "the packages are called pacemaker, corosync and pcs; they must be installed on every node",
                f"on {node.name}: {install}",
            ),
        )
        lab.check(f"pcsd runs on {node.name}", active(node, "pcsd"), within=20)
        lab.check(f"pcsd starts when {node.name} boots", enabled(node, "pcsd"))
        lab.check(
            f"the firewall of {node.name} lets cluster traffic in",
            lets_in(node, "high-availability", "2224/tcp", "5405/udp"),
        )
