"""Telling whether a peer's Pacemaker has fenced a node: its fencer's word is held against the BMC's log."""

import re
from collections.abc import Sequence

from halab.conditions.lab import Lab, Node
from halab.instance.cluster import Fenced, parse_history
from halab.kit.errors import HalabError

CUTS = ("off", "cycle", "reset")
TAKES = 60.0  # seconds from the first order to a BMC until Pacemaker calls it done; more on slow machines
SKEW = 5.0  # seconds that a node's clock may be off: that of a machine is its own
LOG = "/var/log/pacemaker/pacemaker.log"
LINE = r"Operation '?(reboot|off)'? targeting {node} by [^ ]+ for [^ ]+: OK"
QUARTER = 900  # seconds: clocks all over the world differ by quarters of an hour


def fenced(lab: Lab, node: Node, since: float = 0) -> list[Fenced]:
    """Return the fencings of a node since then that peers' fencers know of, and of which a peer told its BMC: to go
    off, or only to go on again, where the power was gone already.
    """
    peers = {str(peer.mgmt) for peer in lab.others(node)}
    told = [_time(event) for event in lab.power_events(node) if event["from"] in peers]
    return [done for done in _history(lab, node) if done.at >= since - SKEW and _agrees(lab, done.at, told)]


def logged(lab: Lab, node: Node) -> bool:
    """Return whether some peer's log has a fencing of the node at the time at which that peer told its BMC. A log
    outlives a restart of the cluster; a fencer's memory does not.
    """
    pattern = LINE.format(node=re.escape(lab.own_name(node)))
    for peer in lab.others(node):
        events = [event for event in lab.power_events(node) if event["from"] == str(peer.mgmt)]
        cuts = [_time(event) % QUARTER for event in events if event["action"] in CUTS]
        try:
            told = peer.ask("grep", "--extended-regexp", "--text", pattern, LOG).stdout
        except HalabError:
            continue
        for line in told.splitlines():
            at = _of_the_clock(line)
            if at is not None and _agrees(lab, at % QUARTER, [*cuts, *(cut - QUARTER for cut in cuts)]):
                return True
    return False


def _history(lab: Lab, node: Node) -> list[Fenced]:
    found: dict[Fenced, None] = {}
    victim = lab.own_name(node)
    for peer in lab.others(node):
        try:
            told = peer.ask("stonith_admin", "--history", victim, "--output-as=xml", timeout=30)
            known = parse_history(told.stdout) if told.ok else []
        except HalabError:  # it has no power, or no cluster
            continue
        found |= dict.fromkeys(done for done in known if done.node == victim)
    return list(found)


def _agrees(lab: Lab, done: float, orders: Sequence[float]) -> bool:
    return any(-SKEW <= done - order <= TAKES * lab.pace.slowness + SKEW for order in orders)


def _of_the_clock(line: str) -> float | None:
    """Return the seconds since midnight of how Pacemaker's log begins its lines: "Nov 27 01:00:52.170"."""
    found = re.match(r"\w{3} +\d+ (\d\d):(\d\d):(\d\d)", line)
    if not found:
        return None
    hours, minutes, seconds = map(int, found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _time(event: dict[str, object]) -> float:
    return float(str(event["time"]))
