"""What one node's own system says: commands, systemd, the firewall."""

import re

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.kit.process import PrintedTooMuch


def command(
    node: Node,
    line: str,
    prints: str = "",
    expected: str = "",
    hints: tuple[str, ...] = (),
    steady: bool = False,
    own: bool = False,
) -> Condition:
    """A shell command succeeds on a node, out of band, and prints what the regular expression says.

    Its programs are those of the packages, installed or not, in which nobody has changed anything (see Provider.ask).
    With `own`, they are the node's own, whatever these are.
    """

    def look(lab: Lab) -> Observation:
        asked = lab.node(node.name)
        try:
            result = (asked.run if own else asked.ask)("sh", "-c", line)
        except PrintedTooMuch as error:
            return Observation(False, f"`{line}` on {node.name}: {error}")
        said = result.stdout.strip() or result.stderr.strip() or "nothing"
        ok = result.ok and re.search(prints, result.stdout, re.DOTALL) is not None
        return Observation(ok, f"`{line}` on {node.name}: exit status {result.rc}, {said.splitlines()[-1]!r}")

    return Condition(expected or f"`{line}` succeeds on {node.name}", look, hints, steady)


def logged(path: str, pattern: str) -> Condition:
    """Some node's log has a line in which the extended regular expression is found (grep(1))."""

    def look(lab: Lab) -> Observation:
        lines = [line for node in lab.nodes for line in _grep(node, path, pattern)]
        return Observation(bool(lines), lines[-1].strip() if lines else f"no node's {path} says {pattern!r}")

    return Condition(f"{path} on some node says {pattern!r}", look)


def _grep(node: Node, path: str, pattern: str) -> list[str]:
    return node.ask("grep", "--extended-regexp", "--text", pattern, path).stdout.splitlines()


def active(node: Node, unit: str) -> Condition:
    """A systemd unit runs on a node."""
    hints = (
        f"on {node.name}: systemctl status {unit}; journalctl -u {unit}",
        "to install a daemon is not to start it, on most distros",
        f"on {node.name}: systemctl enable --now {unit}",
    )
    return command(node, f"systemctl is-active {unit}", "", f"{unit} is active on {node.name}", hints)


def enabled(node: Node, unit: str) -> Condition:
    """A systemd unit starts when the node boots."""
    hints = (
        f"on {node.name}: systemctl is-enabled {unit}",
        "a daemon that was only started is gone after the next boot",
        f"on {node.name}: systemctl enable {unit}",
    )
    return command(node, f"systemctl is-enabled {unit}", "", f"{unit} is enabled on {node.name}", hints, steady=True)


def not_enabled(node: Node, unit: str) -> Condition:
    """A systemd unit does not start by itself when the node boots: disabled, static, masked or not there."""

    def look(lab: Lab) -> Observation:
        state = lab.node(node.name).ask("systemctl", "is-enabled", unit).stdout.strip()
        return Observation(
            state not in ("enabled", "enabled-runtime", "alias"), f"{unit} on {node.name}: {state or 'unknown unit'}"
        )

    hints = (
        f"on {node.name}: systemctl is-enabled {unit}",
        "some packages enable what they install",
        f"on {node.name}: systemctl disable {unit}",
    )
    return Condition(f"{unit} is not enabled on {node.name}", look, hints, steady=True)


def enforcing(node: Node, domain: str) -> Condition:
    """SELinux is enforcing on a node, and a domain was not made an exception (semanage-permissive(8))."""
    line = f"getenforce && ! semodule -l | grep permissive_{domain}"
    hints = (
        f"on {node.name}: getenforce; semanage permissive -l",
        "what is permissive is only noted, and not refused: that finds a cause, and is no remedy",
        f"on {node.name}: setenforce 1; semanage permissive -d {domain}",
    )
    who = f"SELinux is enforcing on {node.name}, for {domain} too"
    return command(node, line, r"\AEnforcing\s*\Z", who, hints, steady=True)


TIMED_OUT = 124  # timeout(1)


def reached(client: Node, server: Node, port: int, answer: str) -> Condition:
    """What a TCP connection from one node to another meets: `open`, a program; `refused`, a host on which none listens;
    or `closed`, a firewall, which says so or says nothing (bash(1), REDIRECTION, tells of /dev/tcp).
    """
    line = f"timeout 3 bash -c '</dev/tcp/{server.name}/{port}'"

    def look(lab: Lab) -> Observation:
        result = lab.node(client.name).ask("sh", "-c", line)
        if result.ok:
            seen = "open"
        elif "Connection refused" in result.stderr:
            seen = "refused"
        elif "No route to host" in result.stderr or result.rc == TIMED_OUT:
            seen = "closed"
        else:  # a name that nobody knows, for example, tells nothing of the port
            return Observation(False, f"{line} on {client.name}: {result.last_line()}", known=False)
        return Observation(seen == answer, f"{port}/tcp on {server.name}, from {client.name}: {seen}")

    hints = (
        f"on {client.name}: {line}",
        f'"Connection refused" comes from {server.name} itself, where nobody listens; anything else from a firewall',
        f"on {server.name}: firewall-cmd --list-all; ss -ltn",
    )
    return Condition(f"{port}/tcp on {server.name} is {answer} for {client.name}", look, hints)


def lets_in(node: Node, service: str, *ports: str) -> Condition:
    """The node's firewall runs and lets a service of firewalld in, or these ports, now and after a restart."""

    def look(lab: Lab) -> Observation:
        firewall = lab.node(node.name)
        for when, options in (("now", ()), ("after a restart", ("--permanent",))):
            whole = firewall.ask("firewall-cmd", *options, f"--query-service={service}")
            queries = (firewall.ask("firewall-cmd", *options, f"--query-port={port}") for port in ports)
            if not whole.ok and not (ports and all(query.ok for query in queries)):
                said = whole.last_line()
                return Observation(False, f"the firewall of {node.name}, {service} {when}: {said}")
        return Observation(True, f"the firewall of {node.name} lets {service} in")

    hints = (
        f"on {node.name}: firewall-cmd --list-all, and again with --permanent",
        "what is not permanent is lost; what is only permanent is not in force until the firewall reloads",
        f"on {node.name}: firewall-cmd --permanent --add-service={service} && firewall-cmd --reload",
    )
    expected = f"the firewall of {node.name} lets {service} in, now and after a restart"
    return Condition(expected, look, hints, steady=True)
