"""Keep a copy on each node: a GlusterFS replica

No machine is left whose loss stops everything: each node has a brick, a folder of its own, and a
write is done when it is in the bricks of all that are alive. GlusterFS's client, on the node, writes
to all bricks itself. When a node was away, its brick is healed from the other one.

Two copies alone know split-brain as clusters do: each brick is written while the other one is away,
and then nobody knows which is right. So there is a third brick, on node3, which holds names and
versions but no data: an arbiter. A write needs two of three.

The bricks are not the cluster's business: glusterd runs on every machine, started by systemd. What
the cluster mounts is the volume, through localhost, where the service runs.

A brick that lost its node is not missed at once: network.ping-timeout is 42 s by default, and for
that long every write hangs. For a service that is to fail over in seconds it has to be lower; it is
10 s here. Too low, and a busy server is taken for a dead one.

GlusterFS wants file systems with extended attributes of the class trusted.*: so no containers.
"""

from halab.conditions import Lab, active, command, fencing, measured, online, served_by_owner, started, together

FOLDER = "/counter/"
BRICK = "/srv/brick"


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    one.type("pcs resource delete data")
    lab.type_on_all(
        [
            lab.distro.install("glusterfs-server"),
            "systemctl enable --now glusterd",
            "firewall-cmd --permanent --add-service=glusterfs && firewall-cmd --reload",
        ]
    )
    for other in (two, third):
        one.type(f"gluster peer probe {other.name}")
    one.type("gluster peer status", expect=r"Peers: 2.*Connected\).*Connected\)", within=60)
    bricks = " ".join(f"{node.name}:{BRICK}" for node in lab.nodes)
    one.type(f"gluster volume create counter replica 2 arbiter 1 {bricks} force", within=120)
    one.type("gluster volume set counter network.ping-timeout 10", within=120)
    one.type("gluster volume start counter", within=120)
    one.type(
        f"pcs resource create data ocf:heartbeat:Filesystem device=localhost:/counter "
        f"directory={lab.distro.paths.counter} fstype=glusterfs op monitor interval=10s"
    )
    one.type("pcs constraint colocation add data with virtual_ip score=INFINITY")
    one.type("pcs constraint order data then webserver")
    one.type("pcs resource", expect=r"data\s+\(ocf:+heartbeat:Filesystem\):\s+Started", within=60)
    lab.where("virtual_ip").type(f"chown www-data: {lab.distro.paths.counter}")
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, _ = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node in lab.nodes:
        lab.check(f"glusterd runs on {node.name}", active(node, "glusterd"))
    lab.check(
        "the volume is replicated, with an arbiter",
        command(one, "gluster volume info counter", r"Status: Started.*Number of Bricks: 1 x \(2 \+ 1\) = 3"),
        hint=f"on {one.name}: gluster peer status; gluster volume status counter",
    )
    lab.check("the volume is mounted by the cluster, on one node", started("data"), within=60)
    lab.check("it is mounted where the address is", together("virtual_ip", "data"), within=30)
    for node in (one, two):
        lab.check(
            f"what is written is in the brick of {node.name}",
            command(node, f"ls {BRICK}", r"\d"),
            within=60,
            hint=f"gluster volume heal counter info; on {node.name}: ls {BRICK}",
        )
    lab.check(
        "a power cut was measured in which no acknowledged write was lost",
        measured("power-cut", fencing=True, lost=range(1), now=True),
        hint=f"inv measure power-cut --writes {FOLDER}",
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
