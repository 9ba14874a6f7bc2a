"""Running a shell that somebody works in, to its end. When the node has ended it, a sentence says so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.instance.state import holder, read_state
from halab.kit import pty
from halab.kit.audience import Audience, Said
from halab.kit.errors import HalabError, LabError, Locked
from halab.kit.recording import Recording
from halab.walk import bringup

BOOT = ("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat")  # another one after each boot (random(4), proc(5))
STARTED = 21  # which word of /proc/PID/stat is when a process started, see proc(5)
LATELY = 60.0  # seconds in which a BMC was told of what has ended a shell
CUTS = ("off", "cycle", "reset")


def finish_first(instance: Instance, audience: Audience) -> None:
    """Finish, or take back, what a killed command has left. Later that would undo what is done in the shell."""
    if not bringup.is_unfinished(instance):
        return

    try:
        with instance.lock():
            bringup.settle(instance, audience)
    except LabError as error:
        audience.tell(Said(f"{error}. What is done in this shell may be undone by that."))
    except Locked as error:
        audience.tell(Said(f"{error}: it may undo what is done in this shell."))


def run(instance: Instance, node: str, argv: Sequence[str], recording: Recording | None) -> int:
    """Run a shell, and return its exit status as a shell has it. One on a node is marked: others see that it runs."""
    by_hand.note(instance)
    on_node = node != Workstation.name
    boot = _boot(instance, node) if on_node else ""
    if on_node:
        os.environ["HALAB_MARK"] = by_hand.shell_mark(instance, node)  # for what is started from here on
    status = pty.run(argv, recording) if recording else _run(argv)
    if status and on_node and (ended := _ended_by(instance, node, boot)):
        sentence = f"\n{ended}: this shell ended with it.\n"
        sys.stderr.write(sentence)
        if recording:
            recording.printed(sentence)
    elif instance.directory.exists():
        by_hand.note(instance)
    return status


def _run(argv: Sequence[str]) -> int:
    sys.stdout.flush()
    with _signals_to_the_shell(), subprocess.Popen(argv) as child:
        status = child.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _signals_to_the_shell() -> Iterator[None]:
    """Leave signals of the terminal to the shell. Handlers do that: a child does not inherit them, unlike SIG_IGN."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _boot(instance: Instance, node: str) -> str:
    """Return what tells one boot of a node from the next; nothing where it cannot be asked."""
    try:
        words = instance.provider.ask(node, BOOT, timeout=20).stdout.split()
    except HalabError:
        return ""
    return " ".join([words[0], words[1 + STARTED]]) if len(words) > 1 + STARTED else ""


def _ended_by(instance: Instance, node: str, boot: str) -> str:
    """Say who took the node's power; nothing when it has had power all the time."""
    if (now := _boot(instance, node)) == boot and now:
        return ""
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
