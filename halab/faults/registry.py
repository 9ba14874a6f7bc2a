"""All faults by name, and what injecting and healing them changes in an instance's state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from halab.faults import Fault, NothingToBreak, Scene, bmc, network, planned, power, processes
from halab.instance import crm
from halab.instance.instance import Instance
from halab.instance.state import InjectedFault
from halab.kit.audience import Event
from halab.kit.errors import CheckFailed, HalabError, LabError, NothingChecked
from halab.kit.toml import suggestion

ALL: tuple[Fault, ...] = (
    *planned.FAULTS,
    *power.FAULTS,
    *network.FAULTS,
    *processes.FAULTS,
    *bmc.FAULTS,
)
FAULTS = {fault.name: fault for fault in ALL}
ACTIVE = "active"  # stands for the node that has the service's address


@dataclass(frozen=True)
class Injected(Event):
    """A fault is injected, and stays until it is healed."""

    kind = "injected"
    fault: InjectedFault

    def data(self) -> dict[str, Any]:
        return {"fault": self.fault.model_dump()}


@dataclass(frozen=True)
class Healed(Event):
    """Faults are healed."""

    kind = "healed"
    faults: tuple[InjectedFault, ...]

    def data(self) -> dict[str, Any]:
        return {"faults": [fault.model_dump() for fault in self.faults]}


def find(name: str) -> Fault:
    """Return the fault of that name. Raises LabError, which suggests the nearest name, when there is none."""
    if name not in FAULTS:
        raise LabError(f'there is no fault "{name}", {suggestion(name, list(FAULTS))}')
    return FAULTS[name]


def refuse(name: str, node: str = ACTIVE, options: dict[str, str] | None = None, names: Sequence[str] = ()) -> None:
    """Raise LabError when a fault is asked for that there cannot be, whatever the cluster is like.

    `names` are those of the nodes, where they are known.
    """
    fault = find(name)
    if unknown := sorted(set(options or {}) - set(fault.options)):
        known = ", ".join(f"--{option}" for option in fault.options) or "none"
        raise LabError(f"{name} does not take --{unknown[0]}; its options are: {known}")
    if fault.everywhere and node != ACTIVE:
        raise LabError(f"{name} is about all nodes, so it does not take --node")
    if names and node not in (*names, ACTIVE):
        raise LabError(f'there is no node "{node}", {suggestion(node, [*names, ACTIVE])}')
    fault.refuse({**fault.options, **(options or {})}, names)


def inject(
    instance: Instance, name: str, node: str = ACTIVE, options: dict[str, str] | None = None, measured: bool = False
) -> InjectedFault:
    """Inject a fault, and return what the state remembers of it. Needs the lock.

    `node` may be `active`. A fault of all nodes ignores it. Raises LabError when the fault cannot be injected. Whatever
    is half done is then healed, and nothing is remembered.
    """
    fault = find(name)
    refuse(name, ACTIVE if fault.everywhere else node, options, [spec.name for spec in instance.spec.nodes])
    target = "" if fault.everywhere else _target(instance, node)
    asked = InjectedFault(name=name, node=target, options={**fault.options, **(options or {})}, measured=measured)
    for there in instance.state.faults:
        if (there.name, there.node) == (name, target):
            where = f" on {target}" if target else ""
            raise LabError(f"{name} is injected{where} already; try: inv heal")
    instance.remember(instance.state.with_fault(asked))
    try:
        fault.inject(Scene(instance, asked))
    except NothingToBreak:
        instance.remember(instance.state.without_fault(asked))
        raise
    except HalabError as error:
        _, unhealed = try_to_heal(instance, [asked])
        instance.remember(instance.state.without_fault(asked))
        left = "".join(f"; and what was done of it stays: {sentence}; try: inv reset" for sentence in unhealed)
        raise LabError(f"{error}{left}") from error
    except KeyboardInterrupt:
        try_to_heal(instance, [asked])
        raise
    return asked


def heal(instance: Instance, name: str | None = None) -> list[InjectedFault]:
    """Heal all faults of one name, or all faults, the last one first, and return them. Needs the lock.

    Raises NothingChecked when there is no such fault. Raises LabError when a fault could not be healed, after the
    others are healed.
    """
    if name:
        find(name)
    wanted = [fault for fault in reversed(instance.state.faults) if name in (None, fault.name)]
    if not wanted:
        raise NothingChecked(f"nothing is broken by {name or 'a fault'}; inv faults tells what can be")
    _, unhealed = try_to_heal(instance, wanted)
    if unhealed:
        raise LabError("; ".join(unhealed))
    return wanted


def try_to_heal(instance: Instance, faults: Sequence[InjectedFault]) -> tuple[list[InjectedFault], list[str]]:
    """Heal these faults. Return those that are healed, and a sentence for each that could not be. Needs the lock.

    A healed fault is forgotten; one that could not be healed is still remembered.
    """
    healed, unhealed = [], []
    for asked in faults:
        try:
            heal_one(instance, asked)
            healed.append(asked)
        except (HalabError, OSError) as error:
            unhealed.append(f"{asked.words} could not be healed: {error}")
    return healed, unhealed


def heal_one(instance: Instance, asked: InjectedFault) -> None:
    """Heal this one fault, and forget it. Needs the lock."""
    FAULTS[asked.name].heal(Scene(instance, asked))
    instance.remember(instance.state.without_fault(asked))


def heal_outside(instance: Instance) -> None:
    """Heal the faults that are outside of nodes, as a checkpoint does not undo them. Forget the others. Needs the lock.

    A fault that cannot be healed is still remembered. It does not keep anybody from going back.
    """
    faults = instance.state.faults[::-1]
    try_to_heal(instance, [asked for asked in faults if FAULTS[asked.name].outside])
    for asked in (asked for asked in faults if not FAULTS[asked.name].outside):
        instance.remember(instance.state.without_fault(asked))


def typed(command: str, name: str, node: str | None, options: dict[str, str]) -> str:
    """Return the command that a person types to inject, heal or measure this fault."""
    place = [f"--node {node}"] if node else []
    return " ".join(["inv", command, name, *place, *(f"--{option} {value}" for option, value in options.items())])


def typed_measurement(
    name: str, node: str | None, repeat: int, writes: str, below: float | None, options: dict[str, str]
) -> str:
    """Return what a person types to measure it."""
    given = {
        **options,
        **({"repeat": str(repeat)} if repeat > 1 else {}),
        **({"below": f"{below:g}"} if below is not None else {}),
        **({"writes": writes} if writes else {}),
    }
    return typed("measure", name, node, given)


def _target(instance: Instance, node: str) -> str:
    names = [spec.name for spec in instance.spec.nodes]
    if node == ACTIVE:
        try:
            node = crm.active(instance)
        except CheckFailed as error:
            raise LabError(f"no single node is active: {error}; use --node") from error
    if node not in names:
        raise LabError(f'there is no node "{node}", {suggestion(node, [*names, ACTIVE])}')
    return node
