"""Turn on what the policy holds ready

May a web server connect to other programs? If it only serves files, that is what somebody does who
has broken in. If it is a proxy, it is its work. For such questions the policy has switches, called
booleans, and this one is off until you say otherwise: `getsebool -a | grep httpd`.

Here an application is put behind nginx: a small server in Python, on port 7777 of 127.0.0.1, a
systemd unit called app, on every node. nginx passes on to it what is asked for below /app/. On the
node curl gets its page, as your shell may connect anywhere. Clients get "502 Bad Gateway".

    denied { name_connect } for comm=nginx dest=7777      to connect, to which port
    tcontext=system_u:object_r:unreserved_port_t:s0       the type of that port

`audit2why` reads AVCs and tells which boolean would allow it. If it names several, take the one that
allows least, not the first one:

    httpd_can_network_connect    any port of any machine
    httpd_can_network_relay      ports for the web only, if 7777 were made one as in the last step

    setsebool httpd_can_network_connect on       now, until the next boot
    setsebool -P httpd_can_network_connect on    now, and after every boot
    semanage boolean -l                          both: "(on , off)" will be lost

In a cluster a boot is no rare event. A node that is fenced comes back without what was only set for
now, and the 502 comes back at the failover after that, when nobody thinks of it any more. And again,
every node has its own.

If no label, no port and no boolean is meant for it, `audit2allow -M` makes a module of the policy
from what was refused. Read its .te file before you load it. It allows all that was in the log, for
good, and some of that may have been refused for a reason. More: semanage-boolean(8), audit2why(1).
"""

from halab.conditions import Lab, active, answers_http, command, enabled, enforcing, served_by_owner

UNIT = """\
cat > /etc/systemd/system/app.service <<'EOF'
[Service]
User=nobody
ExecStart=/usr/bin/python3 -m http.server 7777 --bind 127.0.0.1 --directory /srv/app
[Install]
WantedBy=multi-user.target
EOF"""
MEND = "setsebool -P httpd_can_network_connect on"


def proxy(lab: Lab) -> str:
    """Return the command that has nginx pass requests on."""
    return f"echo 'location /app/ {{ proxy_pass http://127.0.0.1:7777/; }}' > {lab.distro.paths.web_site}/app.conf"


def perform(lab: Lab) -> None:
    lab.type_on_all(["mkdir -p /srv/app", "echo 'The application' > /srv/app/index.html", UNIT])
    lab.type_on_all(["systemctl enable --now app", proxy(lab)])
    home = lab.where("virtual_ip")
    home.type("nginx -s reload")
    home.type("curl --silent http://127.0.0.1:7777/", expect="The application", within=30)
    url = f"http://{lab.vip}/app/"
    lab.workstation.type(f"curl --silent --head --max-time 2 {url} | grep '502 Bad Gateway'", within=10)
    home.type("ausearch -m AVC -ts recent -c nginx -i", expect=r"denied +\{ name_connect \}[^\n]+dest=7777", within=30)
    home.type("ausearch -m AVC -ts recent -c nginx | audit2why", expect="httpd_can_network_connect", within=30)
    home.type("setsebool httpd_can_network_connect on")
    lab.workstation.type(f"curl --silent --fail --max-time 2 {url}", within=10)
    home.type("semanage boolean -l | grep -w httpd_can_network_connect", expect=r"\(on *, *off\)", within=30)
    lab.type_on_all([MEND])
    home.type("semanage boolean -l | grep -w httpd_can_network_connect", expect=r"\(on *, *on\)", within=30)
    for peer in lab.others(home):
        for node in (peer, home):
            home.type(f"pcs resource move virtual_ip {node.name}", within=120)
            lab.workstation.type(f"curl --silent --fail --max-time 2 {url}", within=30)


def verify(lab: Lab) -> None:
    for node in lab.nodes:
        lab.check(f"SELinux is enforcing on {node.name}, for nginx too", enforcing(node, "httpd_t"))
        lab.check(f"the application runs on {node.name}", active(node, "app"), within=10)
        lab.check(f"the application starts when {node.name} boots", enabled(node, "app"))
        lab.check(
            f"nginx of {node.name} passes requests on to it",
            command(node, "grep -rhE '^[^#]*proxy_pass[^;#]*:7777' /etc/nginx"),
            hint=f"on {node.name}: {proxy(lab)}",
        )
        lab.check(
            f"nginx may connect to it on {node.name}, now and after a boot",
            command(
                node,
                "semanage boolean -l | grep -wE 'httpd_can_network_(connect|relay)'",
                r"(^|\n)httpd_can_network_(connect|relay)\s+\(on\s*,\s*on\s*\)",
            ),
            hint=(
                f"on {node.name}: semanage boolean -l -C lists what was changed there",
                "the first word is for now, the second for after a boot; every node has its own",
                f"on {node.name}: {MEND}",
            ),
        )
    lab.check(
        "clients get the application's page",
        answers_http(f"http://{lab.vip}/app/"),
        within=20,
        hint=(
            "404: does nginx know of it (nginx -s reload)? 502: is app there, and what does ausearch -m AVC say?",
            MEND,
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
