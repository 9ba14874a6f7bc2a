"""The lab file as typed, frozen models, with every rule that can be checked before anything is created."""

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from halab.kit.frozen import Frozen

MOST_NODES = 16  # Pacemaker's limit without remote nodes (Clusters from Scratch; corosync's practical limit)


RESERVED = ("localhost", "lan", "mgmt", "bmc", "vip", "active", "all")  # they name something else

# Addresses that no network may have, by what RFC 6890 and the kernel do with them
NO_SUBNETS = {
    IPv4Network("0.0.0.0/8"): "this network",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}


def _node_name(name: str) -> str:
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", name):
        raise ValueError(f"{name!r} is no node name: a small letter, then up to nine letters, digits or dashes")
    if name in RESERVED:
        raise ValueError(f"{name!r} cannot name a node, as it names something else")
    return name


def _subnet(subnet: IPv4Network) -> IPv4Network:
    for other, what in NO_SUBNETS.items():
        if subnet.overlaps(other):
            raise ValueError(f"{subnet} cannot be a network of nodes: {other} is {what}")
    return subnet


def _typeable(text: str) -> str:
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", text):
        raise ValueError("expected characters of ASCII that can be typed, and no space at either end")
    return text


def _title(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected a line of text")
    return text


def _names(value: object) -> object:
    """Return a name that stands alone as a list of one."""
    return (value,) if isinstance(value, str) else value


Title = Annotated[str, Field(min_length=1), AfterValidator(_title)]
NodeName = Annotated[str, AfterValidator(_node_name)]
Subnet = Annotated[IPv4Network, AfterValidator(_subnet)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | tuple[str, ...])]
Typeable = Annotated[str, Field(min_length=1), AfterValidator(_typeable)]


class Network(Frozen):
    """A bridge inside the instance, with the workstation's own address on it."""

    subnet: Subnet
    workstation: IPv4Address


class Networks(Frozen):
    lan: Network
    mgmt: Network

    def by_name(self) -> tuple[tuple[str, Network], ...]:
        """Return pairs of name and network, in the order of the nodes' interfaces."""
        return ("lan", self.lan), ("mgmt", self.mgmt)


class NodeSpec(Frozen):
    """One node: its address on each network, and its BMC's address on `mgmt`."""

    name: NodeName
    lan: IPv4Address
    mgmt: IPv4Address
    bmc: IPv4Address


class Credentials(Frozen):
    hacluster: Typeable = Field(max_length=100)
    bmc_user: Typeable = Field(max_length=16)  # IPMI 2.0, 22.28: a user name has at most 16 bytes
    bmc_password: Typeable = Field(max_length=20)  # IPMI 2.0, 22.30: a password has at most 20 bytes

    def ipmitool(self, bmc: IPv4Address) -> list[str]:
        """Return the command, with its login at a BMC, that what is asked is added to (ipmitool(1))."""
        login = ["-H", str(bmc), "-U", self.bmc_user, "-P", self.bmc_password]
        return ["ipmitool", "-I", "lanplus", *login]


class Machine(Frozen):
    """The resources of a node. They limit a container, but for `cpus`: a container has all processors of its host."""

    cpus: int = Field(default=1, ge=1, le=64)
    memory: int = Field(default=1536, ge=512, le=2**20)  # MiB
    processes: int = Field(default=1024, ge=256, le=2**22)  # that a container may have; threads too
    disk: int = Field(default=4, ge=1, le=2**14)  # GiB that a container may write; a machine has its box's disk


class Needs(Frozen):
    """What a lab requires. An empty field sets no limit."""

    providers: tuple[str, ...] = ()
    distros: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # which a distro must have in its pool, by the names that most distros use
    nodes: tuple[int, ...] = ()
    enforcing: bool = False  # SELinux, from the machines' boot on


class LabSpec(Frozen):
    """The keys that a `lab.toml` may have, and no others."""

    title: Title
    needs: Needs = Needs()
    proven_on: Names = ()  # the distros on which halab's own tests prove the checks
    cluster: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,14}$")]
    vip: IPv4Address
    networks: Networks
    nodes: tuple[NodeSpec, ...] = Field(min_length=1, max_length=MOST_NODES)
    machine: Machine = Machine()
    credentials: Credentials

    @model_validator(mode="after")
    def _addresses_make_sense(self) -> Self:
        owners: dict[IPv4Address, str] = {}
        for owner, address, network in self._addresses():
            subnet = getattr(self.networks, network).subnet
            if address not in subnet or address in (subnet.network_address, subnet.broadcast_address):
                raise ValueError(f"{owner} = {address} is no address of network {network}, {subnet}")
            if address in owners:
                raise ValueError(f"{owner} and {owners[address]} have the same address, {address}")
            owners[address] = owner
        names = [node.name for node in self.nodes]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two nodes are called {min(twice)}")
        if self.networks.lan.subnet.overlaps(self.networks.mgmt.subnet):
            raise ValueError("networks.lan and networks.mgmt overlap")
        return self

    def _addresses(self) -> list[tuple[str, IPv4Address, str]]:
        """Return every address of the lab, as (owner, address, name of the network that must contain it)."""
        found = [
            (f"networks.{name}.workstation", network.workstation, name) for name, network in self.networks.by_name()
        ]
        for node in self.nodes:
            found.append((f"{node.name}.lan", node.lan, "lan"))
            found.append((f"{node.name}.mgmt", node.mgmt, "mgmt"))
            found.append((f"{node.name}.bmc", node.bmc, "mgmt"))
        return [*found, ("vip", self.vip, "lan")]

    def with_nodes(self, count: int) -> "LabSpec":
        """Return the same lab with `count` nodes: the first ones of its file, or those continued by counting up.

        Raises ValueError when the lab is not meant for so many nodes, when a new address is in use already, or when it
        is outside its network.
        """
        if self.needs.nodes and count not in self.needs.nodes:
            raise ValueError(f"the lab is about {' or '.join(map(str, self.needs.nodes))} nodes")
        nodes = list(self.nodes[: max(count, 0)])
        while nodes and len(nodes) < min(count, MOST_NODES + 1):
            nodes.append(_following(nodes[-1]))
        return LabSpec.model_validate({**dict(self), "nodes": nodes})


class Sequel(Frozen):
    """The `lab.toml` of a lab that goes on where another one ends. All else is that other lab's."""

    title: Title
    continues: str
    cluster_nodes: int | None = Field(default=None, ge=1)  # how many nodes that cluster has; all of them if None
    needs: Needs = Needs()
    proven_on: Names = ()


def _following(node: NodeSpec) -> NodeSpec:
    stem = node.name.rstrip("0123456789")
    number = int(node.name[len(stem) :] or "1") + 1
    return NodeSpec(name=f"{stem}{number}", lan=node.lan + 1, mgmt=node.mgmt + 1, bmc=node.bmc + 1)


def mac(packed: bytes) -> str:
    """Return a locally administered MAC address made of an IPv4 address, so that it is the same after each reboot."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in packed)
