"""Stay where you are

The last step's outages are over when the other node serves. Is there one more when the lost node
comes back? A resource without stickiness has no reason to stay. The smallest wish of somebody
else moves it, such as one for the bigger server, as soon as there is a choice again:

    pcs constraint location virtual_ip prefers node1=50

Clients are disconnected twice by one failure, and the second time for nothing. Look at the right
side of the first pictures here. (Two, as it may happen that the lost node is back before the other
one serves: then all of it is a single outage, and a longer one.)

Pacemaker's default of resource-stickiness is 0. Clusters on Enterprise Linux 9 and later, and on
Fedora, begin with 1, which is enough only where nobody has wishes. It is set to 0 for the first
measurement, so that you see the same everywhere, and then

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
    home = lab.where("virtual_ip")
    other = lab.others(home)[0]
    other.type("pcs resource defaults update resource-stickiness=0")
    other.type(f"pcs constraint location virtual_ip prefers {home.name}=50")
    lab.measure("power-cut", repeat=2)
    other.type("pcs resource defaults update resource-stickiness=100")
    other.type("pcs resource defaults")
    lab.measure("power-cut")


def verify(lab: Lab) -> None:
    lab.check("every node is online", online(), within=90)
    lab.check(
        "without stickiness, a lost node was measured to cost a second outage when it came back",
        measured("power-cut", at_least=2, fencing=True),
        hint=(
            "inv measure power-cut: were there two outages?",
            "pcs resource defaults; pcs constraint location: the address goes home if a wish outweighs its stickiness",
            "pcs resource defaults update resource-stickiness=0; pcs constraint location virtual_ip prefers node1=50, "
            "if it is on node1; then measure, and give it points again",
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
