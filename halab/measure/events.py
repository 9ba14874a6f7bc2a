"""What happened inside the cluster, as the nodes' journals and the BMCs report it, on the host's clock.

Journals have microseconds, while Corosync's own log file has only seconds. The sentences looked for are those of
Corosync 3 (exec/totemsrp.c) and of Pacemaker 2.1 and 3.0 (fenced, controld).
"""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from halab.instance.instance import Instance
from halab.kit.errors import HalabError, LabError
from halab.kit.parallel import for_each

DAEMONS = ("corosync", "pacemaker-fenced", "pacemaker-controld")
JOURNAL = ("journalctl", "--output=json", "--output-fields=MESSAGE", "--no-pager")
ATTEMPTS = 3  # readings of a node's clock; the quickest answer is the most exact


@dataclass(frozen=True)
class Event:
    """Something that happened at a time, in seconds since the epoch.

    `kind` is a key of SENTENCES, or `power` for an order to a BMC. `node` is the node that it happened to, and `teller`
    the node that reported it, or `bmc`. `resource` is set when the event is about a resource.
    """

    at: float
    kind: str
    teller: str
    node: str
    text: str
    resource: str = ""


# lost and joined are memberships of Corosync; fenced is Pacemaker's own word that the node is down
SENTENCES = {
    "token": r"A processor failed, forming new configuration",
    "lost": r"A new membership .*Members.* left: ",
    "joined": r"A new membership .*Members joined: ",
    "fencing": r"Requesting peer fencing \(\w+\) targeting (?P<node>\S+)",
    "fenced": r"Operation '?(?:reboot|off)'? targeting (?P<node>\S+) by \S+ for \S+: OK",
    "unfenced": r"Operation '?(?:reboot|off)'? targeting (?P<node>\S+) (?:by \S+ )?for \S+: (?!OK)",
    "failed": r"Result of monitor operation for (?P<resource>\S+) on (?P<node>\S+): (?!ok|OK|Cancelled)",
    "started": r"Result of start operation for (?P<resource>\S+) on (?P<node>\S+): (?:ok|OK)",
    "stopped": r"Result of stop operation for (?P<resource>\S+) on (?P<node>\S+): (?:ok|OK)",
}


def collect(instance: Instance, since: float, own_names: Mapping[str, str] = {}) -> list[Event]:
    """Return all events since a time, oldest first. A node that cannot be asked contributes none.

    `own_names` maps the lab's name of a node to the cluster's name, where they differ.
    """
    names = {own: node for node, own in own_names.items()}
    found: list[Event] = []

    def of_node(name: str) -> None:
        try:
            late = offset(instance, name)
            begin = f"--since=@{since + late - 1:.3f}"
            wanted = [f"--identifier={daemon}" for daemon in DAEMONS]
            told = instance.provider.ask(name, [*JOURNAL, begin, *wanted]).stdout
        except HalabError:
            return
        events = [event for event in parse_journal(told.splitlines(), name, late) if event.at >= since]
        found.extend(replace(event, node=names.get(event.node, event.node)) for event in events)

    powered = [name for name, state in instance.provider.power_states().items() if state == "on"]
    for_each(powered, of_node)
    for node in instance.spec.nodes:
        for event in instance.power_events(node.name):
            at = float(str(event["time"]))
            if at >= since:
                found.append(Event(at, "power", "bmc", node.name, f"{event['action']}, from {event['from']}"))
    return sorted(found, key=lambda event: event.at)


def offset(instance: Instance, node: str) -> float:
    """Return by how many seconds the node's clock is ahead of the host's."""

    def ask() -> tuple[float, float]:
        before = time.time()
        told = instance.provider.ask(node, ["date", "+%s.%N"])
        after = time.time()
        if not told.ok:
            raise LabError(f"{node} does not tell the time: {told.cause()}")
        return after - before, float(told.stdout) - (before + after) / 2

    return min(ask() for _ in range(ATTEMPTS))[1]


def parse_journal(lines: Iterable[str], teller: str, late: float = 0) -> list[Event]:
    """Return the events in lines of `journalctl --output=json` (systemd.journal-fields(7)).

    An event is a line that contains one of SENTENCES. `late` is by how many seconds the node's clock is ahead.
    """
    found = []
    for line in lines:
        entry = json.loads(line)
        message = entry.get("MESSAGE")
        if not isinstance(message, str):  # journalctl gives a message with unprintable characters as a list of bytes
            continue
        for kind, sentence in SENTENCES.items():
            if said := re.search(sentence, message):
                about = said.groupdict()
                at = int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000 - late
                resource = about.get("resource") or ""
                found.append(Event(at, kind, teller, about.get("node") or "", message, resource))
                break
    return found
