"""Say what you mean: a service instead of numbers

The third machine has a list of ports by now, and in a year nobody will know what they are for. A
service of firewalld is a list of ports with a name, and the name says why it is open:

    firewall-cmd --info-service=high-availability

Take the numbers out, put the name in. All of it is done to the configuration on disk and comes in
force at once, with one --reload: there is no moment in which the ports are closed. Connections that
are there go on, in any case: they are known to the firewall.

Your own service is a file, /etc/firewalld/services/NAME.xml, or `firewall-cmd --permanent
--new-service=NAME`. See firewalld.service(5).
"""

from halab.conditions import Lab, command, lets_in, online, reached, served_by_owner

PORTS = ("2224/tcp", "5404-5405/udp", "3121/tcp", "5403/tcp")


def perform(lab: Lab) -> None:
    third = lab.nodes[2]
    third.type("firewall-cmd --info-service=high-availability")
    third.type("firewall-cmd --permanent --add-service=high-availability")
    third.type("firewall-cmd --permanent " + " ".join(f"--remove-port={port}" for port in PORTS))
    third.type("firewall-cmd --reload")
    third.type("firewall-cmd --list-all")


def verify(lab: Lab) -> None:
    one, two, third = lab.nodes
    for node in lab.nodes:
        lab.check(
            f"the firewall of {node.name} lets all of high-availability in, now and after a restart",
            lets_in(node, "high-availability", "2224/tcp", "5405/udp", "3121/tcp", "5403/tcp"),
        )
        for when, options in (("now", ""), ("after a restart", "--permanent ")):
            lab.check(
                f"the firewall of {node.name} has no ports by number {when}",
                command(node, f"firewall-cmd {options}--list-ports", r"^\s*$"),
                hint=(
                    f"on {node.name}: firewall-cmd {options}--list-ports",
                    "what stands there as a number is in the service as well",
                    f"on {node.name}: firewall-cmd --permanent --remove-port=2224/tcp, and so on; "
                    "firewall-cmd --reload",
                ),
            )
    for port in (2224, 3121, 5403):
        lab.check(f"{one.name} gets through to {port}/tcp on {third.name}", reached(one, third, port, "open"))
    lab.check("two nodes and the remote node are online", online(one, two, third), within=60)
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
