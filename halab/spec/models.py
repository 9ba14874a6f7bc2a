"""The lab file as typed, frozen models, with every rule that can be checked before anything is created."""

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from halab.kit.frozen import Frozen

MOST_NODES = 16  # Pacemaker's limit without remote nodes (Clusters from Scratch; corosync's practical limit)


def _node_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,9}", name):
        raise ValueError(f"{name!r} is no node name: a letter, then up to nine letters, digits or dashes")
    return name


NodeName = Annotated[str, AfterValidator(_node_name)]


class Network(Frozen):
    """A bridge inside the instance, with the workstation's own address on it."""

    subnet: IPv4Network
    workstation: IPv4Address


class Networks(Frozen):
    lan: Network
    mgmt: Network

    def by_name(self) -> tuple[tuple[str, Network], ...]:
        """Return pairs of name and network, in the order of the nodes' interfaces: `lan` is eth0, `mgmt` is eth1."""
        return ("lan", self.lan), ("mgmt", self.mgmt)


class NodeSpec(Frozen):
    """One node: its address on each network, and its BMC's address on `mgmt`."""

    name: NodeName
    lan: IPv4Address
    mgmt: IPv4Address
    bmc: IPv4Address


class Credentials(Frozen):
    hacluster: str = Field(min_length=1)
    bmc_user: str = Field(min_length=1, max_length=16)  # IPMI 2.0, 22.28: a user name has at most 16 bytes
    bmc_password: str = Field(min_length=1, max_length=20)  # IPMI 2.0, 22.30: a password has at most 20 bytes

    def ipmitool(self, bmc: IPv4Address) -> list[str]:
        """Return the command, with its login at a BMC, that what is asked is added to (ipmitool(1))."""
        login = ["-H", str(bmc), "-U", self.bmc_user, "-P", self.bmc_password]
        return ["ipmitool", "-I", "lanplus", *login]


class Machine(Frozen):
    """The resources of a node. They limit a container, but for `cpus`: a container has all processors of its host."""

    cpus: int = Field(default=1, ge=1, le=64)
    memory: int = Field(default=1536, ge=512)  # MiB
    processes: int = Field(default=1024, ge=256)  # the most that a container may have; threads are counted too
    disk: int = Field(default=4, ge=1)  # GiB that a container may write over its image; a machine has its box's disk


class Needs(Frozen):
    """What a lab requires. An empty field sets no limit."""

    providers: tuple[str, ...] = ()
    distros: tuple[str, ...] = ()
    nodes: tuple[int, ...] = ()


class LabSpec(Frozen):
    """The keys that a `lab.toml` may have, and no others."""

    title: str = Field(min_length=1)
    needs: Needs = Needs()
    cluster: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,15}$")]
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
        while nodes and len(nodes) < count:
            nodes.append(_following(nodes[-1]))
        return LabSpec.model_validate({**dict(self), "nodes": nodes})


class Sequel(Frozen):
    """The `lab.toml` of a lab that goes on where another one ends. All else is that other lab's."""

    title: str = Field(min_length=1)
    continues: str
    cluster_nodes: int | None = Field(default=None, ge=1)  # how many nodes that cluster has; all of them if None
    needs: Needs = Needs()


def _following(node: NodeSpec) -> NodeSpec:
    stem = node.name.rstrip("0123456789")
    number = int(node.name[len(stem) :] or "1") + 1
    return NodeSpec(name=f"{stem}{number}", lan=node.lan + 1, mgmt=node.mgmt + 1, bmc=node.bmc + 1)


def mac(packed: bytes) -> str:
    """Return a locally administered MAC address made of an IPv4 address, so that it is the same after each reboot."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in packed)
