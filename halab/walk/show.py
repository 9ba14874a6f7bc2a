"""Reading a step without running it: the step performs on a recorder, so text and demonstration have one source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from halab.conditions.checks import Condition
from halab.conditions.lab import Lab, Node
from halab.faults.registry import typed, typed_measurement
from halab.instance.cluster import ClusterStatus
from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult
from halab.measure.report import Measurement
from halab.spec import distros
from halab.spec.distros import Distro
from halab.spec.labs import Step
from halab.spec.models import LabSpec, NodeSpec


@dataclass(frozen=True)
class Entry:
    """What a step does next: it types a command on a node (`where`), or makes a check."""

    kind: str  # "command" or "check"
    where: str
    text: str
    answers: tuple[str, ...] = ()


class AskedOfCluster(LabError):
    """A step asked something that a recorder cannot answer: only a real cluster can."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is asked of a real cluster")


@dataclass
class Recorder:
    """A stand-in for the running lab. Where a step asks for a node of the cluster, this answers with the first one.
    Raises AskedOfCluster when the step asks for something else.
    """

    spec: LabSpec
    distro: Distro
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vip = self.spec.vip
        self.clients = self.spec.networks.lan.workstation
        self.prefix = self.spec.networks.lan.subnet.prefixlen
        self.cluster = self.spec.cluster
        self.pace = Pace()
        self.credentials = self.spec.credentials
        self.nodes: list[Node] = [RecordedNode(node, self.entries) for node in self.spec.nodes]
        self.workstation = RecordedPlace("workstation", self.entries)

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if other.name != node.name]

    def active(self) -> Node:
        return self.nodes[0]

    def where(self, resource: str) -> Node:
        return self.nodes[0]

    def type_on_all(self, commands: Sequence[str]) -> None:
        self.entries.extend(Entry("command", "every node", command) for command in commands)

    def fault(self, name: str, node: Node | None = None, **options: str) -> None:
        self._type(typed("fault", name, node.name if node else None, options))

    def heal(self) -> None:
        self._type("inv heal")

    def measure(
        self,
        name: str,
        node: Node | None = None,
        *,
        repeat: int = 1,
        writes: str = "",
        below: float | None = None,
        **options: str,
    ) -> None:
        self._type(typed_measurement(name, node.name if node else None, repeat, writes, below, options))

    def _type(self, command: str) -> None:
        self.entries.append(Entry("command", "the host", command))

    def check(
        self, sentence: str, condition: Condition, *, within: float = 0, hint: str | tuple[str, ...] = ()
    ) -> None:
        self.entries.append(Entry("check", "", sentence))

    def ask(self, *argv: str, input: str | None = None) -> str:
        raise AskedOfCluster("ask")

    def status(self) -> ClusterStatus:
        raise AskedOfCluster("status")

    def own_name(self, node: Node) -> str:
        return node.name

    def power_events(self, node: Node) -> list[dict[str, object]]:
        raise AskedOfCluster("power_events")

    def outage(self, name: str, node: Node, limit: float) -> Measurement:
        raise AskedOfCluster("outage")

    def measurements(self, fault: str) -> list[Measurement]:
        raise AskedOfCluster("measurements")

    def configuration(self) -> str:
        raise AskedOfCluster("configuration")

    def settle(self) -> None:
        """Return at once, as nothing is under way on a recorder."""


class RecordedPlace:
    def __init__(self, name: str, entries: list[Entry]) -> None:
        self.name = name
        self._entries = entries

    def type(
        self,
        command: str,
        *,
        answers: Mapping[str, str] = {},
        expect: str | None = None,
        within: float = 0,
        fails: bool = False,
    ) -> str:
        self._entries.append(Entry("command", self.name, command, tuple(answers.values())))
        return ""

    def run(self, *argv: str, input: str | None = None, timeout: float = 60) -> CommandResult:
        raise AskedOfCluster("run")


class RecordedNode(RecordedPlace):
    def __init__(self, spec: NodeSpec, entries: list[Entry]) -> None:
        super().__init__(spec.name, entries)
        self.spec = spec
        self.lan, self.mgmt, self.bmc = spec.lan, spec.mgmt, spec.bmc

    def ask(self, *argv: str, input: str | None = None, timeout: float = 20) -> CommandResult:
        raise AskedOfCluster("ask")

    def power(self) -> str:
        raise AskedOfCluster("power")

    def wait_booted(self, within: float = 60) -> None:
        """Return at once, as no time passes on a recorder."""


def record(step: Step, spec: LabSpec, distro: str) -> list[Entry]:
    """Return the commands that `perform` types and the checks that `verify` makes, in order."""
    recorder = Recorder(spec, distros.load(distro))
    lab: Lab = recorder
    step.perform(lab)
    step.verify(lab)
    return recorder.entries
