"""What else passes each step, and what only seems to."""

from collections.abc import Callable
from ipaddress import IPv4Interface

from halab.conditions import Lab
from halab.proof import EVERY_CHECK, REFERENCE, Solution, out_of_service


def on_third(*lines: str) -> Callable[[Lab], None]:
    def perform(lab: Lab) -> None:
        for line in lines:
            lab.nodes[2].type(line)

    return perform


def opened_again(lab: Lab) -> None:
    out_of_service(lab)
    lab.nodes[2].type("firewall-cmd --permanent --add-service=high-availability")
    lab.nodes[2].type("firewall-cmd --reload")


def by_source(lab: Lab) -> None:
    """No port and no service is opened: whoever has an address of the network is trusted."""
    network = IPv4Interface(f"{lab.vip}/{lab.prefix}").network
    lab.nodes[2].type(f"firewall-cmd --permanent --zone=trusted --add-source={network}")
    lab.nodes[2].type("firewall-cmd --reload")


def without_corosync(lab: Lab) -> None:
    """pcsd is all that anybody misses, until it does not run."""
    out_of_service(lab)
    third = lab.nodes[2]
    third.type("firewall-cmd --permanent --remove-port=5404-5405/udp")
    third.type("firewall-cmd --reload")
    third.type("systemctl stop pcsd")


def full_node(lab: Lab) -> None:
    """A port has a protocol, and this one is another; and what waits behind it is Pacemaker itself."""
    out_of_service(lab)
    lab.nodes[2].type("firewall-cmd --permanent --add-port=3121/udp")
    lab.nodes[2].type("firewall-cmd --reload")


def without_device(lab: Lab) -> None:
    """What is connected stays connected; so the daemons are started again, and find a closed port."""
    out_of_service(lab)
    first, second, third = lab.nodes
    third.type("firewall-cmd --permanent --remove-port=5403/tcp")
    third.type("firewall-cmd --reload")
    for node in (first, second):
        node.type("systemctl restart corosync-qdevice")


def by_number(lab: Lab) -> None:
    """On every node, for the next restart; and on the third one at once."""
    out_of_service(lab)
    lab.type_on_all(
        [
            "firewall-cmd --permanent --remove-service=high-availability",
            "firewall-cmd --permanent --add-port=5404-5405/udp",
            "firewall-cmd --add-port=5404-5405/udp",
        ]
    )
    lab.nodes[2].type("firewall-cmd --remove-service=high-availability")


def until_it_boots(lab: Lab) -> None:
    """HTTP is closed and opened while nobody measures; https is open until the next boot, and the cluster as well."""
    lab.fault("firewall-closed")
    lab.heal()
    lab.type_on_all(["firewall-cmd --add-service=https", "firewall-cmd --permanent --remove-service=high-availability"])
    out_of_service(lab)


SOLUTIONS = {
    "closed": (
        Solution(
            "at once, and then kept",
            on_third("firewall-cmd --remove-service=high-availability", "firewall-cmd --runtime-to-permanent"),
        ),
        Solution("opened again", opened_again, fails=EVERY_CHECK, after=REFERENCE),
    ),
    "pcsd": (
        Solution("by source", by_source),
        Solution("Corosync closed, pcsd stopped", without_corosync, fails=EVERY_CHECK, after=REFERENCE),
    ),
    "remote": (Solution("a full node, and UDP", full_node, fails=EVERY_CHECK),),
    "qdevice": (Solution("closed again", without_device, fails=EVERY_CHECK, after=REFERENCE),),
    "service": (Solution("by number, from the next boot on", by_number, fails=EVERY_CHECK, after=REFERENCE),),
    "lasting": (Solution("until it boots", until_it_boots, fails=EVERY_CHECK),),
}
