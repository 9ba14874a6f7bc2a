"""What else passes each step, and what only seems to."""

from shlex import quote

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, typed


def not_for_the_next_boot(lab: Lab) -> None:
    lab.type_on_all(
        [
            f"{lab.distro.package_manager} remove -y pacemaker",
            "systemctl disable --now pcsd",
            "firewall-cmd --permanent --remove-service=high-availability",
        ]
    )


def logged_in_to_itself(lab: Lab) -> None:
    password, first = lab.credentials.hacluster, lab.nodes[0]
    lab.type_on_all([f"echo {quote(f'hacluster:{password}')} | chpasswd"])
    first.type(f"pcs host auth {first.name} -u hacluster -p {quote(password)}")


def started_on_one(lab: Lab) -> None:
    first = lab.nodes[0]
    first.type("pcs property set dc-deadtime=5s")
    first.type("pcs cluster disable --all")
    first.type("pcs cluster stop --all")
    first.type("pcs cluster start")
    first.type("pcs status", expect="WITHOUT quorum", within=60)


def fencing_left_on(lab: Lab) -> None:
    agent = f"ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix}"
    lab.nodes[0].type(f"pcs resource create virtual_ip {agent} op monitor interval=30s")


def by_systemd(lab: Lab) -> None:
    """Beside that, the page is the same on every node, and the firewall is open for now only."""
    lab.nodes[0].type("pcs resource disable webserver")
    lab.nodes[0].type("crm_resource --wait --timeout=30s")
    lab.type_on_all(
        [
            "systemctl enable --now nginx",
            f"echo Welcome > {lab.distro.paths.web_page}",
            "firewall-cmd --permanent --remove-service=http",
        ]
    )


def as_a_unit(lab: Lab) -> None:
    """The port is opened by its number, the page is made by each node, and Pacemaker finds out what nginx is."""
    lab.type_on_all(
        [
            *lab.distro.commands.install_web,
            "firewall-cmd --permanent --add-port=80/tcp",
            "firewall-cmd --reload",
            f"uname -n > {lab.distro.paths.web_page}",
        ]
    )
    lab.nodes[0].type("pcs resource create webserver service:nginx op monitor interval=10s")
    lab.nodes[0].type("crm_resource --wait --timeout=30s")


def in_standby_without_address(lab: Lab) -> None:
    lab.nodes[0].type(f"pcs node standby {lab.nodes[-1].name}")
    lab.nodes[0].type("pcs resource disable virtual_ip")


def never_tried(lab: Lab) -> None:
    """The devices know the BMC's address, where the node's name belongs."""
    first, account = lab.nodes[0], lab.credentials
    login = f"username={quote(account.bmc_user)} password={quote(account.bmc_password)} lanplus=1"
    for node in lab.nodes:
        target = f"ip={node.bmc} {login} pcmk_host_list={node.bmc}"
        first.type(f"pcs stonith create fence_{node.name} fence_ipmilan {target}")
    first.type(f"pcs node standby {lab.nodes[-1].name}")
    first.type("pcs resource disable webserver")


def powerless(lab: Lab) -> None:
    for node in lab.nodes:
        lab.fault("power-cut", node)


SOLUTIONS = {
    "install": (
        Solution(
            "without Pacemaker, and not for the next boot",
            not_for_the_next_boot,
            fails=("has Pacemaker", "pcsd runs", "pcsd starts", "firewall"),
            after=REFERENCE,
        ),
    ),
    "auth": (Solution("logged in to one node only", logged_in_to_itself, fails=("may drive every node",)),),
    "setup": (
        Solution(
            "started on one node, and not at boot",
            started_on_one,
            fails=("is online", "has quorum", "waits at most 2 s", "boots"),
            after=REFERENCE,
        ),
    ),
    "vip": (Solution("fencing left on", fencing_left_on, fails=("is started", "has the address", "answers")),),
    "nginx": (
        Solution(
            "by systemd, with one page for all",
            by_systemd,
            fails=("is started", "only where", "at its own address", "by itself", "tells its name", "firewall"),
            after=REFERENCE,
        ),
        Solution("as systemd's unit, port by number", as_a_unit),
    ),
    "constraints": (
        Solution(
            "the wrong way round",
            typed(
                "pcs constraint colocation add virtual_ip with webserver score=INFINITY",
                "pcs constraint order webserver then virtual_ip",
            ),
            fails=("would follow", "would stay", "starts after"),
        ),
        Solution(
            "left in standby, no address",
            in_standby_without_address,
            fails=("is online", "is started on one", "on the same node", "comes from"),
            after=REFERENCE,
        ),
        Solution("a group", typed("pcs resource group add web virtual_ip webserver")),
    ),
    "stonith": (
        Solution(
            "never tried, left in standby",
            never_tried,
            fails=("is online", "is enabled", "a peer can fence", "was really fenced", "service answers"),
        ),
        Solution("without power", powerless, fails=("the BMC of",), after=REFERENCE),
    ),
}
