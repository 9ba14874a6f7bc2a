"""Copy it as soon as it changes: lsyncd

lsyncd is told by the kernel what changes (inotify(7)), gathers changes for a moment, and runs rsync
for them. So the copy is one or two seconds behind, not ten.

It must run where the data is written, and nowhere else: so the cluster runs it, together with the
address. When the address moves, so does lsyncd, and the direction turns round.

Beware of what it does when it starts: it makes the target like the source, and deletes there what
the source does not have. That is its default, and after a failover the source is the survivor: what
was not copied in time, and is still on the old node's disk, is gone for good as soon as that node
is back. delete = false keeps it. insist = true makes lsyncd go on when the other node is down at the
start, as it is after each failover.

lsyncd copies everything once before it copies what changes; so wait until a new file arrives on the
other node before you rely on it.

Less is lost, but not nothing: it is asynchronous, and a power cut does not wait for it.
"""

from halab.conditions import Lab, command, fencing, measured, not_enabled, online, served_by_owner, started, together

FOLDER = "/counter/"
DELAY = 1


def perform(lab: Lab) -> None:
    one, two, _ = lab.nodes
    counter, config = lab.distro.paths.counter, lab.distro.paths.lsyncd_config
    for node, other in ((one, two), (two, one)):
        node.type("systemctl disable --now push-counter.timer")
        node.type(lab.distro.install("lsyncd"))
        node.type("systemctl disable lsyncd")
        node.type("systemctl stop lsyncd")
        node.type(f"mkdir -p {config.rpartition('/')[0]}")
        node.type(
            f'echo \'settings {{ insist = true }} sync {{ default.rsync, source = "{counter}/", '
            f'target = "{other.name}:{counter}/", delay = {DELAY}, delete = false, '
            f"rsync = {{ archive = true, update = true }} }}' > {config}"
        )
    one.type("pcs resource create mirror systemd:lsyncd op monitor interval=10s")
    one.type("pcs constraint colocation add mirror with virtual_ip score=INFINITY")
    one.type("pcs resource", expect=r"mirror\s+\(systemd:lsyncd\):\s+Started", within=60)
    active = lab.where("virtual_ip")
    standby = two if active.name == one.name else one
    active.type(f"touch {counter}/arrived")
    standby.type(f"find {counter} -name arrived", expect="arrived", within=90)
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, _ = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    lab.check("lsyncd is started on one node", started("mirror"), within=60)
    lab.check("lsyncd runs where the address is", together("virtual_ip", "mirror"), within=30)
    for node in (one, two):
        lab.check(f"the timer of the last step is off on {node.name}", not_enabled(node, "push-counter.timer"))
        lab.check(f"systemd of {node.name} does not start lsyncd by itself", not_enabled(node, "lsyncd"))
        lab.check(
            f"lsyncd on {node.name} deletes nothing",
            command(node, f"cat {lab.distro.paths.lsyncd_config}", r"delete\s*=\s*false"),
            hint="delete = false, inside of sync { }",
        )
    lab.check(
        "a power cut was measured in which a few seconds of writes were lost at most",
        measured("power-cut", fencing=True, recovery_point=DELAY + 3, now=True),
        hint=(
            "inv measure power-cut --writes /counter/",
            "on the active node: pcs resource; journalctl -u lsyncd; does a new file arrive on the other one?",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
