"""Asking a node something, and telling a cluster that hangs from a node that cannot be asked."""

from collections.abc import Sequence

from halab.kit.errors import CheckFailed
from halab.kit.process import CommandResult, NotDone
from halab.providers import Provider


class Hangs(CheckFailed):
    """A program hangs on a node that does other things."""


def ask(
    provider: Provider, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float
) -> CommandResult:
    """Return what a program left that asks something on a node (see Provider.ask).

    Raises LabError when the node cannot be asked. Raises Hangs when it can, and only this program hangs: it waits for
    something of the cluster, which is as whoever works on it has made it.
    """
    try:
        return provider.ask(node, argv, input=input, timeout=timeout)
    except NotDone as error:
        provider.ask(node, ["true"], timeout=timeout)
        raise Hangs(f"{node}: {error}, while the node does other things") from error
