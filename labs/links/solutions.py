"""What else passes each step, and what only seems to."""

from halab.conditions import Lab
from halab.proof import Solution, typed

STANDBY = "pcs node standby --all"
NO_FENCING = "pcs property set stonith-enabled=false"
MAINTENANCE = "pcs property set maintenance-mode=true"
ONE_LINK = "pcs cluster link remove 1"


def edited_by_hand(lab: Lab) -> None:
    """Add the link to corosync.conf with an editor, and have Corosync read it again."""
    for node in lab.nodes:
        for peer in lab.nodes:
            line = rf"s/^( *)ring0_addr: ({peer.lan}|{lab.own_name(peer)})$/&\n\1ring1_addr: {peer.mgmt}/"
            node.type(f"sed --in-place --regexp-extended '{line}' /etc/corosync/corosync.conf")
    lab.nodes[0].type("corosync-cfgtool -R")


def cut_and_not_measured(lab: Lab) -> None:
    lab.fault("partition", network="lan")
    lab.heal()
    lab.nodes[0].type(ONE_LINK)
    lab.nodes[0].type(NO_FENCING)
    lab.nodes[0].type(STANDBY)


def preferred_where_it_is_seen(lab: Lab) -> None:
    """Prefer nodes that clients reach, in place of a ban of the others."""
    first = lab.nodes[0]
    options = "dampen=1s attempts=2 timeout=1 op monitor interval=2s timeout=20s"
    first.type(f"pcs resource create ping ocf:pacemaker:ping host_list={lab.clients} multiplier=100 {options} clone")
    first.type("pcs constraint location virtual_ip rule score-attribute=pingd defined pingd")
    first.type("crm_mon -A1", expect=r"pingd\s+: 100\b.*pingd\s+: 100\b", within=60)
    lab.measure("link-down")


def pinged_and_unheeded(lab: Lab) -> None:
    """Ping, and let nothing depend on it."""
    lab.nodes[0].type(f"pcs resource create ping ocf:pacemaker:ping host_list={lab.clients} dampen=1s clone")
    lab.measure("link-down")
    lab.nodes[0].type(ONE_LINK)
    lab.nodes[0].type(NO_FENCING)
    lab.nodes[0].type(STANDBY)


SOLUTIONS = {
    "add": (
        Solution("edited by hand, on each node", edited_by_hand),
        Solution(
            "no link, fencing off, left in standby",
            typed(NO_FENCING, STANDBY),
            fails=("is online", "fencing is on", "are connected", "service answers"),
        ),
    ),
    "cut": (
        Solution(
            "cut and not measured, one link, fencing off, left in standby",
            cut_and_not_measured,
            fails=("is online", "fencing is on", "are connected", "caused no outage", "service answers"),
        ),
    ),
    "clients": (
        Solution("preferred, not banned", preferred_where_it_is_seen),
        Solution(
            "pinged and unheeded, one link, fencing off, left in standby",
            pinged_and_unheeded,
            fails=("is online", "fencing is on", "are connected", "gives the service away", "service answers"),
        ),
    ),
    "both": (
        Solution(
            "one link, fencing off, left in standby",
            typed(ONE_LINK, NO_FENCING, STANDBY),
            fails=("is online", "fencing is on", "are connected", "both cables", "service answers"),
        ),
    ),
    "priority": (
        Solution(
            "one link, fencing off, left in standby and in maintenance",
            typed(ONE_LINK, NO_FENCING, STANDBY, "crm_resource --wait --timeout=60s", MAINTENANCE),
            fails=("is online", "manages", "fencing is on", "are connected", "goes over mgmt", "service answers"),
        ),
    ),
}
