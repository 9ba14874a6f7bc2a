"""What else passes each step, and what only seems to; written from documentation, like the lab, and never run."""

from collections.abc import Callable

from halab.conditions import Lab
from halab.proof import EVERY_CHECK, REFERENCE, Solution


def on_all(*lines: str) -> Callable[[Lab], None]:
    def perform(lab: Lab) -> None:
        lab.type_on_all(lines)

    return perform


def news(lab: Lab) -> str:
    return f"{lab.distro.paths.web_pages}/news.html"


def copied(lab: Lab) -> None:
    lab.type_on_all(["echo News > /root/news.html", f"cp /root/news.html {news(lab)}"])


def moved(lab: Lab) -> None:
    """Not to where it is served, with the label of where it was written, and SELinux is turned off to get on."""
    for node in lab.others(lab.where("virtual_ip")):
        node.type("echo News > /root/news.html")
        node.type(f"mv /root/news.html {news(lab)}")
    lab.type_on_all(["setenforce 0"])
    lab.nodes[0].type("pcs resource disable virtual_ip")


def halves(lab: Lab) -> None:
    """One node has the label without a rule, and is permissive; the others a rule without the label, and an exception
    for nginx. Its configuration is a comment.
    """
    lab.type_on_all(
        [
            *lab.distro.commands.extend_web_site,
            "mkdir -p /srv/web/docs",
            "echo Manual > /srv/web/docs/index.html",
            f"echo '# location /docs/ {{ root /srv/web; }}' > {lab.distro.paths.web_site}/docs.conf",
        ]
    )
    first, *others = lab.nodes
    first.type("chcon -R -t httpd_sys_content_t /srv/web")
    first.type("setenforce 0")
    for node in others:
        node.type(lab.distro.install("policycoreutils-python-utils"))
        node.type("semanage fcontext -a -t httpd_sys_content_t '/srv/web(/.*)?'")
        node.type("semanage permissive -a httpd_t")
    first.type("pcs resource disable virtual_ip")


def half_open(lab: Lab) -> None:
    """One node's firewall is open until its next start, the others' from then on. The policy names the port of UDP."""
    lab.type_on_all(
        [
            "setenforce 0",
            "semanage port -a -t http_port_t -p udp 8888",
            f"echo '# listen 8888;' > {lab.distro.paths.web_site}/port.conf",
        ]
    )
    first, *others = lab.nodes
    first.type("firewall-cmd --add-port=8888/tcp")
    for node in others:
        node.type("firewall-cmd --permanent --add-port=8888/tcp")
    first.type("pcs resource disable webserver")


def as_cache(lab: Lab) -> None:
    lab.type_on_all(["semanage port -m -t http_cache_port_t -p tcp 8888"])
    lab.nodes[0].type("pcs resource restart webserver")


def until_it_boots(lab: Lab) -> None:
    """The boolean is not kept, the application is run by hand, and nginx's configuration is a comment."""
    lab.type_on_all(
        [
            "setenforce 0",
            "setsebool httpd_can_network_connect on",
            "systemd-run python3 -m http.server 7777 --bind 127.0.0.1",
            f"echo '# location /app/ {{ proxy_pass http://127.0.0.1:7777/; }}' > {lab.distro.paths.web_site}/app.conf",
        ]
    )
    lab.nodes[0].type("pcs resource disable virtual_ip")


SOLUTIONS = {
    "label": (
        Solution("moved, and SELinux turned off", moved, fails=EVERY_CHECK),
        Solution("copied", copied),
    ),
    "directory": (
        Solution("chcon, or a rule and no more", halves, fails=EVERY_CHECK),
        Solution(
            "for ftp and rsync too",
            on_all("semanage fcontext -m -t public_content_t '/srv/web(/.*)?'", "restorecon -FRv /srv/web"),
            after=REFERENCE,
        ),
    ),
    "port": (
        Solution("UDP, and half open", half_open, fails=EVERY_CHECK),
        Solution("as a cache's port", as_cache, after=REFERENCE),
    ),
    "boolean": (
        Solution("until it boots", until_it_boots, fails=EVERY_CHECK),
        Solution(
            "as a relay, which may do less",
            on_all(
                "semanage port -a -t http_port_t -p tcp 7777",
                "setsebool -P httpd_can_network_connect=off httpd_can_network_relay=on",
            ),
            after=REFERENCE,
        ),
    ),
}
