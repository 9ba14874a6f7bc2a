"""How a connection to a port ended, by what bash and timeout(1) print and return, and what a firewall lets in."""

import json
import socket
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from halab.conditions import Node, knocking, lets_in, reached
from halab.conditions.checks import Observation, observe
from halab.kit.pace import Pace
from halab.kit.process import CommandResult
from halab.walk.lab import Lab

PREFIX = "bash: connect: "
MET = {
    "open": (0, ""),
    "refused": (1, f"{PREFIX}Connection refused\n"),
    "closed": (1, f"{PREFIX}No route to host\n"),
    "closed, silently": (124, ""),
}


def a_lab(rc: int, stderr: str) -> tuple[Lab, Node]:
    node = SimpleNamespace(name="node1", ask=lambda *argv: CommandResult(argv, rc, "", stderr))
    return cast(Lab, SimpleNamespace(node=lambda name: node)), cast(Node, node)


@pytest.mark.parametrize("answer", ["open", "refused", "closed"])
@pytest.mark.parametrize("met", MET)
def test_each_answer_is_told_from_the_others(met: str, answer: str) -> None:
    lab, node = a_lab(*MET[met])

    seen = reached(node, node, 2224, answer).look(lab)

    assert seen.ok is (met.partition(",")[0] == answer)
    assert seen.known


@pytest.mark.parametrize("answer", ["open", "refused", "closed"])
def test_a_connection_that_was_not_even_tried_tells_nothing_of_the_port(answer: str) -> None:
    lab, node = a_lab(1, "bash: node9: Name or service not known\n")

    seen = reached(node, node, 2224, answer).look(lab)

    assert not seen.ok
    assert not seen.known


PORTS = ("2224/tcp", "5405/udp")
OPEN, SILENT = dict.fromkeys(PORTS, "open"), {"2224/tcp": "open", "5405/udp": "silent"}
FILTER = {"family": "inet", "table": "firewalld", "name": "filter_INPUT", "hook": "input", "policy": "accept"}
RULE = {"family": "inet", "table": "firewalld", "chain": "filter_INPUT"}
ON = json.dumps({"nftables": [{"chain": FILTER}, {"rule": RULE}]})
NOTHING = json.dumps({"nftables": []})
EMPTY = json.dumps({"nftables": [{"chain": FILTER}, {"rule": {**RULE, "chain": "another"}}]})
DROPS = json.dumps({"nftables": [{"chain": {**FILTER, "policy": "drop"}}]})
PEERS = ("192.168.1.12", "192.168.1.13")


@dataclass
class Firewalled:
    """node1, which answers as its firewall would, and the other nodes, which knock at it."""

    met: dict[str, str]  # what a peer meets at once
    heard: tuple[str, ...] = ()  # the ports at which node1 hears its peers
    later: tuple[str, ...] = PORTS  # the ports to which they come through after a boot
    ruleset: str = ON
    on: bool = True  # after a boot
    power: str = "on"
    corosync: str = "ring0_addr: node1"
    asked: list[str] = field(default_factory=list)

    def ask(self, *argv: str) -> CommandResult:
        if argv[0] == "cat":
            return CommandResult(argv, 0, self.corosync, "")
        self.asked.append(argv[0] if argv[0] != "python3" else argv[-2])
        told: Any = {
            "hear": {port: PEERS if port in self.heard else () for port in PORTS},
            "rehearse": {"on": self.on, "passed": dict.fromkeys(PEERS, self.later)},
        }
        answer = self.ruleset if argv[0] == "nft" else f"a warning of firewalld\n{json.dumps(told[argv[-2]])}"
        return CommandResult(argv, 0, answer, "")

    def seen(self, outside: bool = False) -> Observation:
        def client(own: str, answer: dict[str, str]) -> Any:
            def knock(*argv: str) -> CommandResult:
                met = OPEN if "192.168.2.11" in argv[-1] else answer
                return CommandResult(argv, 0, json.dumps({"own": own, "met": met}), "")

            return knock

        node = SimpleNamespace(name="node1", lan="192.168.1.11", mgmt="192.168.2.11", ask=self.ask)
        answers = zip(PEERS, (dict.fromkeys(PORTS, "open") | self.met, self.met), strict=True)
        peers = [SimpleNamespace(power=lambda: self.power, ask=client(*each)) for each in answers]
        lab = SimpleNamespace(
            node=lambda name: node,
            others=lambda node: peers,
            workstation=SimpleNamespace(run=client("192.168.1.12", self.met)),
            pace=Pace(),
        )
        condition = lets_in(cast(Node, node), "high-availability", *PORTS, outside=outside)
        return observe(condition, cast(Lab, lab))


@pytest.mark.parametrize(
    ("firewalled", "told"),
    [
        (Firewalled(OPEN), "lets high-availability in"),
        (Firewalled(SILENT, heard=("5405/udp",)), "lets high-availability in"),
        (Firewalled(dict.fromkeys(PORTS, "refused"), heard=PORTS), "lets high-availability in"),
        (Firewalled(OPEN, ruleset=DROPS), "lets high-availability in"),
        (Firewalled(dict.fromkeys(PORTS, "refused")), "does not let in now: 2224/tcp from 192.168.1.12"),  # by a reset
        (Firewalled(SILENT), "does not let in now: 5405/udp from 192.168.1.12, 5405/udp from 192.168.1.13"),
        (Firewalled({**SILENT, "2224/tcp": "closed"}), "does not let in now: 2224/tcp from 192.168.1.12"),
        (Firewalled(OPEN, later=()), "does not let in after a boot: 2224/tcp from 192.168.1.12"),
        (Firewalled(OPEN, later=PORTS[:1]), "does not let in after a boot: 5405/udp from 192.168.1.12"),
        (Firewalled(OPEN, ruleset=NOTHING), "node1 has no firewall now"),
        (Firewalled(OPEN, ruleset=EMPTY), "node1 has no firewall now"),
        (Firewalled(OPEN, ruleset=""), "node1 has no firewall now"),  # no nft either
        (Firewalled(OPEN, on=False), "node1 has no firewall after a boot"),
    ],
)
def test_what_comes_through_a_firewall_decides_now_and_later(firewalled: Firewalled, told: str) -> None:
    seen = firewalled.seen()

    assert told in seen.seen
    assert (seen.ok, seen.known) == (told.startswith("lets"), True)


def test_a_firewall_can_be_asked_for_what_comes_from_outside_of_the_cluster() -> None:
    assert Firewalled(OPEN, power="off").seen(outside=True).ok


def test_a_cluster_may_have_a_network_of_its_own() -> None:
    closed = dict.fromkeys(PORTS, "closed")

    assert Firewalled(closed, corosync="ring0_addr: 192.168.2.11").seen().ok
    assert not Firewalled(closed, corosync="ring0_addr: 192.168.2.11").seen(outside=True).ok


def test_a_firewall_that_no_peer_could_try_is_unknown() -> None:
    seen = Firewalled(OPEN, power="off").seen()

    assert not seen.ok
    assert not seen.known


def test_a_node_listens_only_where_a_connection_does_not_tell() -> None:
    told, not_told = Firewalled(OPEN), Firewalled(SILENT, heard=("5405/udp",))

    told.seen()
    not_told.seen()

    assert (told.asked, not_told.asked) == (["nft", "rehearse"], ["nft", "hear", "rehearse"])


@pytest.mark.parametrize(
    ("firewalled", "command"),
    [
        (Firewalled({**OPEN, "2224/tcp": "closed"}), "firewall-cmd --reload"),
        (Firewalled(OPEN, later=()), "firewall-cmd --runtime-to-permanent"),
        (Firewalled(OPEN, on=False), "systemctl enable firewalld"),
        (Firewalled(OPEN, ruleset=NOTHING), "systemctl enable --now firewalld"),
    ],
)
def test_what_was_seen_of_a_firewall_tells_what_to_type(firewalled: Firewalled, command: str) -> None:
    assert command in firewalled.seen().hints()[-1]


def test_a_knock_tells_an_open_port_from_one_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ports = [f"{end.getsockname()[1]}/tcp" for end in (listening, bound)]

        told = knocking.knock("127.0.0.1", ports, "mark")

    assert told == {"own": "127.0.0.1", "met": {ports[0]: "open", ports[1]: "refused"}}
