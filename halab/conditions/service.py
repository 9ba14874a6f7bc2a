"""What a client gets, and from which node: addresses and pages, looked at from the workstation."""

import json
import re

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.kit.process import PrintedTooMuch


def address_only_on_owner(resource: str) -> Condition:
    """The VIP, with its prefix, is on the node that the resource is started on, and on no other that answers."""

    def look(lab: Lab) -> Observation:
        owner = lab.where(resource).name
        found = {node.name: _prefixes(node, str(lab.vip)) for node in lab.nodes if node.power() == "on"}
        held = [f"{lab.vip}/{prefix} on {name}" for name, prefixes in found.items() for prefix in prefixes]
        ok = held == [f"{lab.vip}/{lab.prefix} on {owner}"]
        return Observation(ok, f"{', '.join(held) or f'{lab.vip} on no node'}; {resource} on {owner}, /{lab.prefix}")

    hints = (
        "ip address show, on every node",
        "the cluster knows nothing of an address that was typed in by hand, and never takes it away",
        f"pcs resource config {resource}: are ip and cidr_netmask right? ip address del, where it does not belong",
    )
    return Condition("the node that runs the resource, and no other, has the address", look, hints)


def answers_ping(address: object) -> Condition:
    """An address answers ICMP echo requests from the workstation."""

    def look(lab: Lab) -> Observation:
        result = lab.workstation.run("ping", "-c", "1", "-W", "1", str(address))
        return Observation(result.ok, f"ping {address}: {'answered' if result.ok else 'no answer within 1 s'}")

    hints = (
        f"on the workstation (inv ssh workstation): ping {address}; ip neighbour show {address}",
        "does some node hold it, with the prefix of the network, and does its firewall let ping in?",
        "ip address show, on every node",
    )
    return Condition(f"{address} answers from the workstation", look, hints)


def answers_http(url: str, body: str = "") -> Condition:
    """A GET from the workstation is answered with 200 and a body in which the regular expression is found."""

    def look(lab: Lab) -> Observation:
        page, seen = _get(lab, url)
        return Observation(page is not None and re.search(body, page) is not None, seen)

    return Condition(f"{url} answers 200 with {body or 'any body'!r}", look)


def served_by_owner(resource: str) -> Condition:
    """The page behind the VIP names the node that the resource is started on, and no other."""

    def look(lab: Lab) -> Observation:
        return _names_only(lab, f"http://{lab.vip}/", lab.where(resource))

    hints = (
        "on the workstation (inv ssh workstation): curl the address",
        f"pcs status: where is {resource}, does the server run there, and does that node's firewall let http in?",
        "pcs resource cleanup",
    )
    return Condition(f"the page tells the node that {resource} is started on", look, hints)


def served_at_home(resource: str) -> Condition:
    """The node that the resource is started on serves a page at its own address, which names it and no other."""

    def look(lab: Lab) -> Observation:
        owner = lab.where(resource)
        return _names_only(lab, f"http://{owner.lan}/", owner)

    hints = (
        "curl the node's own address, from the workstation and on the node itself",
        "answered on the node only: its firewall; another page: look for the file that is really served",
        "firewall-cmd --list-services on that node; and the root that the server's configuration names",
    )
    return Condition(f"the node that {resource} is started on serves its page at its own address", look, hints)


def only_by_cluster(resource: str, unit: str) -> Condition:
    """A systemd unit runs nowhere, or only where the resource `systemd:<unit>` is started."""

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        if resource not in known:
            return Observation(False, f"there is no resource {resource}; there are: {', '.join(known) or 'none'}")
        allowed = known[resource].nodes if known[resource].agent == f"systemd:{unit}" else ()
        running = [node.name for node in lab.nodes if node.ask("systemctl", "is-active", unit).ok]
        seen = f"systemd runs {unit} on {', '.join(running) or 'no node'}; {resource} is {known[resource].agent}"
        return Observation(set(running) <= set(allowed), seen)

    hints = (
        f"systemctl status {unit}, on every node",
        "a daemon that systemd started is not the cluster's, even on the right node",
        f"systemctl disable --now {unit}, where systemd runs it; then pcs resource cleanup {resource}",
    )
    return Condition(f"{unit} runs only where the cluster started it", look, hints)


def _prefixes(node: Node, address: str) -> list[int]:
    """Return the prefix lengths with which the node has an address; several when it has it several times."""
    links = json.loads(node.ask("ip", "-json", "-4", "address", "show").stdout)
    held = [info for link in links for info in link.get("addr_info", ())]
    return [int(info["prefixlen"]) for info in held if info.get("local") == address]


def _get(lab: Lab, url: str) -> tuple[str | None, str]:
    """Return the page at an address, or None when it is not answered with 200; and what was seen, in words."""
    try:
        result = lab.workstation.run(
            "curl", "--silent", "--show-error", "--max-time", "2", "--write-out", "\n%{http_code}", url
        )
    except PrintedTooMuch as error:
        return None, f"GET {url}: {error}"
    page, _, code = result.stdout.rpartition("\n")
    if not result.ok:
        return None, f"GET {url}: {result.last_line()}"
    return (page if code == "200" else None), f"GET {url}: {code} {page.strip()[:80]!r}"


def _names_only(lab: Lab, url: str, owner: Node) -> Observation:
    page, seen = _get(lab, url)
    named = [node.name for node in lab.nodes if re.search(rf"(?<![\w-]){node.name}(?![\w-])", page or "")]
    return Observation(named == [owner.name], f"{seen}, from {owner.name}")
