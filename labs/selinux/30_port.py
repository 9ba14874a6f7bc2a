"""Let nginx listen on another port

Ports have types as well. A program of httpd_t may listen on those of http_port_t (80, 443, 8443
...) and of a few others; `semanage port -l` lists them. 8888 is in none: it has the type of all
ports above 1023 that nobody named, unreserved_port_t. The firewall is another lock on the same door.

    nginx -t           "test is successful": typed by hand it is a program of your own shell,
                       unconfined_t, which may listen anywhere. The cluster's nginx may not.
    nginx -s reload    says nothing: nginx reads the new configuration, is refused the port,
                       writes that to error.log, and goes on with the old one

So nobody notices, the cluster least of all. The outage waits for the next start: a planned one if
you are lucky, a failover if not. Then the agent tries the configuration as httpd_t, and it fails, on
every node in turn. `pcs status` says "not installed", the agent's word for a configuration that
cannot be used. The journal and /var/log/pacemaker/pacemaker.log quote nginx: "bind() to 0.0.0.0:8888
failed (13: Permission denied)". If root is denied a port above 1023, think of SELinux. The AVC:

    denied { name_bind } for comm=nginx src=8888       to listen, and on which port
    tcontext=system_u:object_r:unreserved_port_t:s0    the type of that port
    tclass=tcp_socket

Give the port the type, on every node: `semanage port -a -t http_port_t -p tcp 8888`. A port that
has a type of its own is not added with -a but changed with -m; think first of who else relies on
that. After "not installed" Pacemaker does not try that node again: hence `pcs resource cleanup`.

A trap on a node where nginx does not run: there `nginx -t` leaves an empty /run/nginx.pid behind,
with a label that the cluster's nginx may not write to, and nginx does not start on that node until
somebody types `rm /run/nginx.pid`. More: semanage-port(8).
"""

from halab.conditions import Lab, answers_http, command, enforcing, lets_in, served_by_owner, started

OPEN = ("firewall-cmd --permanent --add-port=8888/tcp", "firewall-cmd --reload")
MEND = "semanage port -a -t http_port_t -p tcp 8888"


def config_of(lab: Lab) -> str:
    return f"{lab.distro.paths.web_site}/port.conf"


def perform(lab: Lab) -> None:
    lab.type_on_all([f"echo 'listen 8888;' > {config_of(lab)}", *OPEN])
    home = lab.where("virtual_ip")
    home.type("nginx -t")
    home.type("nginx -s reload")
    home.type("grep 8888 /var/log/nginx/error.log", expect=r"bind\(\)[^\n]+Permission denied", within=20)
    home.type("pcs resource", expect=r"webserver[^\n]+Started", within=10)
    home.type("pcs resource disable webserver")
    home.type("pcs resource", expect=r"webserver[^\n]+Stopped", within=60)
    home.type("pcs resource enable webserver")
    home.type("pcs status", expect=r"Failed Resource Actions:.*webserver[ _]start", within=120)
    lab.workstation.type(f"! curl --silent --max-time 2 http://{lab.vip}/", within=60)
    home.type("ausearch -m AVC -ts recent -c nginx -i", expect=r"denied +\{ name_bind \}[^\n]+src=8888", within=30)
    lab.type_on_all([MEND])
    home.type("semanage port -l | grep -w ^http_port_t", expect=r"\b8888\b", within=30)
    home.type("pcs resource cleanup webserver")
    home.type("pcs resource", expect=r"webserver[^\n]+Started", within=60)
    lab.workstation.type(f"curl --silent --fail --max-time 2 http://{lab.vip}:8888/", within=20)


def verify(lab: Lab) -> None:
    for node in lab.nodes:
        lab.check(f"SELinux is enforcing on {node.name}, for nginx too", enforcing(node, "httpd_t"))
        lab.check(
            f"8888 is a port for web servers on {node.name}",
            command(node, "semanage port -l | grep -w 8888", r"(^|\n)http(_cache)?_port_t\s+tcp\s"),
            hint=(
                f"on {node.name}: semanage port -l -C lists what was changed there",
                "every node has a policy of its own",
                f"on {node.name}: {MEND}",
            ),
        )
        lab.check(
            f"nginx of {node.name} is to listen on 8888",
            command(node, "grep -rhE '^[^#]*listen[^;#]*8888' /etc/nginx"),
            hint=(
                "its configuration must be the same on every node",
                f"on {node.name}: echo 'listen 8888;' > {config_of(lab)}",
            ),
        )
        lab.check(
            f"the firewall of {node.name} lets 8888 in, now and after a restart",
            lets_in(node, "", "8888/tcp", outside=True),
            hint=(f"on {node.name}: firewall-cmd --list-ports, and again with --permanent", "; ".join(OPEN)),
        )
    lab.check("webserver is started on one node", started("webserver"), within=60)
    lab.check(
        "clients get the page on port 8888",
        answers_http(f"http://{lab.vip}:8888/"),
        within=20,
        hint=(
            "what does /var/log/nginx/error.log say, on the node that serves? ausearch -m AVC -ts recent",
            "a reload that was refused is to be done again: pcs resource restart webserver",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
