"""Put the data on an NFS server

node3, which is in no cluster, exports a folder, and the cluster mounts it on the active node, before
nginx and at the same place: ocf:heartbeat:Filesystem with fstype=nfs4.

NFS is made for servers that go away for a while: a hard mount (the default) waits for its server as
long as it takes, and goes on. So a dead server looks like a hanging service, not like a failed one,
and the monitor of the file system hangs with it, until it times out. With soft it gives up after
a time: then a write that was taken for done may be lost. Leave it hard.

The export says `sync`: the server answers when the data is on its disk. With async it answers
before, and its own power cut loses what was acknowledged. `no_root_squash` lets root of the nodes
write as root; nginx writes as itself, so the folder has to belong to it, by number: NFS compares
user ids, and these must be the same everywhere.

NFSv4 needs one port, 2049/tcp: firewalld's service nfs.

Fencing matters as before: with a node that is only slow, not dead, the mount on the survivor would be
the second one, and two nginx would write side by side.
"""

from halab.conditions import Lab, command, fencing, lets_in, measured, online, served_by_owner, started, together

FOLDER = "/counter/"
STORE = "/srv/counter"


def perform(lab: Lab) -> None:
    one, two, third = lab.nodes
    for line in [*lab.distro.commands.refresh_packages, lab.distro.install("nfs-kernel-server")]:
        third.type(line)
    # the user that nginx runs as is the distro's own, so its number is the same everywhere
    third.type(f"install -d -o www-data -g www-data {STORE}")
    clients = " ".join(f"{node.lan}(rw,sync,no_subtree_check,no_root_squash)" for node in (one, two))
    third.type(f"echo '{STORE} {clients}' > /etc/exports")
    third.type("systemctl enable --now nfs-server && exportfs -ra && exportfs -v")
    third.type("firewall-cmd --permanent --add-service=nfs && firewall-cmd --reload")
    for node in (one, two):
        node.type(lab.distro.install("nfs-common"))
        for line in lab.distro.commands.take_writes:
            node.type(line)
        node.type("nginx -t")
    one.type(
        f"pcs resource create data ocf:heartbeat:Filesystem device={third.name}:{STORE} "
        f"directory={lab.distro.paths.counter} fstype=nfs4 op monitor interval=10s"
    )
    one.type("pcs constraint colocation add data with virtual_ip score=INFINITY")
    one.type("pcs constraint order data then webserver")
    one.type("pcs resource", expect=r"data\s+\(ocf:+heartbeat:Filesystem\):\s+Started", within=60)
    one.type("pcs resource restart webserver", within=120)
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check(
        f"{third.name} exports the folder",
        command(third, "exportfs -s", rf"{STORE}\s"),
        hint=f"on {third.name}: exportfs -v; systemctl status nfs-server; cat /etc/exports",
    )
    lab.check(f"the firewall of {third.name} lets NFS in", lets_in(third, "nfs", "2049/tcp"))
    lab.check("the share is mounted by the cluster, on one node", started("data"), within=60)
    lab.check("it is mounted where the address is", together("virtual_ip", "data"), within=30)
    lab.check(
        f"what is written is on {third.name}",
        command(third, f"ls {STORE}", r"\d"),
        hint=f"on the active node: findmnt -t nfs4; on {third.name}: ls {STORE}",
    )
    lab.check(
        "a power cut was measured in which no acknowledged write was lost",
        measured("power-cut", fencing=True, lost=range(1), now=True),
        hint=f"inv measure power-cut --writes {FOLDER}",
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
