"""Two ways to build it, and many that look like it."""

from random import Random

from halab import labs
from halab.exams.proof import Solution
from halab.lab import Lab


def draws(spec):
    return [labs.load("exam-build").paper.draw(Random(5), spec)]  # noqa: S311


def solutions(drawn):
    def spoilt(name, *fails, perform):
        return Solution(name, perform, fails=fails, after="reference")

    address, web = drawn["address"], drawn["web"]
    return (
        Solution("reference", reference),
        Solution("group and systemd", grouped),
        spoilt("standby and renamed", "both nodes are online", "has its name", perform=standby_and_renamed),
        spoilt(
            "off at boot",
            "Pacemaker starts when",
            "after all nodes have booted",
            "each node takes over",
            perform=disabled,
        ),
        spoilt("firewalls closed", "lets the cluster in", "lets HTTP in", perform=closed),
        spoilt("address by hand", "address is started", "and no other, has it", perform=by_hand),
        spoilt(
            "another address",
            "and no other, has it",
            "the address answers",
            "the page at",
            perform=typed(
                f"pcs resource update {address} ip={{free}}",
            ),
        ),
        spoilt(
            "nginx outside the cluster",
            "web server is started on",
            "nginx runs only",
            "start nginx by itself",
            perform=outside,
        ),
        spoilt(
            "the wrong way round",
            "web server would follow",
            "address would stay",
            "started after the address",
            perform=typed(
                f"pcs constraint colocation remove {web} {address}",
                f"pcs constraint colocation add {address} with {web} INFINITY",
                f"pcs constraint order remove {address} {web}",
                f"pcs constraint order {web} then {address}",
            ),
        ),
        spoilt(
            "no constraints",
            "web server would follow",
            "started after the address",
            perform=typed(
                f"pcs constraint colocation remove {web} {address}", f"pcs constraint order remove {address} {web}"
            ),
        ),
        spoilt(
            "fencing off",
            "fencing is on",
            "each node takes over",
            perform=typed("pcs property set stonith-enabled=false"),
        ),
        spoilt("fences the wrong node", "can have .* fenced", perform=swapped),
    )


def prepare(lab: Lab):
    commands, names = lab.distro.commands, " ".join(node.name for node in lab.nodes)
    password = lab.credentials.hacluster
    lab.type_on_all(
        [
            *commands.install_cluster, *commands.open_cluster_ports, *commands.enable_pcsd, *commands.install_web,
            *commands.open_web_port, f"echo hacluster:{password} | chpasswd",
            f"echo Served by $(uname -n) > {lab.distro.paths.web_page}",
        ]
    )  # fmt: skip
    first = lab.nodes[0]
    first.type(f"pcs host auth {names} -u hacluster -p {password}")
    first.type(f"pcs cluster setup {lab.cluster} {names}")
    first.type("pcs cluster start --all --wait=60")
    first.type("pcs cluster enable --all")
    first.type("pcs property set dc-deadtime=2s")
    return first


def address_resource(lab, drawn):
    return f"pcs resource create {drawn['address']} ocf:heartbeat:IPaddr2 ip={lab.vip} cidr_netmask={lab.prefix}"


def device(lab, node, hosts):
    account = lab.credentials
    login = f"username={account.bmc_user} password={account.bmc_password} lanplus=1"
    return f"pcs stonith create fence_{node.name} fence_ipmilan ip={node.bmc} {login} {hosts}"


def reference(lab, drawn):
    first, config = prepare(lab), lab.distro.paths.web_config
    address, web = drawn["address"], drawn["web"]
    for node in lab.nodes:
        first.type(device(lab, node, f"pcmk_host_list={node.name}"))
        first.type(f"pcs constraint location fence_{node.name} avoids {node.name}")
    first.type(address_resource(lab, drawn))
    first.type(f"pcs resource create {web} ocf:heartbeat:nginx configfile={config} op monitor interval=10s")
    first.type(f"pcs constraint colocation add {web} with {address} INFINITY")
    first.type(f"pcs constraint order {address} then {web}")


def grouped(lab, drawn):
    first = prepare(lab)
    for node in lab.nodes:
        first.type(device(lab, node, f"pcmk_host_map={node.name}:{node.name} op monitor interval=60s"))
    first.type(f"{address_resource(lab, drawn)} --group service")
    first.type(f"pcs resource create {drawn['web']} systemd:nginx op monitor interval=10s --group service")


def typed(*lines):
    """Lines for the first node; {free} is an address of the network that nobody has."""

    def perform(lab, drawn):
        for line in lines:
            lab.nodes[0].type(line.format(free=lab.vip + 50))

    return perform


def standby_and_renamed(lab, drawn):
    lab.nodes[0].type(f"pcs node standby {lab.nodes[1].name}")
    for node in lab.nodes:
        node.type("sed -i 's/cluster_name:.*/cluster_name: another/' /etc/corosync/corosync.conf")


def disabled(lab, drawn):
    lab.nodes[0].type("pcs cluster disable --all")


def closed(lab, drawn):
    for node in lab.nodes:
        node.type("firewall-cmd -q --permanent --remove-service=high-availability --remove-service=http")


def by_hand(lab, drawn):
    lab.nodes[0].type(f"pcs resource disable {drawn['address']} --wait=30")
    for node in lab.nodes:
        node.type(f"ip address add {lab.vip}/{lab.prefix} dev eth0")


def outside(lab, drawn):
    lab.nodes[0].type(f"pcs resource disable {drawn['web']} --wait=30")
    for node in lab.nodes:
        node.type("systemctl enable --now nginx")


def swapped(lab, drawn):
    for node in lab.nodes:
        lab.nodes[0].type(f"pcs stonith update fence_{node.name} pcmk_host_list={lab.others(node)[0].name}")
