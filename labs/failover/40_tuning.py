"""Keep the promise of five seconds

Where does the time go? The report of a power cut tells: most of it to detect, then to fence.
Each has a setting, and each setting protects you from something.

    token=1000             Corosync waits 1 s, not 3, before it misses a node. A network or a
                           hypervisor that stalls for longer than that, a backup, a live
                           migration, now has a healthy node fenced
    power_wait=0           fence_ipmilan by itself waits 2 s after each power command before it
                           asks the BMC. Right for a BMC that tells the truth at once; some real
                           ones need the time, and then report an order that was not carried out
    monitor interval=5s    how long a crashed nginx goes unnoticed, at most. Each look costs a
                           little on every node, for ever, and a check that is slow under load
                           makes a busy server look like a broken one

No setting repairs the rest: the start of address and nginx, and the ARP caches of clients.

Shorter is not better. It buys seconds in a rare case, and pays with false alarms in every other
one. Measure what your network and machines do under load (Corosync says "Process pause detected"
and "Retransmit List"), then choose; Red Hat supports tokens from 1 s up, and cloud vendors ask
for 20 to 30 s. And never buy speed by turning fencing off: that number would be smaller, and
it is called unsafe here because it is.

The step is passed when an outage of a power cut, measured on the cluster as it is now, is below
five seconds, with fencing on. A host that is busy with other things takes its share of the seconds,
so what is not below five is measured again, ten times at most.

More: corosync.conf(5), token and consensus; fence_ipmilan(8); `pcs cluster config show`.
"""

from halab.conditions import Lab, fencing, measured, online

PROMISE = 5  # seconds


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs cluster config update totem token=1000")
    for node in lab.nodes:
        first.type(f"pcs stonith update fence_{node.name} power_wait=0")
    first.type("pcs resource update webserver op monitor interval=5s")
    first.type("corosync-cmapctl runtime.config.totem.token", expect=r"totem.token \(u32\) = 1000\b", within=30)
    lab.measure("power-cut", repeat=10, below=PROMISE)
    lab.measure("service-crash")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check("fencing is on", fencing(True))
    lab.check(
        "the outage of a power cut, as the cluster is configured now, is below five seconds",
        measured("power-cut", below=PROMISE, fencing=True, now=True),
        hint=(
            "inv measure power-cut: which of the three phases is the longest?",
            "detect is Corosync's token; fence is what the agent waits for (pcs stonith config)",
            "pcs cluster config update totem token=1000; pcs stonith update fence_node1 power_wait=0",
        ),
    )
