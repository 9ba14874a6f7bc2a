"""Close a node's firewall, and see that nobody complains

Somebody tidies up a firewall and takes a service out of it that nobody remembers asking for. Nothing
happens: every node stays online, the page is served, no mail is sent. That is what makes firewalls a
pitfall: not the day on which it is closed, but the day on which it matters.

First, learn to read what a closed port says. A TCP connection meets one of four answers, and each
comes from somewhere else:

    (it connects)         a program listens, and the firewall lets you in
    Connection refused    the firewall lets you in; nobody listens. The host itself says so
    No route to host      a firewall rejects you, and says so (ICMP, "administratively prohibited").
                          Routing is all right, whatever the words say
    (nothing at all)      a firewall drops what you send, or there is no such host: a timeout

firewalld rejects, in its default zone. bash connects without further tools: `</dev/tcp/NODE/PORT`.

Then notice --permanent. firewalld has two configurations: the one in force (runtime), and the one on
disk. --permanent changes the one on disk only, and nothing else, until the next --reload or boot. So
the first command below changes nothing yet.

Why do the nodes not lose each other, with 5405/udp closed as well? The firewall is stateful: what
comes back from where a packet went is let in as its answer, and Corosync sends all the time, from
and to 5405. The next step looks closer.
"""

from halab.conditions import Lab, command, online, reached, served_by_owner


def perform(lab: Lab) -> None:
    one, _, third = lab.nodes
    third.type("firewall-cmd --permanent --remove-service=high-availability")
    third.type("firewall-cmd --query-service=high-availability")
    third.type("firewall-cmd --reload")
    third.type("firewall-cmd --query-service=high-availability", fails=True)
    one.type(f"timeout 3 bash -c '</dev/tcp/{third.name}/2224'", fails=True)
    one.type("pcs status", expect=r"Online: \[ " + " ".join(node.name for node in lab.nodes) + r" \]", within=30)


def verify(lab: Lab) -> None:
    one, _, third = lab.nodes
    query = "firewall-cmd --query-service=high-availability"
    for when, line in (("now", query), ("after a restart", query.replace("-cmd", "-cmd --permanent"))):
        lab.check(
            f"the firewall of {third.name} has no high-availability {when}",
            command(third, f"! {line}"),
            hint=(
                f"on {third.name}: {line}",
                "--permanent alone is not in force before a --reload; without it, it is gone after one",
                f"on {third.name}: firewall-cmd --permanent --remove-service=high-availability; firewall-cmd --reload",
            ),
        )
    lab.check(f"{one.name} does not get through to pcsd on {third.name}", reached(one, third, 2224, "closed"))
    lab.check("every node is online all the same", online(), within=30)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
