"""Stay where you are

Look at the pictures of the last step once more, on the right, when the lost node came back. Was
there a second outage? Without stickiness every place is as good as any other, so Pacemaker is
free to put resources back as soon as there is a choice again. Clients are disconnected twice by
one failure, and the second time for nothing.

See it by itself first. Pacemaker's default of resource-stickiness is 0. Clusters on Enterprise
Linux 9 and later, and on Fedora, begin with 1, which is enough where no constraint has an
opinion. So it is set to 0 here, and a node is rebooted, twice, as of two places that are equally
good Pacemaker takes the same one each time: from there it moves away and back again.

Then make it stay:

    pcs resource defaults update resource-stickiness=100

A resource now prefers the place where it runs by 100 points. A wish weighs less than a rule:
a constraint with INFINITY still moves it, and `pcs resource move` and standby do as well.

How many points? More than the location preferences that you do not want to be acted upon while
all runs well, and less than those that you do. If a node is really the better one, give it a
location score higher than the stickiness; if not, give it none. In a group every member adds
its own stickiness, so a group of five is five times as heavy.

More: Pacemaker Explained, "Resource Meta-Attributes"; `crm_simulate --live-check --show-scores`
shows the points of every resource on every node.
"""

from halab.conditions import Lab, command, measured, online

ADDRESS = "crm_resource --resource virtual_ip --meta --get-parameter resource-stickiness"  # of its own, or by default
SERVER = "crm_resource --resource webserver --meta --get-parameter resource-stickiness"


def perform(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs resource defaults update resource-stickiness=0")
    lab.measure("reboot", repeat=2)
    first.type("pcs resource defaults update resource-stickiness=100")
    first.type("pcs resource defaults")
    lab.measure("power-cut")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check(
        "without stickiness, the outage of a reboot was measured, and the one when the node came back",
        measured("reboot", at_least=2, fencing=True),
        hint=(
            "inv measure reboot --repeat 2: were there two outages in one run?",
            "pcs resource defaults: with a stickiness above 0 the address stays where it went",
            "pcs resource defaults update resource-stickiness=0, and measure; then give it points again",
        ),
    )
    lab.check(
        "resources would rather stay where they are",
        command(
            lab.nodes[0],
            f"{ADDRESS}; {SERVER}",
            r"(?m)^([1-9]\d*|\+?INFINITY)\s*$",  # which of two that stay together has it does not matter
            "resource-stickiness is above 0, by default or for one of virtual_ip and webserver",
            (
                "pcs resource defaults tells what every resource is given, pcs resource config what one has of its own",
                "with a resource-stickiness of 0 any other place is as good",
                "pcs resource defaults update resource-stickiness=100",
            ),
        ),
    )
    lab.check(
        "a lost node costs one outage, and its return none",
        measured("power-cut", outages=1, fencing=True, now=True),
    )
