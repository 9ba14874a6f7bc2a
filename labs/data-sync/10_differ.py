"""Lose data: each node has its own

A cluster moves a service, not its data. So far each node has a page of its own, and the page differs:
"Served by node1", "Served by node2". That was on purpose, to make a failover visible. With data that
clients write it is a disaster: what they wrote to one node is not on the other one.

To see it, nginx takes files here: its WebDAV module stores what is sent with PUT (RFC 9110, 9.3.4) in
a folder, and says "201 Created". A client writes a counter, a file for each number, every 100 ms,
through the virtual IP. Then the active node's power is cut, and the question is: of the numbers that
were acknowledged, how many has the survivor?

    inv measure power-cut --writes /counter/

None. And, worse, the client was told 201 for each of them. When the old node comes back it still has
them; by then the survivor has others. Two halves of the truth, and nobody joins them.

The third machine, which is in no cluster, will hold the data in the end. It has no part in this step.

The configuration of nginx is the same on every node, as it must be: who forgets that on one node
finds out in a failover.
"""

from halab.conditions import Lab, command, fencing, measured, online, served_by_owner

FOLDER = "/counter/"


def perform(lab: Lab) -> None:
    one, two, _ = lab.nodes
    for node in (one, two):
        for line in lab.distro.commands.take_writes:
            node.type(line)
        node.type("nginx -t")
    one.type("pcs resource restart webserver", within=120)
    lab.workstation.type(
        f"curl --silent --show-error --fail --upload-file /etc/hostname http://{lab.vip}{FOLDER}hello", within=20
    )
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, _ = lab.nodes
    take_writes = "; ".join(lab.distro.commands.take_writes)
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node in (one, two):
        lab.check(
            f"nginx on {node.name} takes PUT at {FOLDER}",
            command(node, "nginx -T 2>/dev/null", r"location /counter/ \{\s*dav_methods PUT;"),
            hint=(
                f"on {node.name}: nginx -t; nginx -T shows the configuration as nginx reads it",
                f"on {node.name}: {take_writes}; then pcs resource restart webserver",
            ),
        )
    lab.check(
        "a power cut was measured while a counter was written, and acknowledged writes were lost",
        measured("power-cut", fencing=True, lost=range(1, 10**6)),
        hint=(
            "the first run tells how many writes were acknowledged, and how many the survivor does not have",
            f"inv measure power-cut --writes {FOLDER}",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
