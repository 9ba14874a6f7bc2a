"""Running a shell that somebody works in, to its end. When the node has ended it, a sentence says so."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress

from halab.instance import by_hand, shell_ends, terminals
from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.kit import pty
from halab.kit.audience import Audience, Said
from halab.kit.errors import HalabError, LabError, Locked
from halab.kit.recording import Recording
from halab.walk import bringup

INTERRUPT = """\
for place in /proc/[0-9]*; do
    if grep -qsxz -F -e "$1" "$place/environ"; then kill -s INT "${place#/proc/}"; fi
done
"""
WORKSTATION_PROMPT = "PS1=[learner@workstation \\W]$ "


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


def argv(
    instance: Instance, place: str, command: Sequence[str], terminal: bool, settings: Mapping[str, str] | None = None
) -> list[str]:
    """Return the host's command that runs a shell, or a command, on a node or the workstation.

    `settings` tell a shell of its terminal; without them it is this process's own.
    A command of one word is a line for the shell, as ssh(1) has it. One of more words is run with exactly these.
    Raises LabError when the node has no power, or is frozen: whatever is run there would fail, or hang.
    """
    if place == Workstation.name:
        shell = _running(command) if command else ["env", WORKSTATION_PROMPT, "bash"]
        own = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
        return instance.provider.learner_argv(terminals.fitting(shell), settings or own)
    state = instance.provider.power_states()[place]
    if state == "frozen":
        raise LabError(f"{place} is frozen: a shell on it would hang; try: inv heal")
    if state == "off" and place in instance.starting():
        raise LabError(f"{place} is about to boot; try again in some seconds")
    if state != "on":
        raise LabError(f"{place} is {state}; try: {'inv up' if state == 'absent' else f'inv bmc {place} on'}")
    told = {**(settings or {"TERM": os.environ.get("TERM", "xterm")}), **({} if terminal else _mark())}
    shell = _running(command) if command else ["bash", "--login"]
    return instance.provider.console_argv(place, terminals.fitting(shell), told, terminal=terminal)


def _running(command: Sequence[str]) -> list[str]:
    """Return how bash(1) runs a command, which may be one of its own."""
    return ["bash", "-c", "--", *command] if len(command) == 1 else ["bash", "-c", '"$@"', "bash", *command]


def _mark() -> dict[str, str]:
    """Return the setting by which what this process runs without a terminal is found on a node."""
    return {"HALAB_COMMAND": str(os.getpid())}


def _interrupt(instance: Instance, node: str) -> None:
    """Send what was run on a node the SIGINT that a terminal would have sent."""
    mark = "=".join(*_mark().items())
    with suppress(HalabError):
        instance.provider.run(node, ["sh", "-c", INTERRUPT, "sh", mark])


def run(instance: Instance, node: str, argv: Sequence[str], recording: Recording | None, terminal: bool = True) -> int:
    """Run a shell, and return its exit status as a shell has it. One on a node is marked: others see that it runs.

    Without `terminal`, Ctrl-C ends what is run, and raises KeyboardInterrupt.
    """
    by_hand.note(instance)
    on_node = node != Workstation.name
    boot = shell_ends.boot_of(instance, node) if on_node else ""
    if on_node:
        os.environ["HALAB_MARK"] = by_hand.shell_mark(instance, node)  # for what is started from here on
    try:
        with _signals_to_the_shell() if terminal else nullcontext():
            if recording:
                status = pty.run(argv, recording)
            elif terminal and not on_node and pty.on_terminal():
                status = pty.run_apart(argv)  # as podman and ssh have one for what they run on a node
            else:
                status = _run(argv)
    except KeyboardInterrupt:
        if on_node:
            _interrupt(instance, node)
            by_hand.note(instance)
        raise
    if status and on_node and (ended := shell_ends.ended_by(instance, node, boot)):
        sentence = f"\n{ended}: this shell ended with it.\n"
        sys.stderr.write(sentence)
        if recording:
            recording.printed(sentence)
    elif instance.directory.exists():
        by_hand.note(instance)
    return status


def _run(argv: Sequence[str]) -> int:
    sys.stdout.flush()
    with subprocess.Popen(argv) as child:
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
