"""What Corosync says of its links: what its tools (3.1.7) printed on a cluster."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, cast

import pytest

from halab.conditions import Lab, linked, preferred
from halab.conditions.checks import Observation
from halab.conditions.links import Network
from halab.kit.process import CommandResult

LINKS = """\
Local node ID 1, transport knet
nodeid: 2 reachable
   LINK: 0 udp (192.168.1.10->192.168.1.11) enabled connected mtu: 1397
   LINK: 1 udp (192.168.2.10->192.168.2.11) enabled connected mtu: 1397

"""
ONE_LINK = "".join(line for line in LINKS.splitlines(keepends=True) if "LINK: 1" not in line)
CUT = LINKS.replace(
    "LINK: 0 udp (192.168.1.10->192.168.1.11) enabled connected", "LINK: 0 udp (192.168.1.10->192.168.1.11) enabled"
)
PREFERRED = "totem.interface.1.knet_link_priority (u8) = 10\n"


@dataclass(frozen=True)
class Member:
    """A node that is asked in the place of both: what the other one prints has the addresses turned round."""

    number: int
    links: str
    settings: str = ""

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def lan(self) -> IPv4Address:
        return IPv4Address(f"192.168.1.{9 + self.number}")

    @property
    def mgmt(self) -> IPv4Address:
        return IPv4Address(f"192.168.2.{9 + self.number}")

    def ask(self, *argv: str) -> CommandResult:
        said = {"corosync-cfgtool": self.links, "corosync-cmapctl": self.settings}[argv[0]]
        if self.number == 2:
            said = re.sub(r"\((\S+)->(\S+)\)", r"(\2->\1)", said)
        return CommandResult(argv, 0, said, "")


class Members:
    def __init__(self, *nodes: Member) -> None:
        self.nodes = nodes

    def others(self, node: Member) -> list[Member]:
        return [other for other in self.nodes if other != node]


def looked(condition: Any, links: str, settings: str = "", others: str | None = None) -> Observation:
    members = Members(Member(1, links, settings), Member(2, links if others is None else others, settings))
    seen: Observation = condition.look(cast(Lab, members))
    return seen


@pytest.mark.parametrize(
    ("links", "others", "apart"),
    [
        (LINKS, LINKS, ""),
        (CUT, LINKS, "node1 to node2 on lan"),
        (LINKS, ONE_LINK, "node2 to node1 on mgmt"),
        ("", LINKS, "node1 to node2 on lan, node1 to node2 on mgmt"),
    ],
)
def test_nodes_are_linked_when_each_is_connected_to_the_other_on_each_network(
    links: str, others: str, apart: str
) -> None:
    seen = looked(linked("lan", "mgmt"), links, others=others)

    assert seen.ok is not bool(apart)
    assert apart in seen.seen


def test_only_the_networks_that_are_named_count() -> None:
    assert looked(linked("mgmt"), CUT).ok
    assert not looked(linked("lan"), CUT).ok


@pytest.mark.parametrize(
    ("links", "settings", "way"),
    [
        (LINKS, "", "lan"),
        (LINKS, PREFERRED, "mgmt"),
        (LINKS, f"totem.interface.0.knet_link_priority (u8) = 20\n{PREFERRED}", "lan"),
        (LINKS, f"totem.link_mode (str) = passive\n{PREFERRED}", "mgmt"),
        (LINKS, f"totem.link_mode (str) = active\n{PREFERRED}", "every network, as link_mode is active"),
        (ONE_LINK, PREFERRED, "lan"),
        ("", PREFERRED, "none"),
    ],
)
def test_the_link_with_the_highest_priority_is_preferred_or_the_first(links: str, settings: str, way: str) -> None:
    networks: tuple[Network, ...] = ("lan", "mgmt")

    assert [looked(preferred(network), links, settings).ok for network in networks] == [
        network == way for network in networks
    ]
    assert looked(preferred("lan"), links, settings).seen == f"node1: {way}; node2: {way}"
