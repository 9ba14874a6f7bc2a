"""What only seems to pass each step."""

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution

EVERY_CHECK = ("",)  # found in each sentence


def out_of_service(lab: Lab) -> None:
    """No node is fenced, nothing is mounted or served, and one node is in standby."""
    first, second = lab.nodes[:2]
    first.type("pcs property set stonith-enabled=false")
    first.type("pcs resource disable data virtual_ip --wait=60")
    first.type(f"pcs node standby {second.name}")


def not_exported(lab: Lab) -> None:
    out_of_service(lab)
    third = lab.nodes[2]
    third.type("find /srv/counter -type f -delete")
    third.type("rm /etc/exports && exportfs -ua")
    third.type("firewall-cmd --permanent --remove-service=nfs && firewall-cmd --reload")


def stopped(lab: Lab) -> None:
    out_of_service(lab)
    lab.nodes[0].type("gluster --mode=script volume stop counter", within=120)
    for node in lab.nodes:
        node.type("systemctl disable --now glusterd")
    for node in lab.nodes[:2]:
        node.type("find /srv/brick -maxdepth 1 -type f -delete")


SOLUTIONS = {
    "nfs": (Solution("not exported", not_exported, fails=EVERY_CHECK, after=REFERENCE),),
    "gluster": (Solution("stopped", stopped, fails=EVERY_CHECK, after=REFERENCE),),
}
