"""Faults of a whole node: it has no power, or it is frozen."""

from halab.faults import Fault, Scene


def _cut(scene: Scene) -> None:
    scene.instance.cut_power(scene.node.name)


def _power_on(scene: Scene) -> None:
    """Wait until the node has booted, with power. A frozen one has power: it has booted, or will once it is thawed."""
    if scene.node.power() == "frozen":
        return
    if scene.node.power() == "off":
        scene.instance.power_on(scene.node.name)
    scene.node.wait_booted()


def _cycle(scene: Scene) -> None:
    _cut(scene)
    scene.instance.power_on(scene.node.name)


def _freeze(scene: Scene) -> None:
    scene.instance.provider.freeze([scene.node.name])


def _thaw(scene: Scene) -> None:
    """Thaw the node, even if it runs.

    It may still be silent then, if the command that froze it was killed in the middle.
    """
    if scene.node.power() != "off":
        scene.instance.provider.thaw([scene.node.name])
    _power_on(scene)


FREEZE = "freeze"
FAULTS = (
    Fault("power-cut", "the node loses its power, as if its plug was pulled; its BMC does not", _cut, _power_on),
    Fault("reboot", "the node's power goes and comes back", _cycle, _power_on),
    Fault(
        FREEZE,
        "the node hangs: nothing runs, nothing answers, and once thawed it believes that no time has passed",
        _freeze,
        _thaw,
    ),
)
