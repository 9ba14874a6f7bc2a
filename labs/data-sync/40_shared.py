"""Share it: one copy, which both nodes mount

What is acknowledged must be safe from the death of the node that acknowledged it. So it must be on
another machine before the client is told 201. Either it is written to both nodes at once (DRBD, a
GlusterFS replica), or it is on neither: a third machine stores it, and the active node mounts that.

The cluster mounts it: ocf:heartbeat:Filesystem, before nginx and on the same node. Only one node writes
there at any time, and fencing sees to it: a node that was lost cannot write any more when the survivor
begins. With a file system that lives on a shared disk (ext4 on iSCSI), two mounts at once destroy it.

node3 is the third machine. What carries the data is ssh here: sshfs, a file system in user space.
Nobody would run a shop on it, but it needs no kernel module, and so it works where nodes are
containers. On virtual machines the lab shared-storage does the same with NFS, and with a GlusterFS
replica. What differs:

    sshfs      one user, no locks across machines; each file operation is a message. The store need not
               be there yet when a node boots (delay_connect), and may vanish and come back (reconnect).
               The agent takes it for a disk, and refuses it: so systemd mounts it, on both nodes, and
               what the cluster mounts is that folder once more, in the place where nginx looks for it
               (fstype=none, options=bind)
    NFS        the kernel's; locks; a mount hangs while its server is away, and goes on after that
    GlusterFS  a copy on each node, written to all at once: no machine whose loss stops everything

No acknowledged write is lost now: that is what the measurement says. What is new is a machine without
which nothing works: cut node3's power and see. It has to be made highly available itself.
"""

from halab.conditions import Lab, active, command, fencing, measured, online, served_by_owner, started, together
from halab.walk.ssh_keys import let_in

FOLDER = "/counter/"
STORE = "/srv/counter"
SHARE = "/srv/share"
UNIT = "/etc/systemd/system/srv-share.mount"  # called after the folder: systemd.mount(5)


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    third.type(f"mkdir -p {STORE}")
    one.type("pcs resource delete mirror")
    for node in (one, two):
        let_in(node, third)
        node.type(lab.distro.install("sshfs"))
        for line in lab.distro.commands.let_web_use_shares:
            node.type(line)
        node.type(
            f"printf '%s\\n' '[Mount]' What={third.name}:{STORE} Where={SHARE} Type=fuse.sshfs "
            f"Options=allow_other,delay_connect,reconnect,ServerAliveInterval=5 "
            f"'[Install]' WantedBy=multi-user.target > {UNIT}"
        )
        node.type("systemctl daemon-reload")
        node.type("systemctl enable --now srv-share.mount")
    one.type(
        f"pcs resource create data ocf:heartbeat:Filesystem device={SHARE} directory={lab.distro.paths.counter} "
        "fstype=none options=bind op monitor interval=10s"
    )
    one.type("pcs constraint colocation add data with virtual_ip score=INFINITY")
    one.type("pcs constraint order data then webserver")
    one.type("pcs resource", expect=r"data\s+\(ocf:+heartbeat:Filesystem\):\s+Started", within=60)
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node in (one, two):
        lab.check(
            f"the share of {third.name} is mounted on {node.name}",
            active(node, "srv-share.mount"),
            within=30,
            hint=f"on {node.name}: systemctl status srv-share.mount; ssh {third.name} ls {STORE}",
        )
    lab.check("the cluster mounts it in its place, on one node", started("data"), within=60)
    lab.check("that is where the address is", together("virtual_ip", "data"), within=30)
    lab.check(
        f"what is written is on {third.name}",
        command(third, f"ls {STORE}", r"\d"),
        hint=f"on the active node: findmnt; on {third.name}: ls {STORE}",
    )
    lab.check(
        "a power cut was measured in which no acknowledged write was lost",
        measured("power-cut", fencing=True, lost=range(1), now=True),
        hint=(
            "inv measure power-cut --writes /counter/",
            "is the share mounted before nginx starts, and only where the address is? pcs constraint",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
