"""Faults: things that are broken on purpose, each with its way to heal it.

A fault acts on a node's power, on its bridge ports, on its BMC or on its processes, so it is the same on every
provider. The instance's state remembers a fault before it is injected. So whoever comes later, and a `reset`, finds it
there and heals it, even when the command that injected it was killed in the middle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from halab.instance.instance import Instance
from halab.instance.nodes import Node
from halab.instance.state import InjectedFault
from halab.kit.errors import LabError
from halab.spec import distros
from halab.spec.distros import Distro


@dataclass(frozen=True)
class Scene:
    """What a fault is given: the instance, and what was asked for, which includes the node."""

    instance: Instance
    asked: InjectedFault

    @property
    def node(self) -> Node:
        """Return the node that the fault is about. Raises LabError when the lab has no such node."""
        for spec in self.instance.spec.nodes:
            if spec.name == self.asked.node:
                return Node(spec, self.instance.provider, lambda text: None)
        raise LabError(f'there is no node "{self.asked.node}" that {self.asked.name} could be about')

    @property
    def distro(self) -> Distro:
        return distros.load(self.instance.state.distro)


class NothingToBreak(LabError):
    """A fault finds nothing that it could break, and has done nothing."""


def is_running(scene: Scene) -> bool:
    """Return whether the node has power, so that it can be asked to heal something.

    Without power, whatever was only in its memory is gone. Raises LabError when the node is frozen: it can be asked
    later.
    """
    state = scene.node.power()
    if state == "frozen":
        raise LabError(f"{scene.node.name} is frozen; try: inv heal, once it is thawed")
    return state == "on"


@dataclass(frozen=True)
class Fault:
    """A fault: how to inject it, how to heal it, and what has to be known of it.

    `inject` and `heal` may raise LabError, and both may be called again. When `inject` raises NothingToBreak, nothing
    is healed. `heal` is also called when a kill has left only half of the fault, or nothing of it, and when the node
    has lost all of it since: then it does nothing. When it raises, the fault can be healed later.

    `outside`: the fault is neither in a node nor in its power, so a node that is put back from a checkpoint still has
    it. `everywhere`: it is about all nodes, so none is chosen. `keeps_out`: while it lasts, some node cannot be a
    member. `options`: the options that it takes, with their defaults. `refuse` is given the options, and the names of
    the nodes where they are known, and raises LabError when it can do nothing with them.
    """

    name: str
    does: str
    inject: Callable[[Scene], None]
    heal: Callable[[Scene], None]
    outside: bool = False
    everywhere: bool = False
    keeps_out: bool = False
    options: dict[str, str] = field(default_factory=dict)
    refuse: Callable[[dict[str, str], Sequence[str]], None] = lambda options, names: None
