"""All faults by name, and what becomes of an instance's state when one is injected or healed."""

from halab import crm
from halab.errors import LabError, NothingChecked
from halab.faults import Fault, Scene, bmc, network, planned, power, processes
from halab.instance import Instance
from halab.state import InjectedFault
from halab.toml import suggestion

ALL: tuple[Fault, ...] = (
    *planned.FAULTS,
    *power.FAULTS,
    *network.FAULTS,
    *processes.FAULTS,
    *bmc.FAULTS,
)
FAULTS = {fault.name: fault for fault in ALL}
ACTIVE = "active"  # stands for the node that has the service's address


def find(name: str) -> Fault:
    """Raises LabError, with the nearest name, when there is no such fault."""
    if name not in FAULTS:
        raise LabError(f'there is no fault "{name}", {suggestion(name, list(FAULTS))}')
    return FAULTS[name]


def inject(instance: Instance, name: str, node: str = ACTIVE, options: dict[str, str] | None = None) -> InjectedFault:
    """Break something. Needs the lock. `node` may be `active`; a fault of all nodes takes none."""
    fault = find(name)
    if unknown := sorted(set(options or {}) - set(fault.options)):
        known = ", ".join(f"--{option}" for option in fault.options) or "none"
        raise LabError(f"{name} does not take --{unknown[0]}; its options are: {known}")
    target = "" if fault.everywhere else _target(instance, node)
    asked = InjectedFault(name=name, node=target, options={**fault.options, **(options or {})})
    for there in instance.state.faults:
        if (there.name, there.node) == (name, target):
            where = f" on {target}" if target else ""
            raise LabError(f"{name} is injected{where} already; try: inv heal")
    instance.remember(instance.state.with_fault(asked))
    try:
        fault.inject(Scene(instance, asked))
    except LabError:
        fault.heal(Scene(instance, asked))
        instance.remember(instance.state.without_fault(asked))
        raise
    return asked


def heal(instance: Instance, name: str | None = None) -> list[InjectedFault]:
    """Heal one kind of fault, or all, the last one first. Needs the lock. Raises NothingChecked when there is none."""
    if name:
        find(name)
    wanted = [fault for fault in reversed(instance.state.faults) if name in (None, fault.name)]
    if not wanted:
        raise NothingChecked(f"nothing is broken by {name or 'a fault'}; inv faults tells what can be")
    for asked in wanted:
        heal_one(instance, asked)
    return wanted


def heal_one(instance: Instance, asked: InjectedFault) -> None:
    """Heal this very fault. Needs the lock."""
    FAULTS[asked.name].heal(Scene(instance, asked))
    instance.remember(instance.state.without_fault(asked))


def heal_outside(instance: Instance) -> None:
    """Heal what a checkpoint does not bring back, as it is not in the nodes, and forget the rest. Needs the lock."""
    for asked in reversed(instance.state.faults):
        if FAULTS[asked.name].outside:
            FAULTS[asked.name].heal(Scene(instance, asked))
        instance.remember(instance.state.without_fault(asked))


def typed(command: str, name: str, node: str | None, options: dict[str, str]) -> str:
    """What a person types for it."""
    place = [f"--node {node}"] if node else []
    return " ".join(["inv", command, name, *place, *(f"--{option} {value}" for option, value in options.items())])


def _target(instance: Instance, node: str) -> str:
    names = [spec.name for spec in instance.spec.nodes]
    if node == ACTIVE:
        holders = crm.holders_of_vip(instance)
        if len(holders) != 1:
            raise LabError(f"no single node is active (the address is on {', '.join(holders) or 'none'}); use --node")
        return holders[0]
    if node not in names:
        raise LabError(f'there is no node "{node}", {suggestion(node, [*names, ACTIVE])}')
    return node
