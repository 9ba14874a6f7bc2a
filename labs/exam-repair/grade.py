"""A cluster that works, with five things broken, of a pool of fifteen."""

from collections.abc import Callable
from dataclasses import dataclass

from halab.conditions import (
    Exam,
    Lab,
    Node,
    active,
    address_only_on_owner,
    can_be_fenced,
    command,
    enabled,
    fences,
    fencing,
    follows,
    lets_in,
    managed,
    may_run,
    online,
    ordered,
    take_over,
)
from halab.conditions.checks import Condition
from halab.kit.chance import Chance
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn

CAUSES = 5
MENDED, LASTING = 10, 5  # points, for each of them


@dataclass(frozen=True)
class Cause:
    """`breaks` is what was typed on a node; `mended` tells by its effect that it is no longer so, a sentence each.

    Both are given the lab and the node that was drawn. With `shaken` the look at it breaks something itself, and `lasts`
    is what is looked at after all nodes have booted, where that is another thing.
    """

    breaks: Callable[[Lab, Node], str]
    mended: Callable[[Lab, Node], dict[str, Condition]]
    lasts: Callable[[Lab, Node], dict[str, Condition]] | None = None
    shaken: bool = False
    in_the_way: bool = False  # of a failover, in one direction at least


def one(sentence: str, condition: Condition) -> dict[str, Condition]:
    return {sentence: condition}


BAD_BMC = "192.168.2.99"
# Broken in this order: what the cluster has to carry out is before what keeps it from doing so.
POOL = {
    "netmask": Cause(
        lambda lab, node: "pcs resource update virtual_ip cidr_netmask=32; crm_resource --wait --timeout=60s",
        lambda lab, node: one("the address has the right netmask", address_only_on_owner("virtual_ip")),
    ),
    "firewall": Cause(
        lambda lab, node: "firewall-cmd -q --permanent --remove-service=high-availability; firewall-cmd --reload",
        lambda lab, node: one(
            f"the firewall of {node.name} lets the cluster in",
            lets_in(node, "high-availability", "2224/tcp", "5405/udp"),
        ),
    ),
    "http": Cause(
        lambda lab, node: "firewall-cmd -q --permanent --remove-service=http; firewall-cmd --reload",
        lambda lab, node: one(
            f"the firewall of {node.name} lets HTTP in", lets_in(node, "http", "80/tcp", outside=True)
        ),
        in_the_way=True,
    ),
    "password": Cause(
        lambda lab, node: "echo hacluster:forgotten | chpasswd; rm -f /var/lib/pcsd/known-hosts",
        lambda lab, node: one(f"pcs on {node.name} drives both nodes", drives(lab, node)),
    ),
    "pcsd": Cause(
        lambda lab, node: "systemctl disable --now pcsd",
        lambda lab, node: {
            f"pcsd runs on {node.name}": active(node, "pcsd"),
            f"pcsd starts when {node.name} boots": enabled(node, "pcsd"),
        },
        lambda lab, node: one(f"pcsd runs on {node.name} by itself", active(node, "pcsd")),
    ),
    "colocation": Cause(
        lambda lab, node: "pcs constraint colocation remove webserver virtual_ip",
        lambda lab, node: one("webserver runs where virtual_ip does", follows("webserver", "virtual_ip")),
    ),
    "order": Cause(
        lambda lab, node: (
            "pcs constraint order remove virtual_ip webserver; pcs constraint order webserver then virtual_ip"
        ),
        lambda lab, node: one("webserver is started after virtual_ip", ordered("virtual_ip", "webserver")),
    ),
    "fence-address": Cause(
        lambda lab, node: f"crm_resource --resource fence_node1 --set-parameter ip --parameter-value {BAD_BMC}",
        lambda lab, node: one("node2 can have node1 fenced", fences(lab.nodes[0])),
        lambda lab, node: one("a device for node1 is started", can_be_fenced(lab.nodes[0])),
        shaken=True,
        in_the_way=True,
    ),
    "fence-host": Cause(
        lambda lab, node: "crm_resource --resource fence_node2 --set-parameter pcmk_host_list --parameter-value node3",
        lambda lab, node: one("node1 can have node2 fenced", fences(lab.nodes[1])),
        lambda lab, node: one("a device for node2 is started", can_be_fenced(lab.nodes[1])),
        shaken=True,
        in_the_way=True,
    ),
    "fencing-off": Cause(
        lambda lab, node: "pcs property set stonith-enabled=false",
        lambda lab, node: one("fencing is on", fencing(True)),
        in_the_way=True,
    ),
    "ban": Cause(
        lambda lab, node: f"crm_resource --ban --resource virtual_ip --node {node.name}",
        lambda lab, node: one(f"virtual_ip may run on {node.name}", may_run("virtual_ip", node)),
        in_the_way=True,
    ),
    "standby": Cause(
        lambda lab, node: f"pcs node standby {node.name}",
        lambda lab, node: one("every node is a member that may run resources", online()),
        in_the_way=True,
    ),
    "maintenance": Cause(
        lambda lab, node: "pcs property set maintenance-mode=true",
        lambda lab, node: one("the cluster manages its resources", managed()),
        in_the_way=True,
    ),
    "nginx": Cause(
        lambda lab, node: f"echo 'worker_connection 1024;' >> {lab.distro.paths.web_config}",
        lambda lab, node: one(
            f"the configuration of nginx on {node.name} is valid",
            command(
                node,
                "nginx -t",
                hints=(
                    f"on {node.name}: nginx -t",
                    "a mistake in the file is met only when nginx starts there, which is in a failover",
                    f"on {node.name}: mend the line of {lab.distro.paths.web_config} that it names",
                ),
                steady=True,
            ),
        ),
        in_the_way=True,
    ),
    "threshold": Cause(
        lambda lab, node: "pcs resource meta webserver migration-threshold=1",
        lambda lab, node: one(
            "webserver may crash three times before it leaves its node",
            command(
                node,
                "crm_resource --resource webserver --meta --get-parameter migration-threshold 2>&1",
                r"not found|^(INFINITY|1000000|[3-9]|[1-9]\d+)\s*$",
                hints=(
                    "pcs resource config webserver: its meta attributes",
                    "migration-threshold is how many failures drive a resource from its node",
                    "pcs resource meta webserver migration-threshold=",
                ),
                steady=True,
            ),
        ),
    ),
}
IN_THE_WAY = sorted(name for name, cause in POOL.items() if cause.in_the_way)


def drives(lab: Lab, node: Node) -> Condition:
    names = " ".join(other.name for other in lab.nodes)
    hints = (
        f"on {node.name}: pcs pcsd status {names}",
        "pcsd must run everywhere, hacluster have the same password, and this node have logged in with it",
        f"on {node.name}: passwd hacluster; pcs host auth {names}",
    )
    expected = f"pcs on {node.name} drives {names}"
    return command(node, f"pcs --request-timeout=5 pcsd status {names}", expected=expected, hints=hints, steady=True)


def draw(random: Chance, spec: LabSpec) -> Draw:
    """Two things at least are in the way of a failover, so that nobody passes that task with nothing done."""
    chosen = random.sample(IN_THE_WAY, 2)
    chosen += random.sample(sorted(set(POOL) - set(chosen)), CAUSES - len(chosen))
    return spec, {"causes": chosen, "node": random.choice([node.name for node in spec.nodes])}


def begin(lab: Lab, drawn: Drawn) -> None:
    node = lab.node(drawn["node"])
    for name in (name for name in POOL if name in drawn["causes"]):
        done = node.run("sh", "-ec", POOL[name].breaks(lab, node), timeout=120)
        if not done.ok:
            raise LabError(f"{name} could not be broken on {node.name}: {done.cause()}")


def mended(exam: Exam, drawn: Drawn, shaken: bool) -> None:
    node = exam.node(drawn["node"])
    with exam.task("causes"):
        for cause in (POOL[name] for name in drawn["causes"] if POOL[name].shaken is shaken):
            checks = cause.mended(exam, node)
            for sentence, condition in checks.items():
                # what breaks something is looked at once: what it broke would be in the way the next time
                exam.check(sentence, condition, points=MENDED // len(checks), within=0 if shaken else 10)
                if shaken:
                    exam.afresh()


def look(exam: Exam, drawn: Drawn) -> None:
    mended(exam, drawn, shaken=False)


def shake(exam: Exam, drawn: Drawn) -> None:
    mended(exam, drawn, shaken=True)
    with exam.task("failover"):
        exam.check(
            "each node takes over when the other one loses its power", take_over("virtual_ip", within=30), points=25
        )
    exam.boot_all()
    node = exam.node(drawn["node"])
    with exam.task("lasting"):
        for cause in (POOL[name] for name in drawn["causes"]):
            checks = (cause.lasts or cause.mended)(exam, node)
            for sentence, condition in checks.items():
                exam.check(
                    f"after all nodes have booted: {sentence}", condition, points=LASTING // len(checks), within=60
                )
