"""What one node's own system says: commands, systemd, ports."""

import re
from dataclasses import replace

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.kit.process import NotDone, PrintedTooMuch


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
        except NotDone as error:  # by the node's own programs
            asked.ask("true")  # raises LabError where it is the node that hangs
            return Observation(False, f"{node.name}: {error}")
        if not result.ok:
            return Observation(False, f"`{line}` on {node.name}: exit status {result.rc}, {result.cause()!r}")
        said = (result.stdout.strip() or result.stderr.strip() or "nothing").splitlines()[-1]
        ok = re.search(prints, result.stdout, re.DOTALL) is not None
        return Observation(ok, f"`{line}` on {node.name}: exit status {result.rc}, {said!r}")

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
    return _of_unit(
        unit, node, command(node, f"systemctl is-active {unit}", "", f"{unit} is active on {node.name}", hints)
    )


def enabled(node: Node, unit: str) -> Condition:
    """A systemd unit starts when the node boots."""
    hints = (
        f"on {node.name}: systemctl is-enabled {unit}",
        "a daemon that was only started is gone after the next boot",
        f"on {node.name}: systemctl enable {unit}",
    )
    line = f"systemctl is-enabled {unit}"
    return _of_unit(unit, node, command(node, line, "", f"{unit} is enabled on {node.name}", hints, steady=True))


def _of_unit(unit: str, node: Node, condition: Condition) -> Condition:
    """Return the condition with hints on what systemd knows of the unit (systemctl(1), show)."""

    def look(lab: Lab) -> Observation:
        return replace(condition.look(lab), hints=lambda: _known_of(unit, lab.node(node.name)))

    return replace(condition, look=look)


def _known_of(unit: str, node: Node) -> tuple[str, ...]:
    known = node.ask("systemctl", "show", "--property=LoadState,ActiveState", unit).stdout.split()
    where = f"on {node.name}: systemctl status {unit}; journalctl -u {unit}"
    if "LoadState=masked" in known:
        mend = f"on {node.name}: systemctl unmask {unit}; systemctl enable --now {unit}"
        return where, f"{unit} is masked, so nothing can start it, and enable has no effect", mend
    if "LoadState=not-found" in known:
        return where, f"{node.name} has no {unit}", f"on {node.name}: install the package that brings {unit}"
    if "ActiveState=failed" in known:
        return where, f"{unit} was started, and failed", f"mend what its journal says; systemctl restart {unit}"
    return ()


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


def _met(server: Node, port: int, seen: str, wanted: str) -> tuple[str, ...]:
    """Hints on what a connection met in place of what was wanted."""
    listening, firewall = f"on {server.name}: ss -ltnp", f"on {server.name}: firewall-cmd --list-all-zones"
    if seen == "closed":
        opening = f"firewall-cmd --permanent --add-port={port}/tcp; firewall-cmd --reload"
        return firewall, f"the firewall of {server.name} does not let {port}/tcp in", f"on {server.name}: {opening}"
    if wanted == "open":
        return listening, f"the firewall lets {port}/tcp in, and nobody listens there", "start the daemon: systemctl"
    if wanted == "closed":
        return (
            firewall,
            f"the firewall of {server.name} lets {port}/tcp in, by a service, a port, a zone or a rule",
            f"on {server.name}: take that out, with --permanent; then firewall-cmd --reload",
        )
    return listening, f"a program listens at {port}/tcp on {server.name}", "stop that program: systemctl"


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
            return Observation(False, f"{line} on {client.name}: {result.cause()}", known=False)
        told = f"{port}/tcp on {server.name}, from {client.name}: {seen}"
        return Observation(seen == answer, told, hints=lambda: _met(server, port, seen, answer))

    hints = (
        f"on {client.name}: {line}",
        f'"Connection refused" comes from {server.name} itself, where nobody listens; anything else from a firewall',
        f"on {server.name}: firewall-cmd --list-all; ss -ltn",
    )
    return Condition(f"{port}/tcp on {server.name} is {answer} for {client.name}", look, hints)
