"""Conditions that checks are made of. Each reads the cluster or looks from outside; none changes anything."""

import json
import re

from halab.checks import Condition, Observation
from halab.cluster import parse_devices
from halab.errors import CheckFailed
from halab.lab import Lab
from halab.nodes import Node


def command(node: Node, line: str, prints: str = "", expected: str = "") -> Condition:
    """A shell command succeeds on a node, out of band, and prints what the regular expression says."""

    def look(lab: Lab) -> Observation:
        result = lab.node(node.name).run("sh", "-c", line)
        said = result.stdout.strip() or result.stderr.strip() or "nothing"
        ok = result.ok and re.search(prints, result.stdout, re.DOTALL) is not None
        return Observation(ok, f"`{line}` on {node.name}: exit status {result.rc}, {said.splitlines()[-1]!r}")

    return Condition(expected or f"`{line}` succeeds on {node.name}", look)


def active(node: Node, unit: str) -> Condition:
    """A systemd unit runs on a node."""
    return command(node, f"systemctl is-active {unit}", expected=f"{unit} is active on {node.name}")


def enabled(node: Node, unit: str) -> Condition:
    """A systemd unit starts when the node boots."""
    return command(node, f"systemctl is-enabled {unit}", expected=f"{unit} is enabled on {node.name}")


def not_enabled(node: Node, unit: str) -> Condition:
    """A systemd unit does not start by itself when the node boots: disabled, static, masked or not there."""

    def look(lab: Lab) -> Observation:
        state = lab.node(node.name).run("systemctl", "is-enabled", unit).stdout.strip()
        return Observation(
            state not in ("enabled", "enabled-runtime", "alias"), f"{unit} on {node.name}: {state or 'unknown unit'}"
        )

    return Condition(f"{unit} is not enabled on {node.name}", look)


def authorized() -> Condition:
    """Some node may drive pcsd on every node: `pcs pcsd status`, which asks each with the stored token."""

    def look(lab: Lab) -> Observation:
        said = []
        for node in lab.nodes:
            result = node.run("sh", "-c", "pcs pcsd status " + " ".join(other.name for other in lab.nodes))
            if result.ok:
                return Observation(True, f"{node.name} is authorized everywhere")
            said.append(f"{node.name}: {result.last_line().strip()}")
        return Observation(False, "; ".join(said))

    return Condition("pcs on one node is authorized on every node", look)


def lets_in(node: Node, service: str, *ports: str) -> Condition:
    """The node's firewall runs and lets a service of firewalld in, or these ports, now and after a restart."""

    def look(lab: Lab) -> Observation:
        firewall = lab.node(node.name)
        for when, options in (("now", ()), ("after a restart", ("--permanent",))):
            wanted = [[f"--query-service={service}"], [f"--query-port={port}" for port in ports]]
            results = [[firewall.run("firewall-cmd", *options, query) for query in way] for way in wanted]
            if not any(way and all(result.ok for result in way) for way in results):
                said = results[0][0].last_line()
                return Observation(False, f"the firewall of {node.name}, {service} {when}: {said}")
        return Observation(True, f"the firewall of {node.name} lets {service} in")

    return Condition(f"the firewall of {node.name} lets {service} in, now and after a restart", look)


def online() -> Condition:
    """Every node of the lab is an online member, none in standby."""

    def look(lab: Lab) -> Observation:
        status = lab.status()
        here = [name for name in status.online if not status.nodes[name].standby]
        missing = sorted({node.name for node in lab.nodes} - set(here))
        return Observation(not missing, f"online: {', '.join(here) or 'none'}; not: {', '.join(missing) or 'none'}")

    return Condition("every node is online", look)


def quorate() -> Condition:
    def look(lab: Lab) -> Observation:
        status = lab.status()
        return Observation(
            status.quorate, f"partition {'with' if status.quorate else 'WITHOUT'} quorum, DC {status.dc}"
        )

    return Condition("the partition has quorum", look)


def option(name: str, value: str, *as_good: str) -> Condition:
    """A cluster property is set to a value (`pcs property`), or to one that means the same, read from the CIB."""

    def look(lab: Lab) -> Observation:
        query = ("crm_attribute", "--type=crm_config", f"--name={name}", "--query", "--quiet")
        lab.status()  # tells why, when there is no cluster to ask
        try:
            seen = lab.ask(*query).strip()
        except CheckFailed:
            return Observation(False, f"{name} is not set")
        return Observation(seen in (value, *as_good), f"{name} is {seen}")

    return Condition(f"{name} is {value}", look)


def fencing(on: bool) -> Condition:
    """Fencing is enabled, or disabled, as crm_mon sees it."""

    def look(lab: Lab) -> Observation:
        seen = lab.status().fencing
        return Observation(seen is on, f"stonith-enabled is {str(seen).lower()}")

    return Condition(f"stonith-enabled is {str(on).lower()}", look)


def started(resource: str, on: Node | None = None) -> Condition:
    """A resource is started on exactly one node, or on exactly that node."""
    place = on.name if on else "one node"

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        if resource not in known:
            return Observation(False, f"there is no resource {resource}; there are: {', '.join(known) or 'none'}")
        found = known[resource]
        ok = found.started and len(found.nodes) == 1 and (on is None or found.nodes == (on.name,))
        return Observation(
            ok,
            f"{resource} is {found.role} on {', '.join(found.nodes) or 'no node'}{_flags(found.failed, found.blocked)}",
        )

    return Condition(f"{resource} is started on {place}", look)


def together(first: str, second: str) -> Condition:
    """Two resources are started on the same node."""

    def look(lab: Lab) -> Observation:
        status = lab.status()
        places = status.where(first), status.where(second)
        return Observation(
            places[0] == places[1] and len(places[0]) == 1, f"{first} is on {places[0]}, {second} on {places[1]}"
        )

    return Condition(f"{first} and {second} are started on the same node", look)


def address_only_on_owner(resource: str) -> Condition:
    """The VIP, with its prefix, is on the node that the resource is started on, and on no other that answers."""

    def look(lab: Lab) -> Observation:
        owner = lab.where(resource).name
        found = {node.name: _prefixes(node, str(lab.vip)) for node in lab.nodes if node.power() == "on"}
        held = [f"{lab.vip}/{prefix} on {name}" for name, prefixes in found.items() for prefix in prefixes]
        ok = held == [f"{lab.vip}/{lab.prefix} on {owner}"]
        return Observation(ok, f"{', '.join(held) or f'{lab.vip} on no node'}; {resource} on {owner}, /{lab.prefix}")

    return Condition("the node that runs the resource, and no other, has the address", look)


def answers_ping(address: object) -> Condition:
    """An address answers ICMP echo requests from the workstation."""

    def look(lab: Lab) -> Observation:
        result = lab.workstation.run("ping", "-c", "1", "-W", "1", str(address))
        return Observation(result.ok, f"ping {address}: {'answered' if result.ok else 'no answer within 1 s'}")

    return Condition(f"{address} answers from the workstation", look)


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

    return Condition(f"the page tells the node that {resource} is started on", look)


def served_at_home(resource: str) -> Condition:
    """The node that the resource is started on serves a page at its own address, which names it and no other."""

    def look(lab: Lab) -> Observation:
        owner = lab.where(resource)
        return _names_only(lab, f"http://{owner.lan}/", owner)

    return Condition(f"the node that {resource} is started on serves its page at its own address", look)


def only_by_cluster(resource: str, unit: str) -> Condition:
    """A systemd unit runs nowhere, unless as the very resource, `systemd:<unit>`, and then where that is started."""

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        if resource not in known:
            return Observation(False, f"there is no resource {resource}; there are: {', '.join(known) or 'none'}")
        allowed = known[resource].nodes if known[resource].agent == f"systemd:{unit}" else ()
        running = [node.name for node in lab.nodes if node.run("systemctl", "is-active", unit).ok]
        seen = f"systemd runs {unit} on {', '.join(running) or 'no node'}; {resource} is {known[resource].agent}"
        return Observation(set(running) <= set(allowed), seen)

    return Condition(f"{unit} runs only where the cluster started it", look)


def bmc_power(node: Node, state: str) -> Condition:
    """The node's BMC answers IPMI on the workstation with that power state."""

    def look(lab: Lab) -> Observation:
        account = lab.credentials
        login = ["-H", str(node.bmc), "-U", account.bmc_user, "-P", account.bmc_password]
        result = lab.workstation.run("ipmitool", "-I", "lanplus", *login, "power", "status")
        return Observation(result.stdout.strip() == f"Chassis Power is {state}", result.last_line())

    return Condition(f"the BMC of {node.name} says that power is {state}", look)


def can_be_fenced(node: Node) -> Condition:
    """A device that is started can fence the node, and a peer of the node has it: `stonith_admin --list`.

    Each node tells only of the devices that may run on it, so the peers are asked; the node is no help to itself.
    """

    def look(lab: Lab) -> Observation:
        known = lab.status().resources
        found: dict[str, str] = {}
        for peer in lab.others(node):
            result = peer.run("stonith_admin", "--list", node.name, "--output-as=xml", timeout=30)
            found |= dict.fromkeys(parse_devices(result.stdout) if result.ok else (), peer.name)
        usable = [device for device in found if device in known and known[device].started]
        seen = [f"{device} ({'started' if device in usable else 'not started'})" for device in found]
        return Observation(bool(usable), f"devices of peers that can fence {node.name}: {', '.join(seen) or 'none'}")

    return Condition(f"a started device of a peer can fence {node.name}", look)


def fenced_by_peer(node: Node) -> Condition:
    """The node's BMC was told by another node, over IPMI, to take its power: read from the BMC's own event log."""

    def look(lab: Lab) -> Observation:
        peers = {str(other.mgmt) for other in lab.others(node)}
        orders = [event for event in lab.power_events(node) if event["action"] in ("off", "cycle", "reset")]
        by_peer = [event for event in orders if event["from"] in peers]
        return Observation(
            bool(by_peer), f"the BMC of {node.name} was told {len(by_peer)} times by a peer to cut the power"
        )

    return Condition(f"{node.name} was fenced by a peer through its BMC", look)


def _prefixes(node: Node, address: str) -> list[int]:
    """The prefix lengths with which the node has an address; more than one entry when it has it more than once."""
    links = json.loads(node.run("ip", "-json", "-4", "address", "show").stdout)
    held = [info for link in links for info in link.get("addr_info", ())]
    return [int(info["prefixlen"]) for info in held if info.get("local") == address]


def _get(lab: Lab, url: str) -> tuple[str | None, str]:
    """The page at an address, or None when it is not answered with 200; and what was seen, in words."""
    result = lab.workstation.run(
        "curl", "--silent", "--show-error", "--max-time", "2", "--write-out", "\n%{http_code}", url
    )
    page, _, code = result.stdout.rpartition("\n")
    if not result.ok:
        return None, f"GET {url}: {result.last_line()}"
    return (page if code == "200" else None), f"GET {url}: {code} {page.strip()[:80]!r}"


def _names_only(lab: Lab, url: str, owner: Node) -> Observation:
    page, seen = _get(lab, url)
    named = [node.name for node in lab.nodes if re.search(rf"(?<![\w-]){node.name}(?![\w-])", page or "")]
    return Observation(named == [owner.name], f"{seen}, from {owner.name}")


def _flags(failed: bool, blocked: bool) -> str:
    return (", failed" if failed else "") + (", blocked" if blocked else "")
