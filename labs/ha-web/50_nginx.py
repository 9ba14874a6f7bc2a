"""Let the cluster run nginx

TODO
"""

from halab.conditions import command, not_enabled, started


def perform(lab):
    lab.type_on_all([*lab.distro.commands.install_web, *lab.distro.commands.open_web_port])
    for node in lab.nodes:
        node.type(f"echo 'Served by {node.name}' > {lab.distro.paths.web_page}")
    lab.nodes[0].type(f"pcs resource create webserver ocf:heartbeat:nginx configfile={lab.distro.paths.web_config} op monitor interval=10s")
    lab.nodes[0].type("pcs status", expect=r"webserver\s+\(ocf:+heartbeat:nginx\):\s+Started", within=30)


def verify(lab):
    lab.check("webserver is started on one node", started("webserver"), within=60)
    for node in lab.nodes:
        lab.check(f"systemd of {node.name} does not start nginx by itself", not_enabled(node, "nginx"))
        lab.check(f"the page of {node.name} tells its name", command(node, f"cat {lab.distro.paths.web_page}", node.name))
