"""What a client gets, and from which node: addresses and pages, looked at from the workstation."""

import json
import re
from collections.abc import Mapping, Sequence

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.kit.errors import HalabError
from halab.kit.process import PrintedTooMuch
from halab.measure.page import names_of, nodes_named


def address_only_on_owner(resource: str) -> Condition:
    """The VIP, with its prefix, is on the node that the resource is started on, and on no other that answers."""

    def look(lab: Lab) -> Observation:
        owner = lab.active().name
        found = {node.name: _prefixes(node, str(lab.vip)) for node in lab.nodes if node.power() == "on"}
        held = [f"{lab.vip}/{prefix} on {name}" for name, prefixes in found.items() for prefix in prefixes]
        ok = held == [f"{lab.vip}/{lab.prefix} on {owner}"]
        seen = f"{', '.join(held) or f'{lab.vip} on no node'}; {resource} on {owner}, /{lab.prefix}"
        return Observation(ok, seen, hints=lambda: _misplaced(lab, resource, owner, found))

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
        return _names_only(lab, f"http://{lab.vip}/", lab.active())

    hints = (
        "on the workstation (inv ssh workstation): curl the address",
        f"pcs status: where is {resource}, does the server run there, and does that node's firewall let http in?",
        "pcs resource cleanup",
    )
    return Condition(f"the page tells the node that {resource} is started on", look, hints)


def page_of(node: Node, path: str) -> Condition:
    """The page in a node's file names that node, and no other."""

    def look(lab: Lab) -> Observation:
        read = lab.node(node.name).ask("cat", path)
        if not read.ok:
            return Observation(False, read.cause())
        named = _told_by(lab, read.stdout)
        return Observation(named == (node.name,), f"{path} on {node.name} names {', '.join(named) or 'no node'}")

    hints = (
        f"every node may come to serve: cat {path}, on each",
        "a page that names no node, or several, does not tell who serves it",
        f"on {node.name}: echo 'Served by {node.name}' > {path}",
    )
    return Condition(f"{path} on {node.name} names {node.name}, and no other node", look, hints)


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
    """A systemd unit runs nowhere, or only where a resource of that unit is started."""

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        if resource not in known:
            return Observation(False, f"there is no resource {resource}; there are: {', '.join(known) or 'none'}")
        allowed = known[resource].nodes if known[resource].of_unit(unit) else ()
        running = [node.name for node in lab.nodes if node.ask("systemctl", "is-active", unit).ok]
        seen = f"systemd runs {unit} on {', '.join(running) or 'no node'}; {resource} is {known[resource].agent}"
        wrong = [name for name in running if name not in allowed]
        return Observation(not wrong, seen, hints=lambda: _by_systemd(resource, unit, wrong))

    hints = (
        f"systemctl status {unit}, on every node",
        "a daemon that systemd started is not the cluster's, even on the right node",
        f"systemctl disable --now {unit}, where systemd runs it; then pcs resource cleanup {resource}",
    )
    return Condition(f"{unit} runs only where the cluster started it", look, hints)


def _by_systemd(resource: str, unit: str, nodes: Sequence[str]) -> tuple[str, ...]:
    names = " and ".join(nodes)
    return (
        f"on {names}: systemctl status {unit}",
        f"systemd runs {unit} on {names}, which the cluster did not start there",
        f"on {names}: systemctl disable --now {unit}; then pcs resource cleanup {resource}",
    )


def _misplaced(lab: Lab, resource: str, owner: str, found: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Hints on an address that is missing, has another prefix, or is where it does not belong."""
    if not found.get(owner):
        why = f"{resource} is started on {owner}, and does not bring {lab.vip}: has it another ip?"
        return f"pcs resource config {resource}", why, f"pcs resource update {resource} ip={lab.vip}"
    for name, prefixes in found.items():
        for prefix in prefixes if name != owner else prefixes[1:]:
            return (
                f"on {name}: ip address show",
                f"{lab.vip}/{prefix} is on {name} as well; somebody typed it in, and the cluster never takes it away",
                f"on {name}: ip address del {lab.vip}/{prefix} dev DEV, the interface that has it",
            )
    return (
        f"pcs resource config {resource}",
        f"its cidr_netmask is {found[owner][0]}, and the network's is {lab.prefix}",
        f"pcs resource update {resource} cidr_netmask={lab.prefix}",
    )


def _prefixes(node: Node, address: str) -> list[int]:
    """Return the prefix lengths with which the node has an address; several when it has it several times."""
    links = json.loads(node.ask("ip", "-json", "-4", "address", "show").stdout)
    held = [info for link in links for info in link.get("addr_info", ())]
    return [int(info["prefixlen"]) for info in held if info.get("local") == address]


def _get(lab: Lab, url: str) -> tuple[str | None, str]:
    """Return the page at an address, or None when it is not answered with 200; and what was seen, in words."""
    try:
        result = lab.workstation.run(
            "curl", "--silent", "--show-error", "--compressed", "--max-time", "2", "--write-out", "\n%{http_code}", url
        )
    except PrintedTooMuch as error:
        return None, f"GET {url}: {error}"
    page, _, code = result.stdout.rpartition("\n")
    if not result.ok:
        return None, f"GET {url}: {result.cause()}"
    return (page if code == "200" else None), f"GET {url}: {code} {page.strip()[:80]!r}"


def _names_only(lab: Lab, url: str, owner: Node) -> Observation:
    page, seen = _get(lab, url)
    named = _told_by(lab, page or "")
    told = f"; it names {' and '.join(named)}, so it does not tell who serves it" if len(named) > 1 else ""
    return Observation(
        named == (owner.name,), f"{seen}, from {owner.name}{told}", hints=lambda: _not_named(page, seen, owner, named)
    )


def _not_named(page: str | None, seen: str, owner: Node, named: tuple[str, ...]) -> tuple[str, ...]:
    """Hints on a page that names the wrong nodes or none, or on what came in place of a page (curl(1))."""
    if page is not None and len(named) != 1:
        what = f"names {' and '.join(named)}" if named else "names no node"
        return (
            "curl the address, on the workstation, and look at the file that is served, on each node",
            f"the page {what}; it has to name the node that serves it, and no other",
            f"on {owner.name}: write its name, {owner.name}, into the page that its server reads, and so on each node",
        )
    if page is not None:
        return (
            f"pcs status; on {named[0]} and {owner.name}: ip address show",
            f"the page is that of {named[0]}, and the resource is on {owner.name}: one has the address of the other, "
            "or the page of the other",
            f"on {named[0]}: ip address del, where the cluster did not start it; or mend the page on {owner.name}",
        )
    for words, why, then in (
        (
            "onnect to server",
            "nothing listens there, or a firewall rejects it",
            "ss -ltn; firewall-cmd --list-all-zones",
        ),
        ("onnection refused", "nothing listens there", "pcs status: is the server started where the address is?"),
        ("o route to host", "a firewall rejects it, or no node has the address", "firewall-cmd --list-all-zones"),
        ("timed out", "a firewall drops it, or the server hangs", "firewall-cmd --list-all-zones; ss -ltn"),
        (": 403 ", "the server may not read the page", "the page's owner, mode and SELinux label: ls -lZ"),
        (": 404 ", "the server finds no page where it looks", "which folder does its configuration name as root?"),
        (": 50", "the server is there, and something behind it is not", "look at the server's error log"),
    ):
        if words in seen:
            return f"curl the address, on the workstation: {seen.rpartition(': ')[2]}", why, f"on {owner.name}: {then}"
    return ()


def _told_by(lab: Lab, page: str) -> tuple[str, ...]:
    """Return the nodes that a page names. The cluster is asked for its own names only where the page has no other."""
    nodes = [node.name for node in lab.nodes]
    if named := nodes_named(page, names_of(nodes, {})):
        return named
    try:
        return nodes_named(page, names_of(nodes, lab.status().own_names))
    except HalabError:
        return ()
