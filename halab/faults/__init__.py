"""Something broken on purpose, and how to heal it.

A fault acts on a node's power, on its bridge ports, on its BMC or on its processes, so that it is the same for every
provider. It is remembered in the instance's state before it is injected: whoever comes later, and a `reset`, finds it
there and heals it, even when the command that injected it was killed in the middle.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from halab.instance.instance import Instance
from halab.instance.nodes import Node
from halab.instance.state import InjectedFault
from halab.kit.errors import LabError
from halab.spec import distros
from halab.spec.distros import Distro


@dataclass(frozen=True)
class Scene:
    """What a fault is given: the instance, the node it is about, and what was asked for."""

    instance: Instance
    asked: InjectedFault

    @property
    def node(self) -> Node:
        """Raises LabError when the lab has no such node."""
        for spec in self.instance.spec.nodes:
            if spec.name == self.asked.node:
                return Node(spec, self.instance.provider, lambda text: None)
        raise LabError(f'there is no node "{self.asked.node}" that {self.asked.name} could be about')

    @property
    def distro(self) -> Distro:
        return distros.load(self.instance.state.distro)


def is_running(scene: Scene) -> bool:
    """Whether the node can be asked to heal something; without power it has nothing of what is only in memory.

    Raises LabError when it is frozen: it can be asked later.
    """
    state = scene.node.power()
    if state == "frozen":
        raise LabError(f"{scene.node.name} is frozen; try: inv heal, once it is thawed")
    return state == "on"


@dataclass(frozen=True)
class Fault:
    """`inject` and `heal` may raise LabError; both may be called again. `heal` is also called when a kill has left
    nothing or only half of the fault, and when what has become of the node since has left nothing of it: then it does
    nothing. When it raises, it can be healed later.

    `outside`: it is neither in a node nor in its power, so a node that is put back from a checkpoint still has it.
    `everywhere`: it is about all nodes, and none is chosen. `keeps_out`: while it lasts, some node cannot be a member.
    `options`: what can be said about it besides, with the values it has then.
    """

    name: str
    does: str
    inject: Callable[[Scene], None]
    heal: Callable[[Scene], None]
    outside: bool = False
    everywhere: bool = False
    keeps_out: bool = False
    options: dict[str, str] = field(default_factory=dict)
