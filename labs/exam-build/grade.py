"""From bare nodes to the whole service; names, addresses and the cluster's name are drawn."""

from ipaddress import IPv4Address

from halab.conditions import (
    Exam,
    Lab,
    address_only_on_owner,
    answers_ping,
    command,
    enabled,
    fences,
    fencing,
    follows,
    independent,
    lets_in,
    not_enabled,
    online,
    only_by_cluster,
    ordered,
    served_by_owner,
    started,
    take_over,
)
from halab.kit.chance import Chance
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn

NODES = (("alder", "birch"), ("cedar", "elm"), ("hazel", "larch"), ("maple", "oak"), ("pine", "rowan"))
CLUSTERS = ("shop", "library", "kitchen", "orchard", "harbour", "museum")
WEB = ("web", "site", "pages", "frontend")


def draw(random: Chance, spec: LabSpec) -> Draw:
    names, network = random.choice(NODES), spec.networks.lan.subnet
    nodes = [node.model_copy(update={"name": name}) for node, name in zip(spec.nodes, names, strict=True)]
    vip = IPv4Address(int(network.network_address) + random.randint(100, 199))
    drawn_spec = LabSpec.model_validate({**dict(spec), "nodes": nodes, "vip": vip, "cluster": random.choice(CLUSTERS)})
    web = random.choice(WEB)
    return drawn_spec, {"address": f"{web}_ip", "web": web}


def begin(lab: Lab, drawn: Drawn) -> None:
    """Bare nodes are what it begins with."""


def look(exam: Exam, drawn: Drawn) -> None:
    address, web = drawn["address"], drawn["web"]
    with exam.task("members"):
        exam.check("both nodes are online", online(), points=6, within=30)
        config = f"grep -E 'cluster_name: *{exam.cluster} *$' /etc/corosync/corosync.conf"
        for node in exam.nodes:
            called = command(node, config, expected=f"corosync.conf on {node.name} has the name {exam.cluster}")
            where = "corosync.conf(5), cluster_name, and pcs cluster setup"
            exam.check(f"the cluster of {node.name} has its name", called, points=2, hint=where)
            exam.check(f"Pacemaker starts when {node.name} boots", enabled(node, "pacemaker"), points=2)
            opened = lets_in(node, "high-availability", "2224/tcp", "5405/udp")
            exam.check(f"the firewall of {node.name} lets the cluster in", opened, points=3)
    with exam.task("address"):
        exam.check("the address is started on one node", started(address), points=4, within=30)
        exam.check("that node, and no other, has it", address_only_on_owner(address), points=3, within=10)
        exam.check("the address answers", answers_ping(exam.vip), points=3, within=10)
    with exam.task("web"):
        exam.check("the web server is started on one node", started(web), points=4, within=30)
        exam.check("nginx runs only where the cluster started it", only_by_cluster(web, "nginx"), points=4)
        exam.check(
            "the page at the address comes from the address's node", served_by_owner(address), points=8, within=10
        )
        for node in exam.nodes:
            exam.check(
                f"the firewall of {node.name} lets HTTP in", lets_in(node, "http", "80/tcp", outside=True), points=2
            )
            exam.check(f"systemd of {node.name} does not start nginx by itself", not_enabled(node, "nginx"))
    with exam.task("together"):
        exam.check("the web server would follow the address anywhere", follows(web, address), points=5, within=10)
        exam.check("the address would stay without the web server", independent(address, web), points=5)
        exam.check("the web server is started after the address", ordered(address, web), points=5)
    with exam.task("fencing"):
        exam.check("fencing is on", fencing(True), points=3)


def shake(exam: Exam, drawn: Drawn) -> None:
    with exam.task("fencing"):
        for node in exam.nodes:
            exam.check(f"a peer can have {node.name} fenced", fences(node), points=6)
            exam.afresh()
    with exam.task("failover"):
        taken = take_over(drawn["address"], within=30)
        exam.check("each node takes over when the other one loses its power", taken, points=14)
        exam.boot_all()
        page = served_by_owner(drawn["address"])
        exam.check("after all nodes have booted, the page is there", page, points=6, within=90)
