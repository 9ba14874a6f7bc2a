"""The commands that reach into an instance from this host with what people have here: files, ssh, a browser."""

import sys

from halab.cli import copying, forwarding, ssh_config
from halab.cli.acting import acting
from halab.cli.audience import RichAudience
from halab.cli.report import Report
from halab.cli.selection import open_selected
from halab.cli.shell import finish_first
from halab.instance import by_hand


def copy(source: str, destination: str) -> None:
    """Copy between this host, the nodes and the workstation."""
    instance = open_selected()
    with acting("copy", instance, RichAudience(sys.stderr)) as audience:
        finish_first(instance, audience)
        by_hand.note(instance)
        copying.copy(instance, source, destination, audience)


def forward(target: str, port: int) -> None:
    """Let this host's programs reach a port of the lab, until Ctrl-C."""
    forwarding.forward(open_selected(), target, port, Report().say)


def print_ssh_config() -> None:
    """Print what ssh_config(5) is to say of the nodes."""
    sys.stdout.write(ssh_config.text(open_selected()))
