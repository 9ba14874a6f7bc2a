"""Let the cluster run nginx

Now the service itself. nginx is installed on every node and set up alike, but runs on one,
and only the cluster starts and stops it. So systemd must neither start it at boot nor have
started it already. Otherwise, the trap of this step, two masters pull at one daemon: after a
reboot nginx runs on both nodes, and Pacemaker, which looks at a resource everywhere before it
starts one (a probe), finds "multiple active" and stops both before it starts one again.
Some packages enable and start what they install, hence the `disable --now`.

The resource is called webserver; its agent, ocf:heartbeat:nginx, takes the configuration file
and looks every 10 s. Know what it looks at: that the process is there, no more, and
`systemd:nginx`, the distro's own unit, would do as well for that. An nginx that hangs is fine
to both. `op monitor OCF_CHECK_LEVEL=10` has the agent ask nginx for its status page, as a
client would; level 20 reads a page of yours. See `pcs resource describe ocf:heartbeat:nginx`.
status10url is the address of that status page. Without it the agent guesses one that it then
calls invalid itself.

pcs 0.12 has the agent look at its own parameters first, and prints all that it says under the
word Warning. Read it: a line with ocf-exit-reason or ERROR tells what is wrong. INFO lines, and
`ls` on folders that hold no configuration yet, do not.

The page tells which node served it, to make a failover visible. That is for the lab only:
in production the content must be the same on every node, and keeping it so (replication,
shared storage, deployment) is a task of its own, which the cluster does not do for you.

Look where webserver is started: often not where virtual_ip is. Pacemaker spreads resources
over the nodes, and nobody has told it yet that these two belong together. Clients who ask
the address get "connection refused". The next step mends that.

In practice also: a typing mistake in nginx.conf on the node that is only used in an emergency
(`nginx -t` on all of them), a firewall that knows http on one node only, and content in an
unusual place that SELinux does not let nginx read (`restorecon -Rv`, semanage-fcontext(8)).
"""

from halab.conditions import Lab, lets_in, not_enabled, only_by_cluster, page_of, served_at_home, started


def perform(lab: Lab) -> None:
    page, config = lab.distro.paths.web_page, lab.distro.paths.web_config
    lab.type_on_all([*lab.distro.commands.install_web, *lab.distro.commands.open_web_port])
    for node in lab.nodes:
        node.type(f"echo 'Served by {node.name}' > {page}")
    first = lab.nodes[0]
    first.type(
        f"pcs resource create webserver ocf:heartbeat:nginx configfile={config} "
        "status10url=http://127.0.0.1/nginx_status op monitor interval=10s"
    )
    first.type("pcs status", expect=r"webserver\s+\(ocf:+heartbeat:nginx\):\s+Started", within=30)


def verify(lab: Lab) -> None:
    page, config = lab.distro.paths.web_page, lab.distro.paths.web_config
    lab.check(
        "webserver is started on one node",
        started("webserver"),
        within=90,
        hint=(
            "pcs status; Failed Resource Actions quotes what the agent said",
            "is nginx installed on every node, and what does nginx -t say there?",
            f"pcs resource create webserver ocf:heartbeat:nginx configfile={config} "
            "status10url=http://127.0.0.1/nginx_status; once mended, pcs resource cleanup",
        ),
    )
    lab.check("nginx runs only where the cluster started it", only_by_cluster("webserver", "nginx"))
    lab.check("the node of webserver serves its page at its own address", served_at_home("webserver"), within=10)
    for node in lab.nodes:
        lab.check(f"systemd of {node.name} does not start nginx by itself", not_enabled(node, "nginx"))
        lab.check(f"the page of {node.name} tells its name", page_of(node, page))
        lab.check(f"the firewall of {node.name} lets web traffic in", lets_in(node, "http", "80/tcp", outside=True))
