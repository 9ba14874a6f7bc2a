"""What only seems to pass each step."""

from halab.conditions import Lab
from halab.proof import EVERY_CHECK, REFERENCE, Solution, out_of_service


def not_exported(lab: Lab) -> None:
    out_of_service(lab, "data")
    third = lab.nodes[2]
    third.type("find /srv/counter -type f -delete")
    third.type("rm /etc/exports && exportfs -ua")
    third.type("firewall-cmd --permanent --remove-service=nfs && firewall-cmd --reload")


def stopped(lab: Lab) -> None:
    out_of_service(lab, "data")
    lab.nodes[0].type("gluster --mode=script volume stop counter", within=120)
    for node in lab.nodes:
        node.type("systemctl disable --now glusterd")
    for node in lab.nodes[:2]:
        node.type("find /srv/brick -maxdepth 1 -type f -delete")


SOLUTIONS = {
    "nfs": (Solution("not exported", not_exported, fails=EVERY_CHECK, after=REFERENCE),),
    "gluster": (Solution("stopped", stopped, fails=EVERY_CHECK, after=REFERENCE),),
}
