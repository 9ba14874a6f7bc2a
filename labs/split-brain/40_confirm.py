"""Be the fence device yourself

The worst day: the node that serves dies, and its BMC with it, because both hang on one power
supply. The other node wants to have it fenced, and nobody answers. It cannot know whether the
lost one is dead, so it does the only safe thing, and does nothing. The service is down, and
stays down: "UNCLEAN (offline)" in `pcs status`, and a fence action that fails again and again
in `pcs stonith history`.

Here the cluster needs somebody who can go and look. You walk to the rack, see that the machine
is without power, pull its plug to be sure, and then, not before, you tell the cluster:

    pcs stonith confirm NODE

That is a promise, not a command: "I have made sure that this node is off". Pacemaker takes it
for a fencing that succeeded. The attempt that is under way has to give up first, which may take
a minute or two; then the service starts. If you were wrong, because you looked at the wrong
machine or only believed it, you have made a split brain by hand.

So: never confirm what you have not seen. Do not put it into a script. And do not build a cluster
whose BMCs die with their nodes: give each node a second device of another kind on a second
level (a switched power strip, a hypervisor, a disk reservation), see `pcs stonith level`.

Once the BMC answers again and the node boots, it joins as if nothing had been.
"""

from halab.conditions import Lab, logged, online, served_by_owner


def perform(lab: Lab) -> None:
    lost = lab.where("virtual_ip")
    survivor = lab.others(lost)[0]
    lab.fault("bmc-dead", lost)
    lab.fault("power-cut", lost)
    survivor.type("pcs status nodes", expect=rf"Offline: {lost.name}\b", within=60)
    survivor.type("pcs status", expect=rf"{lost.name}: UNCLEAN \(offline\)", within=60)
    survivor.type("pcs stonith history", expect=r"failed|pending|attempting", within=60)
    lab.workstation.type(f"! curl --silent --max-time 3 http://{lab.vip}/")
    survivor.type(f"pcs stonith confirm {lost.name}", answers={r"to proceed, anything else to cancel: ": "yes"})
    survivor.type("pcs resource", expect=rf"virtual_ip[^\n]+Started {survivor.name}\b", within=200)
    lab.workstation.type(f"curl --silent --max-time 2 http://{lab.vip}/", within=60)
    lab.heal()
    survivor.type("pcs status nodes", expect=r"Online: " + " ".join(n.name for n in lab.nodes) + r"\n", within=120)


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=120, hint="inv heal; then pcs status")
    lab.check(
        "a human confirmed that a node was off, and Pacemaker took it for fencing",
        logged("/var/log/pacemaker/pacemaker.log", "by a human .*: OK"),
        hint=(
            "inv fault bmc-dead and inv fault power-cut, on the node that has the address; then pcs status on the other",
            "inv status tells whether the node has power: make sure before you promise",
            "on the surviving node: pcs stonith confirm NODE",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
