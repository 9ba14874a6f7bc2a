"""What a node's firewall lets in, told by what comes through: now, and when the node has booted."""

import json
import secrets
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from halab.conditions import knocking
from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.kit.process import CommandResult

SOURCE = Path(knocking.__file__).read_text()
HEARD = 4.0  # seconds that a node listens for what its firewall lets through; more on slow machines
Ask = Callable[..., Any]  # runs the source above on one host: a role, and what that is given by name
Pairs = set[tuple[str, str]]  # a port and the address of a client


def lets_in(node: Node, service: str, *ports: str, outside: bool = False) -> Condition:
    """A firewall of the node runs, and lets its peers in at these ports, now and when it has booted; with `outside`,
    the workstation. `service` is what firewalld calls them together; it may be empty.

    Connections and datagrams are sent, and a raw socket of the node tells which of them passed its firewall. Then the
    firewalls that start when the node boots are started in a network of their own, and the same is tried there. So any
    way to let something in is as good as any other. Peers may come by `lan`, or by `mgmt` where Corosync does.
    """

    name = service or ", ".join(ports)
    opening = f"--add-service={service}" if service else " ".join(f"--add-port={port}" for port in ports)

    def look(lab: Lab) -> Observation:
        server = lab.node(node.name)
        clients = [_on(lab.workstation.run, sys.executable)] if outside else _peers(lab, server)
        if not clients:
            return Observation(False, f"no peer of {server.name} has power, so none can try its firewall", known=False)
        if not knocking.filtered(server.ask("nft", "--json", "list", "ruleset").stdout):
            seen = f"{server.name} has no firewall now"
            return Observation(False, seen, hints=lambda: _off(server.name, "enable --now"))
        found = at(lab, server, clients, str(server.lan))
        if found.ok or outside or str(server.mgmt) not in server.ask("cat", "/etc/corosync/corosync.conf").stdout:
            return found
        return at(lab, server, clients, str(server.mgmt))  # the cluster has a network of its own

    def at(lab: Lab, server: Node, clients: Sequence[Ask], address: str) -> Observation:
        addresses, shut_now = _now(lab, server, clients, address, ports)
        later = _on(server.ask)("rehearse", address=address, clients=addresses, ports=ports)
        shut = {(port, client) for client in addresses for port in ports} - {
            (port, client) for client, passed in later["passed"].items() for port in passed
        }
        if shut_now:
            seen = f"the firewall of {server.name} does not let in now: {_words(shut_now)}"
            return Observation(False, seen, hints=tuple if shut_now & shut else lambda: _not_in_force(server.name))
        if not later["on"]:
            seen = f"{server.name} has no firewall after a boot"
            return Observation(False, seen, hints=lambda: _off(server.name, "enable"))
        if shut:
            seen = f"the firewall of {server.name} does not let in after a boot: {_words(shut)}"
            return Observation(False, seen, hints=lambda: _not_permanent(server.name, opening))
        return Observation(True, f"the firewall of {server.name} lets {name} in")

    hints = (
        f"on {node.name}: firewall-cmd --list-all-zones, and again with --permanent",
        "what is not permanent is lost; what is only permanent is not in force until the firewall reloads",
        f"on {node.name}: firewall-cmd --permanent {opening} && firewall-cmd --reload",
    )
    expected = f"the firewall of {node.name} lets in {', '.join(ports)}, now and after a boot"
    return Condition(expected, look, hints, steady=True)


def _now(lab: Lab, server: Node, clients: Sequence[Ask], address: str, ports: Sequence[str]) -> tuple[list[str], Pairs]:
    """Return the addresses of the clients, and which of them do not get through to which port."""
    knocks = {"address": address, "ports": ports, "mark": secrets.token_hex(8)}
    first = [client("knock", **knocks) for client in clients]
    addresses = [one["own"] for one in first]
    met = {(port, one["own"]): answer for one in first for port, answer in one["met"].items()}
    if rejected := {pair for pair, answer in met.items() if answer == "closed"}:
        return addresses, rejected
    not_told = {pair for pair, answer in met.items() if answer != "open"}  # a firewall may say "refused", too
    if not not_told:
        return addresses, set()
    heard: Pairs = set()
    done = Event()

    def hear() -> None:
        wanted = {"ports": ports, "mark": knocks["mark"], "clients": len(clients)}
        try:
            for port, sources in _on(server.ask)("hear", **wanted, seconds=HEARD * lab.pace.factor).items():
                heard.update((port, source) for source in sources)
        finally:
            done.set()

    def knock() -> None:
        while not done.is_set():
            for client in clients:
                client("knock", **knocks)

    for_each([hear, knock], lambda act: act())
    return addresses, not_told - heard


def _peers(lab: Lab, server: Node) -> list[Ask]:
    return [_on(peer.ask) for peer in lab.others(server) if peer.power() == "on"]


def _on(run: Callable[..., CommandResult], python: str = "python3") -> Ask:
    def ask(role: str, **asked: object) -> Any:
        done = run(python, "-I", "-c", SOURCE, role, json.dumps(asked))
        if not done.ok:
            raise LabError(f"a firewall could not be tried ({role}): {done.cause()}")
        return json.loads(done.stdout.splitlines()[-1])  # firewalld's own warnings may be above

    return ask


def _words(shut: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{port} from {client}" for port, client in sorted(shut))


def _off(node: str, command: str) -> tuple[str, ...]:
    return (
        f"on {node}: systemctl status firewalld; nft list ruleset",
        "without a firewall everybody is let in, to everything",
        f"on {node}: systemctl {command} firewalld",
    )


def _not_in_force(node: str) -> tuple[str, ...]:
    return (
        f"on {node}: firewall-cmd --list-all-zones, and again with --permanent",
        "what is permanent is right, and not in force until the firewall reloads",
        f"on {node}: firewall-cmd --reload",
    )


def _not_permanent(node: str, opening: str) -> tuple[str, ...]:
    return (
        f"on {node}: firewall-cmd --list-all-zones, and again with --permanent",
        "what is in force is right, and lost when the node boots, as it is not permanent",
        f"on {node}: firewall-cmd --permanent {opening}; "
        "or firewall-cmd --runtime-to-permanent, which keeps all that is in force",
    )
