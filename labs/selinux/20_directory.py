"""Teach the policy a new place

`restorecon` gives a file the label that the policy has for its path. But what of a place that the
policy does not know? The manual is kept in /srv/web/docs, and nginx is told of it in a file of its
own: what is in /etc/nginx/default.d becomes part of the server on port 80. (Enterprise Linux has it
so from the start, and Debian's own configuration needs a line for it.) The label is
var_t, as of everything in /srv, and nginx may not read that. This time restorecon changes nothing:
the label is what the policy says. So the policy has to learn.

    semanage fcontext -a -t httpd_sys_content_t '/srv/web(/.*)?'    a rule: what it should be
    restorecon -Rv /srv/web                                         the files: make it so

It takes both. The rule alone changes no file. `chcon -t` alone changes files, and lasts until
somebody types restorecon, or the disk is relabelled, when nobody remembers. (A few types restorecon
leaves alone without -F: those in /etc/selinux/*/contexts/customizable_types, on Debian also
public_content_t.) `matchpathcon -V` compares a file with the policy. The path in the rule is a
regular expression; the quotes are for the shell.

In a cluster it takes more: every node has a policy of its own, and nothing carries rules from one
to the other. Here the node that serves is mended first, and clients are content. Then the address
is moved, and they get 403 again, from a node that looks just the same. In practice that is the
night of the failover. `semanage export` prints all that was changed on a node, for `semanage import`
on another one; better still, let the tool that deploys your configuration do it.

Labels are kept in the file system. A disk that moves with the service (DRBD, a shared disk) brings
them along, and still every node needs the rule. NFS usually has one label for all files, nfs_t, and
a boolean for it: httpd_use_nfs.

    httpd_sys_content_t       to be read: the right one for pages
    httpd_sys_rw_content_t    to be written as well: uploads, and only those
    public_content_t          to be read by ftp, rsync and Samba too

More: semanage-fcontext(8), restorecon(8); httpd_selinux(8), of the package selinux-policy-doc.
"""

from halab.conditions import Lab, answers_http, command, enforcing, served_by_owner

PAGE = "/srv/web/docs/index.html"
MEND = ("semanage fcontext -a -t httpd_sys_content_t '/srv/web(/.*)?'", "restorecon -Rv /srv/web")


def config_of(lab: Lab) -> str:
    return f"{lab.distro.paths.web_site}/docs.conf"


def perform(lab: Lab) -> None:
    lab.type_on_all(lab.distro.commands.extend_web_site)
    lab.type_on_all([lab.distro.install("policycoreutils-python-utils"), "mkdir -p /srv/web/docs"])
    for node in lab.nodes:
        node.type(f"echo 'The manual, served by {node.name}' > {PAGE}")
        node.type(f"echo 'location /docs/ {{ root /srv/web; }}' > {config_of(lab)}")
    home = lab.where("virtual_ip")
    home.type("nginx -s reload")
    refused = f"curl --silent --head --max-time 2 http://{lab.vip}/docs/ | grep '403 Forbidden'"
    served = f"curl --silent --fail --max-time 2 http://{lab.vip}/docs/"
    lab.workstation.type(refused, within=10)
    home.type("ausearch -m AVC -ts recent -c nginx -i", expect=r"denied[^\n]+:httpd_t:[^\n]+:var_t:", within=30)
    home.type("restorecon -Rv /srv/web && ls -RZ /srv/web", expect=":var_t:", within=10)
    for line in MEND:
        home.type(line)
    lab.workstation.type(served, within=10)
    for peer in lab.others(home):
        home.type(f"pcs resource move virtual_ip {peer.name}", within=120)
        lab.workstation.type(refused, within=30)
        for line in MEND:
            peer.type(line)
        lab.workstation.type(served, within=10)


def verify(lab: Lab) -> None:
    for node in lab.nodes:
        lab.check(f"SELinux is enforcing on {node.name}, for nginx too", enforcing(node, "httpd_t"))
        lab.check(
            f"nginx may read the manual on {node.name}, by a rule of the policy",
            command(
                node,
                f"ls -Z {PAGE} && matchpathcon -V /srv/web/docs {PAGE}",
                r"\A\S+:(httpd_sys_content|public_content)_t:",
            ),
            hint=(
                f"on {node.name}: ls -Z {PAGE}; semanage fcontext -l -C",
                "a label without a rule is lost at the next relabelling, and a rule changes no label by itself",
                f"on {node.name}: {'; '.join(MEND)}",
            ),
        )
        lab.check(
            f"nginx of {node.name} knows where the manual is",
            command(node, "grep -rhE '^[^#]*/srv/web' /etc/nginx"),
            hint=f"its configuration must be the same on every node: look at {config_of(lab)}",
        )
    lab.check(
        "clients get the manual",
        answers_http(f"http://{lab.vip}/docs/"),
        within=10,
        hint=(
            "404: does nginx know of it (nginx -s reload)? 403: ausearch -m AVC -ts recent, on the node that serves",
            "; ".join(MEND),
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
