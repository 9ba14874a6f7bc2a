"""Decide who wins

Two nodes that shoot in the same moment need a rule by which one of them is late. There are two:

    pcmk_delay_base=5s on one fence device   who wants to shoot that device's node waits 5 s, so
                                             that node wins, whatever runs on it
    priority-fencing-delay=10s               who wants to shoot the node with the more important
                                             resources waits, wherever they are just now

The second one is what you want: the node that serves survives, and for its clients nothing
happens at all. Importance is the meta attribute `priority`, which is 0 by default:

    pcs resource meta virtual_ip priority=10
    pcs property set priority-fencing-delay=10s

The price: when the serving node is really dead, its peer waits those 10 s too, and the outage
grows by them. It must be longer than any other delay, and longer than fencing itself takes.

Do not give the same delay to both nodes: then they shoot at the same moment again, only later.
pcmk_delay_max, a random delay, makes a tie unlikely, and helps where no node is the better one.

More: Pacemaker Explained, "Fencing", "Cluster-Wide Options"; with three nodes or a quorum
device the part with the majority wins, and all this is not needed: see the lab on quorum.
"""

from halab.conditions import Lab, command, fencing, measured, online, served_by_owner


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs resource meta virtual_ip priority=10")
    first.type("pcs property set priority-fencing-delay=10s")
    first.type("pcs property")
    lab.measure("partition")
    lab.where("virtual_ip").type("pcs stonith history")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check(
        "somebody who would shoot has to wait",
        command(
            lab.nodes[0],
            "cibadmin --query --scope=configuration",
            r'name="(priority-fencing-delay|pcmk_delay_base|pcmk_delay_max)" value="[1-9]',
            "priority-fencing-delay, or a delay of one of the fence devices, is set",
            (
                "pcs property; pcs stonith config: is there a delay?",
                "the node that serves must win, so who would shoot it has to be late",
                "pcs resource meta virtual_ip priority=10; pcs property set priority-fencing-delay=10s",
            ),
        ),
    )
    lab.check(
        "a partition, as the cluster is configured now, causes no outage and no split-brain",
        measured("partition", outages=0, fencing=True, split_brain=False, now=True),
        hint=(
            "inv measure partition, and look at the picture: who was fenced, and who served?",
            "the node that serves must win: who would shoot it has to be late",
            "pcs resource meta virtual_ip priority=10; pcs property set priority-fencing-delay=10s",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
