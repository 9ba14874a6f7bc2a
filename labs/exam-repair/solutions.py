"""What mends each cause, in two ways, and what only seems to."""

from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from halab.conditions import Lab
from halab.proof import REFERENCE, Solution, cheats
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn

# By cause: what is typed on the node that was drawn, in an order in which it can be. What differs from it in OTHERWISE
# is as right, what is in WRONG is not
MENDS = {
    "pcsd": ("systemctl enable --now pcsd",),
    "firewall": ("firewall-cmd -q --permanent --add-service=high-availability; firewall-cmd --reload",),
    "http": ("firewall-cmd -q --permanent --add-service=http; firewall-cmd --reload",),
    "password": (
        "echo hacluster:{hacluster} | chpasswd",
        "pcs host auth {names} -u hacluster -p {hacluster}",
    ),
    "netmask": ("pcs resource update virtual_ip cidr_netmask={prefix}",),
    "colocation": ("pcs constraint colocation add webserver with virtual_ip score=INFINITY",),
    "order": (
        "pcs constraint order remove webserver virtual_ip",
        "pcs constraint order virtual_ip then webserver",
    ),
    "fence-address": ("pcs stonith update fence_node1 ip={bmc1}", "pcs stonith cleanup fence_node1"),
    "fence-host": ("pcs stonith update fence_node2 pcmk_host_list=node2",),
    "fencing-off": ("pcs property set stonith-enabled=true",),
    "ban": ("pcs resource clear virtual_ip",),
    "standby": ("pcs node unstandby --all",),
    "maintenance": ("pcs property set maintenance-mode=false",),
    "nginx": ("sed -i /worker_connection/d {config}",),
    "threshold": ("pcs resource meta webserver migration-threshold=",),
}
OTHERWISE = {
    "firewall": ("firewall-cmd -q --add-port=2224/tcp --add-port=5405/udp; firewall-cmd --runtime-to-permanent",),
    "http": (
        "firewall-cmd -q --permanent --add-rich-rule='rule family=ipv4 port port=80 protocol=tcp accept'",
        "firewall-cmd --reload",
    ),
    "order": ("pcs constraint order remove webserver virtual_ip",),  # the group has an order
    "colocation": ("pcs resource group add service virtual_ip webserver",),
    "fence-host": ("pcs stonith update fence_node2 pcmk_host_list= pcmk_host_map=node2:node2",),
    "ban": ("crm_resource --clear --resource virtual_ip --node {node}",),
    "threshold": ("pcs resource meta webserver migration-threshold=5",),
    "nginx": ("sed -i s/^worker_connection.*// {config}",),
}
# What is typed after all was mended, and leaves the cause as it was, or as bad, in another way. Those of one part do not
# hide each other
WRONG = (
    {
        "firewall": ("firewall-cmd -q --permanent --remove-service=high-availability",),
        "password": ("pcs host deauth {names}",),
        "netmask": ("pcs resource update virtual_ip cidr_netmask=25",),
        "colocation": (
            "pcs constraint colocation remove webserver virtual_ip",
            "pcs constraint colocation add webserver with virtual_ip score=5",
        ),
        "order": ("pcs constraint order remove virtual_ip webserver",),
        "fence-address": ("pcs stonith update fence_node1 ip={bmc2}",),
        "nginx": ("echo 'gzip maybe;' >> {config}",),
        "threshold": ("pcs resource meta webserver migration-threshold=2",),
    },
    {
        "http": ("firewall-cmd -q --permanent --remove-service=http",),
        "pcsd": ("systemctl disable pcsd", "systemctl stop pcsd"),
        "fence-host": ("pcs stonith update fence_node2 pcmk_host_list=node1",),
        "fencing-off": ("pcs property set stonith-enabled=0",),
        "ban": ("pcs constraint location virtual_ip avoids {node}",),
        "maintenance": ("pcs resource unmanage webserver",),
    },
    {
        "standby": ("pcs node standby {node}",),
        "fence-address": ("pcs stonith update fence_node1 ip=192.168.2.98 --force",),
    },
)


def draws(spec: LabSpec) -> list[Draw]:
    """One that has the whole pool in it, in an order in which it can be mended."""
    return [(spec, {"causes": list(MENDS), "node": spec.nodes[0].name})]


def solutions(drawn: Drawn) -> tuple[Solution, ...]:
    return (
        Solution(REFERENCE, typing(drawn, MENDS)),
        Solution("otherwise", typing(drawn, {**MENDS, **OTHERWISE})),
        cheats.replaced(),
        cheats.by_hand("^every node is a member", "^the address has", "^webserver runs where"),
        Solution("off at boot", disable, fails=(OF_THE_CLUSTER,), after=REFERENCE),
        Solution("nearly", typing(drawn, WRONG[0]), fails=FAILS[0], after=REFERENCE),
        Solution("nearly, too", typing(drawn, WRONG[1]), fails=(*FAILS[1], "each node takes over"), after=REFERENCE),
        Solution("half a cluster", typing(drawn, WRONG[2]), fails=FAILS[2], after=REFERENCE),
    )


# By part: the checks that those are about, now and after a boot
FAILS = (
    (
        "lets the cluster in",
        "drives both",
        "netmask",
        "runs where",
        "started after",
        "node1 fenced",
        "nginx on",
        "three times",
    ),
    ("lets HTTP in", "pcsd", "node2 fenced", "for node2", "fencing is on", "may run on", "manages its"),
    ("may run resources", "for node1"),
)
OF_THE_CLUSTER = (
    "booted: (the address|webserver runs|webserver is started|a device|virtual_ip|every node|the cluster m)"
)


def disable(lab: Lab) -> None:
    """All is well, until a node boots."""
    for node in lab.nodes:
        node.type("pcs cluster disable")


def typing(drawn: Drawn, commands: Mapping[str, Sequence[str]]) -> Callable[[Lab], None]:
    """What mends each drawn cause is typed on the node."""

    def perform(lab: Lab) -> None:
        node = lab.node(drawn["node"])
        values = {
            "hacluster": quote(lab.credentials.hacluster),
            "names": " ".join(each.name for each in lab.nodes),
            "node": node.name,
            "other": lab.others(node)[0].name,
            "vip": lab.vip,
            "prefix": lab.prefix,
            "bmc1": lab.nodes[0].bmc,
            "bmc2": lab.nodes[1].bmc,
            "config": lab.distro.paths.web_config,
        }
        for name in drawn["causes"]:
            for line in commands.get(name, ()):
                node.type(line.format(**values))

    return perform
