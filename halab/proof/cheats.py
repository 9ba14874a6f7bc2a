"""Wrong solutions for any exam, which look like a cluster and are none. An exam's solutions.py may add them."""

from halab.conditions.lab import Lab, Node
from halab.proof import UNTOUCHED, Solution

# Commands that a grader might use; and a fake command, which has an answer to everything
FAKED = ("crm_mon", "cibadmin", "stonith_admin", "pcs", "corosync-quorumtool", "crm_resource")  # in /usr/sbin
FAKED_IN_BIN = ("env", "systemctl", "firewall-cmd", "ip")
FAKE = "#!/bin/sh\\necho 3\\n"
PRELOAD = "/etc/ld.so.preload"
UNIT = "etc/systemd/system/corosync.service.d/other.conf"


def replaced() -> Solution:
    """Return a solution that replaces programs and starts the service by hand.

    It replaces programs at their paths, puts one in front of another, loads a library into all, and starts another
    program as Corosync.
    """
    programs = [*(f"/usr/sbin/{name}" for name in FAKED), *(f"/usr/bin/{name}" for name in FAKED_IN_BIN)]
    named = [*programs, "/usr/local/sbin/crm_mon", PRELOAD, f"/{UNIT}", "/usr/sbin/env"]
    return Solution("programs replaced", _replace, replaces=tuple(named), ends_cluster=True)


def by_hand(*fails: str, after: str = UNTOUCHED) -> Solution:
    """Return a solution without a cluster: a loop takes the address when nobody has it; systemd runs the web server."""
    return Solution("a loop that takes the address", serve_by_hand, fails=fails, after=after, ends_cluster=True)


def _replace(lab: Lab) -> None:
    serve_by_hand(lab)
    for node in lab.nodes:
        node.type(f"printf '[Service]\\nExecStart=\\nExecStart=/bin/sleep 9999\\n' | install -D /dev/stdin /{UNIT}")
        node.type(_fake("/usr/local/sbin/crm_mon", "/usr/sbin/env"))
        node.type(_fake(*(f"/usr/sbin/{name}" for name in FAKED)))
        node.type(_fake(*(f"/usr/bin/{name}" for name in FAKED_IN_BIN)))
        node.type(f"echo /opt/quiet.so > {PRELOAD}")


def serve_by_hand(lab: Lab) -> None:
    page, address = lab.distro.paths.web_page, f"{lab.vip}/{lab.prefix}"
    install = " && ".join([*lab.distro.commands.refresh_packages, *lab.distro.commands.install_web])
    for node in lab.nodes:
        take = f"ip address add {address} dev {interface(node)}"
        loop = f"while sleep 1; do ping -c 1 -W 1 {lab.vip} || {take}; done"
        node.type("systemctl stop pacemaker corosync || true")
        node.type(f"test -e {page} || {{ {install}; }}")
        node.type(f"echo Served by $(uname -n) > {page}; systemctl start nginx || true")
        node.type(f"systemd-run --quiet --unit=take sh -c '{loop}'")


def interface(node: Node) -> str:
    """Return what a shell puts the name of the node's interface on `lan` for: containers and machines differ in it."""
    return f'$(ip -oneline address show to {node.lan} | cut -d " " -f 2)'


def _fake(*paths: str) -> str:
    return f"for path in {' '.join(paths)}; do printf '{FAKE}' | install --mode=755 /dev/stdin $path; done"
