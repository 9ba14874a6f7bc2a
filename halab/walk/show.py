"""Reading a step without running it: the step performs on a recorder, so text and demonstration have one source."""

from dataclasses import dataclass, field
from typing import Any

from halab.conditions.checks import Condition
from halab.faults.registry import typed
from halab.spec import distros
from halab.spec.distros import Distro
from halab.spec.labs import Step
from halab.spec.models import LabSpec, NodeSpec


@dataclass(frozen=True)
class Entry:
    """A command on a node (`where`), or a check, in the order in which the step comes to it."""

    kind: str  # "command" or "check"
    where: str
    text: str
    answers: tuple[str, ...] = ()


@dataclass
class Recorder:
    """Stands in for lab.Lab; whatever a step asks about the cluster, the first node is the answer."""

    spec: LabSpec
    distro: Distro
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vip = self.spec.vip
        self.prefix = self.spec.networks.lan.subnet.prefixlen
        self.cluster = self.spec.cluster
        self.credentials = self.spec.credentials
        self.nodes = [RecordedNode(node, self.entries) for node in self.spec.nodes]
        self.workstation = RecordedPlace("workstation", self.entries)

    def node(self, name: str) -> "RecordedNode":
        return next(node for node in self.nodes if node.name == name)

    def others(self, node: "RecordedNode") -> list["RecordedNode"]:
        return [other for other in self.nodes if other.name != node.name]

    def where(self, resource: str) -> "RecordedNode":
        return self.nodes[0]

    def type_on_all(self, commands: tuple[str, ...]) -> None:
        self.entries.extend(Entry("command", "every node", command) for command in commands)

    def fault(self, name: str, node: "RecordedNode | None" = None, **options: str) -> None:
        self._type(typed("fault", name, node.name if node else None, options))

    def heal(self) -> None:
        self._type("inv heal")

    def measure(self, name: str, node: "RecordedNode | None" = None, **options: object) -> None:
        given = {option: str(value) for option, value in options.items()}
        self._type(typed("measure", name, node.name if node else None, given))

    def _type(self, command: str) -> None:
        self.entries.append(Entry("command", "the host", command))

    def check(self, sentence: str, condition: Condition, **options: Any) -> None:
        self.entries.append(Entry("check", "", sentence))


class RecordedPlace:
    def __init__(self, name: str, entries: list[Entry]) -> None:
        self.name = name
        self._entries = entries

    def type(self, command: str, *, answers: dict[str, str] | None = None, **options: Any) -> str:
        self._entries.append(Entry("command", self.name, command, tuple((answers or {}).values())))
        return ""


class RecordedNode(RecordedPlace):
    def __init__(self, spec: NodeSpec, entries: list[Entry]) -> None:
        super().__init__(spec.name, entries)
        self.spec = spec
        self.lan, self.mgmt, self.bmc = spec.lan, spec.mgmt, spec.bmc

    def wait_booted(self, within: float = 0) -> None:
        """On a recorder, time does not pass."""


def record(step: Step, spec: LabSpec, distro: str) -> list[Entry]:
    """The commands that `perform` types and the checks that `verify` makes, in order."""
    recorder = Recorder(spec, distros.load(distro))
    step.perform(recorder)
    step.verify(recorder)
    return recorder.entries
