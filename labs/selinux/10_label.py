"""Read what SELinux refuses

File permissions ask who you are. SELinux asks what kind of program wants to do what, to what kind
of thing. Everything has a label, user:role:type:level, and of that nearly always only the type
counts. The policy lists what each type may do; all else is refused, to root as well.

    nginx, started by the cluster   httpd_t               ps -C nginx -o label,args
    its pages                       httpd_sys_content_t   ls -Z
    what root keeps at home         admin_home_t          user_home_t on Debian
    your own shell                  unconfined_t          id -Z

As a rule a new file gets the label of the directory that it is made in, and keeps it. So `cp` makes
a page with the label of its new place, and `mv` brings the old one along. Here a page, news.html, is
written in root's home directory and moved to the others, where nginx has them. Clients get "403
Forbidden" (on Debian, whose nginx looks for a file before it opens it, "404 Not Found"). The file's
permissions are right, and error.log says "Permission denied", which may be anything. The cluster
says that all is well: the agent's monitor looks whether nginx lives. To ask for a page it has to be
told so (OCF_CHECK_LEVEL=20, test20url, test20regex).

The audit log has the answer, in an entry called AVC, after the cache of such decisions:

    denied { read } for comm=nginx name=news.html     what was wanted, by which program
    scontext=system_u:system_r:httpd_t:s0             who: the type of the process
    tcontext=unconfined_u:object_r:admin_home_t:s0    to what: the type of the file
    tclass=file                                       what that is: file, dir, tcp_socket ...
    permissive=0                                      it was really refused, not only noted

So: may httpd_t read a file of root's home? No, and it never should. The policy is right and the
label is wrong. `restorecon -v` gives a file the label that the policy has for its path.

No AVC, and still refused? Some are not logged: `semodule -DB` logs all, `semodule -B` ends that. And
`sealert -a /var/log/audit/audit.log` (of setroubleshoot-server) says in sentences what ausearch says
in words. Do not type `setenforce 0` to get on: it turns off the protection of the whole node.
"""

from halab.conditions import Lab, answers_http, command, enforcing, served_by_owner


def page_of(lab: Lab) -> str:
    return f"{lab.distro.paths.web_pages}/news.html"


def perform(lab: Lab) -> None:
    page = page_of(lab)
    for node in lab.nodes:
        node.type(f"echo 'News, served by {node.name}' > /root/news.html")
        node.type(f"mv /root/news.html {page}")
    url = f"http://{lab.vip}/news.html"
    lab.workstation.type(f"curl --silent --head --max-time 2 {url} | grep -E '403 Forbidden|404 Not Found'", within=10)
    home = lab.where("virtual_ip")
    home.type("pcs resource", expect=r"webserver[^\n]+Started", within=10)
    home.type("tail -n 1 /var/log/nginx/error.log", expect="Permission denied", within=10)
    home.type(f"ls -lZ {page}", expect=":(admin|user)_home_t:", within=10)
    home.type("ps -C nginx -o label,args", expect=":httpd_t:", within=10)
    home.type("id -Z")
    home.type(
        "ausearch -m AVC -ts recent -c nginx -i", expect=r"denied[^\n]+:httpd_t:[^\n]+:(admin|user)_home_t:", within=30
    )
    lab.type_on_all([f"restorecon -v {page}"])
    lab.workstation.type(f"curl --silent --fail --max-time 2 {url}", within=10)


def verify(lab: Lab) -> None:
    page = page_of(lab)
    for node in lab.nodes:
        lab.check(f"SELinux is enforcing on {node.name}, for nginx too", enforcing(node, "httpd_t"))
        lab.check(
            f"the page on {node.name} has the label that the policy has for it",
            command(node, f"ls -Z {page} && restorecon -nv {page}", r"\A\S+:httpd_sys_content_t:\S+ \S+\s*\Z"),
            hint=(
                f"on {node.name}: ls -Z {page}; matchpathcon {page}",
                "what was moved keeps the label of the place that it comes from",
                f"on {node.name}: restorecon -v {page}",
            ),
        )
    lab.check(
        "clients get the page",
        answers_http(f"http://{lab.vip}/news.html"),
        within=10,
        hint=(
            f"404: is there a {page}, on every node? 403: ausearch -m AVC -ts recent, on the node that serves",
            f"echo News > /root/news.html; mv /root/news.html {page}; restorecon -v {page}",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=20)
