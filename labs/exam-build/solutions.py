"""Two ways to build it, and many that look like it."""

from collections.abc import Callable
from functools import partial
from shlex import quote

from halab.conditions import Lab, Node
from halab.exams.draw import paper_of, source
from halab.proof import REFERENCE, Solution, cheats
from halab.spec import labs
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draws(spec: LabSpec) -> list[Draw]:
    return [paper_of(labs.load("exam-build")).draw(source("exam-build", "proof", "5"), spec)]


def solutions(drawn: Drawn) -> tuple[Solution, ...]:
    def spoilt(name: str, perform: Callable[..., None], *fails: str) -> Solution:
        return Solution(name, partial(perform, **drawn), fails=fails, after=REFERENCE)

    return (
        Solution(REFERENCE, partial(reference, **drawn)),
        Solution("group and systemd", partial(grouped, **drawn)),
        cheats.replaced(),
        cheats.by_hand("both nodes are online", "address is started", "the page at"),
        spoilt(
            "standby, renamed, firewalls closed",
            closed,
            "both nodes are online",
            "has its name",
            "lets the cluster in",
            "lets HTTP in",
        ),
        spoilt(
            "address and nginx by hand",
            by_hand,
            "address is started",
            "and no other, has it",
            "web server is started on",
            "nginx runs only",
            "start nginx by itself",
            "each node takes over",
        ),
        spoilt(
            "another address, the wrong way round, the wrong node's BMC",
            the_wrong_way_round,
            "and no other, has it",
            "the address answers",
            "the page at",
            "web server would follow",
            "address would stay",
            "started after the address",
            "can have .* fenced",
        ),
        spoilt(
            "no constraints, no fencing, and only until the next boot",
            until_boot,
            "web server would follow",
            "started after the address",
            "fencing is on",
            "Pacemaker starts when",
            "each node takes over",
            "after all nodes have booted",
        ),
    )


def prepare(lab: Lab) -> Node:
    commands, names = lab.distro.commands, " ".join(node.name for node in lab.nodes)
    password = lab.credentials.hacluster
    lab.type_on_all(
        [
            *commands.install_cluster, *commands.open_cluster_ports, *commands.enable_pcsd, *commands.install_web,
            *commands.open_web_port, f"echo {quote(f'hacluster:{password}')} | chpasswd",
            f"echo Served by $(uname -n) > {lab.distro.paths.web_page}",
        ]
    )  # fmt: skip
    first = lab.nodes[0]
    first.type(f"pcs host auth {names} -u hacluster -p {quote(password)}")
    first.type(f"pcs cluster setup {lab.cluster} {names}")
    first.type("pcs cluster start --all --wait=60")
    first.type("pcs cluster enable --all")
    first.type("pcs property set dc-deadtime=1s")
    return first


def address_resource(lab: Lab, address: str) -> str:
    return f"pcs resource create {address} ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix}"


def device(lab: Lab, node: Node, hosts: str) -> str:
    account = lab.credentials
    login = f"username={quote(account.bmc_user)} password={quote(account.bmc_password)} lanplus=1"
    return f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} {login} {hosts}"


def reference(lab: Lab, address: str, web: str) -> None:
    first, config = prepare(lab), lab.distro.paths.web_config
    for node in lab.nodes:
        first.type(device(lab, node, f"pcmk_host_list={node.name}"))
        first.type(f"pcs constraint location fence_{node.name} avoids {node.name}")
    first.type(address_resource(lab, address))
    first.type(
        f"pcs resource create {web} ocf:heartbeat:nginx configfile={config} "
        "status10url=http://127.0.0.1/nginx_status op monitor interval=10s"
    )
    first.type(f"pcs constraint colocation add {web} with {address} score=INFINITY")
    first.type(f"pcs constraint order {address} then {web}")


def grouped(lab: Lab, address: str, web: str) -> None:
    """What is open is so in a zone that is not the default one."""
    first = prepare(lab)
    for node in lab.nodes:
        node.type("firewall-cmd -q --permanent --remove-service=high-availability --remove-service=http")
        node.type("firewall-cmd -q --permanent --zone=internal --add-service=high-availability --add-service=http")
        node.type(f"firewall-cmd -q --permanent --zone=internal --change-interface={cheats.interface(node)}")
        node.type("firewall-cmd --reload")
    for node in lab.nodes:
        first.type(device(lab, node, f"pcmk_host_map={node.name}:{node.name} op monitor interval=60s"))
    first.type(address_resource(lab, address))
    first.type(f"pcs resource create {web} systemd:nginx op monitor interval=10s")
    first.type(f"pcs resource group add service {address} {web}")


def closed(lab: Lab, address: str, web: str) -> None:
    lab.nodes[0].type(f"pcs node standby {lab.nodes[1].name}")
    for node in lab.nodes:
        node.type("sed -i 's/cluster_name:.*/cluster_name: another/' /etc/corosync/corosync.conf")
        node.type("firewall-cmd -q --permanent --remove-service=high-availability --remove-service=http")


def by_hand(lab: Lab, address: str, web: str) -> None:
    lab.nodes[0].type(f"pcs resource disable {web} {address}")
    lab.nodes[0].type("crm_resource --wait --timeout=60s")
    for node in lab.nodes:
        node.type(f"ip address add {lab.vip}/{lab.prefix} dev {cheats.interface(node)}")
        node.type("systemctl enable --now nginx")


def the_wrong_way_round(lab: Lab, address: str, web: str) -> None:
    first = lab.nodes[0]
    first.type(f"pcs constraint colocation remove {web} {address}")
    first.type(f"pcs constraint colocation add {address} with {web} score=INFINITY")
    first.type(f"pcs constraint order remove {address} {web}")
    first.type(f"pcs constraint order {web} then {address}")
    first.type(f"pcs resource update {address} ip={lab.vip + 50}")  # which nobody has
    for node in lab.nodes:
        first.type(f"pcs stonith update fence_{node.name} pcmk_host_list={lab.others(node)[0].name}")


def until_boot(lab: Lab, address: str, web: str) -> None:
    first = lab.nodes[0]
    first.type(f"pcs constraint colocation remove {web} {address}")
    first.type(f"pcs constraint order remove {address} {web}")
    first.type("pcs property set stonith-enabled=false")
    first.type("pcs cluster disable --all")
