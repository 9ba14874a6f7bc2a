"""Why a shell on a node has ended: what took the node's power, or rebooted it, while the shell was open."""

import time

from halab.instance.instance import Instance
from halab.instance.state import holder, read_state
from halab.kit.errors import HalabError
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF

BOOT = ("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat")  # another one after each boot (random(4), proc(5))
STARTED = 21  # which word of /proc/PID/stat is when a process started, see proc(5)
LATELY = 60.0  # seconds in which a BMC was told of what has ended a shell
CUTS = ("off", "cycle", "reset")


def boot_of(instance: Instance, node: str) -> str:
    """Return what tells one boot of a node from the next; nothing where it cannot be asked."""
    try:
        words = instance.provider.ask(node, BOOT, timeout=20).stdout.split()
    except HalabError:
        return ""
    return " ".join([words[0], words[1 + STARTED]]) if len(words) > 1 + STARTED else ""


def ended_by(instance: Instance, node: str, boot: str) -> str:
    """Say who took the node's power; nothing when it has had power all the time."""
    if (now := boot_of(instance, node)) == boot and now:
        return ""
    if how := _ended_itself(instance, node):
        return how
    if who := holder(instance.directory):
        return f"{node} was switched off by {who}"
    try:
        if instance.provider.power_states()[node] == "on" and not boot:
            return ""
        state = read_state(instance.directory)
    except HalabError:
        state = None
    cut = [fault.name for fault in (state.faults if state else ()) if fault.node == node]
    if "power-cut" in cut or "reboot" in cut:
        return f"{node} was switched off by a fault, {' and '.join(cut)}"
    peers = {str(peer.mgmt): f", {peer.name}" for peer in instance.spec.nodes}
    for event in reversed(instance.power_events(node)):
        if event["action"] in CUTS and time.time() - float(str(event["time"])) < LATELY:
            asker = str(event["from"])
            return f"{node} was switched off through its BMC, as {asker}{peers.get(asker, '')} asked"
    return f"{node} lost its power, or was rebooted"


def _ended_itself(instance: Instance, node: str) -> str:
    """Say how the system of a node ended by itself; nothing when it did not."""
    try:
        how = instance.provider.ended(node)
    except HalabError:
        return ""
    return {
        REBOOTS: f"{node} reboots",
        SWITCHED_OFF: f"{node} was switched off by its own system",
        CRASHED: f"{node}'s system has crashed",
    }.get(how or "", "")
