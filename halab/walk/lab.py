"""The running lab as a step sees it: what `perform(lab)` and `verify(lab)` are given."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Any

from halab.conditions.checks import CheckResult, Condition, Outcome, evaluate
from halab.conditions.lab import Node
from halab.faults import registry
from halab.instance import crm, nodes
from halab.instance.cluster import ClusterStatus
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience, Event, Said
from halab.kit.errors import CheckFailed, HalabError, LabError
from halab.kit.parallel import for_each
from halab.kit.toml import suggestion
from halab.measure import records, run
from halab.measure.report import Measurement
from halab.spec import distros


@dataclass(frozen=True)
class Typed(Event):
    """Text that appears on a terminal: what is typed, and what that prints."""

    kind = "typed"
    text: str


@dataclass(frozen=True)
class Checked(Event):
    """A check has its result. Its hints are for those who ask for them."""

    kind = "checked"
    result: CheckResult

    def data(self) -> dict[str, Any]:
        return asdict(self.result)


class _Typing:
    """Shows what is said as text of a terminal."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    def tell(self, event: Event) -> None:
        self._audience.tell(Typed(f"{event.text}\n") if isinstance(event, Said) else event)

    def go_on(self, lost: str) -> bool:
        return self._audience.go_on(lost)


class Lab:
    """Everything a step may use. The audience is told what is typed and printed, and each check's result.

    `nodes` are all of them, or the first `cluster_nodes` where that is how many the cluster has.
    """

    def __init__(
        self,
        instance: Instance,
        audience: Audience = NOBODY,
        cluster_nodes: int | None = None,
    ) -> None:
        spec = instance.spec
        self._instance = instance
        self._audience = audience
        self.vip: IPv4Address = spec.vip
        self.clients = spec.networks.lan.workstation
        self.prefix = spec.networks.lan.subnet.prefixlen
        self.cluster = spec.cluster
        self.pace = instance.pace
        self.credentials = spec.credentials
        self.distro = distros.load(instance.state.distro)
        self._nodes = [nodes.Node(node, instance.provider, self._show) for node in spec.nodes[:cluster_nodes]]
        self.nodes: list[Node] = [*self._nodes]
        self.workstation = nodes.Workstation(instance.provider, self._show)
        self.results: list[CheckResult] = []
        self.outages: list[Measurement] = []

    def node(self, name: str) -> Node:
        """Return a node. Raises LabError when the lab has none of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f'there is no node "{name}", {suggestion(name, [node.name for node in self.nodes])}')

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if other.name != node.name]

    def type_on_all(self, commands: Sequence[str]) -> None:
        """Type the same commands on every node at once.

        The first node's terminal is shown live, each other one as a whole when all are done.
        """
        first, *others = [node.spec for node in self.nodes]
        recorded: list[list[str]] = [[] for _ in others]
        shows = [self._show, *(pieces.append for pieces in recorded)]
        typists = [
            nodes.Node(spec, self._instance.provider, show) for spec, show in zip([first, *others], shows, strict=True)
        ]

        def type_all(typist: nodes.Node) -> None:
            for command in commands:
                typist.type(command)

        def close() -> None:
            for typist in typists:
                typist.close()

        try:
            for_each(typists, type_all, cancel=close)
        finally:
            close()
            for pieces in recorded:
                self._show("".join(pieces))

    def ask(self, *argv: str, input: str | None = None) -> str:
        """Return what one of the cluster's commands prints, out of band, on the first node where it succeeds.

        Raises CheckFailed when nodes answer and it fails on each of them, LabError when no node answers.
        """
        return crm.ask(self._instance, *argv, input=input)

    def status(self) -> ClusterStatus:
        """Return the cluster as the first node that answers sees it. Raises as `ask` does."""
        return crm.status(self._instance)

    def active(self) -> Node:
        """Return the one node on which the resource with the VIP is active. Raises CheckFailed when there is none."""
        return self.node(crm.active(self._instance))

    def where(self, resource: str) -> Node:
        """Return the one node that a resource is active on. Raises CheckFailed when it is on none or on several."""
        names = self.status().where(resource)
        if len(names) != 1:
            raise CheckFailed(f"{resource} is active on {', '.join(names) or 'no node'}, expected one node")
        return self.node(names[0])

    def own_name(self, node: Node) -> str:
        """Return what the cluster calls a node. The learner may have given it another name than the lab file has,
        which is returned where there is no cluster to ask.
        """
        try:
            return self.status().own_name(node.name)
        except HalabError:
            return node.name

    def power_events(self, node: Node) -> list[dict[str, object]]:
        """Return what the node's BMC was told to do, oldest first (see Instance.power_events)."""
        return self._instance.power_events(node.name)

    def fault(self, name: str, node: Node | None = None, **options: str) -> None:
        """Inject a fault as `inv fault` does, on the active node if none is given."""
        where = node.name if node else None
        self._show(f"$ {registry.typed('fault', name, where, options)}\n")
        injected = registry.inject(self._instance, name, where or registry.ACTIVE, options)
        self._show(f"Injected {injected.words}.\n")

    def heal(self) -> None:
        """Heal all faults, as `inv heal` does."""
        self._show("$ inv heal\n")
        registry.heal(self._instance)

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
        """Measure the outage that a fault causes, and the writes that it loses, as `inv measure` does; keep that."""
        where = node.name if node else None
        self._show(f"$ {registry.typed_measurement(name, where, repeat, writes, below, options)}\n")
        measurement = run.measure(
            self._instance,
            name,
            where or registry.ACTIVE,
            options,
            repeat=repeat,
            writes=writes,
            audience=_Typing(self._audience),
            below=below,
        )
        records.keep(self._instance, measurement, self._audience)

    def outage(self, name: str, node: Node, limit: float) -> Measurement:
        """Measure one outage, for at most `limit` seconds, and add it to `outages`.

        The cluster need not be whole, neither before nor afterwards.
        """
        self.outages.append(run.once(self._instance, name, node.name, limit, self._audience))
        return self.outages[-1]

    def measurements(self, fault: str) -> list[Measurement]:
        """Return the measurements of one fault that were made since the lab began, oldest first."""
        return [found for found in records.everything(self._instance) if found.fault == fault]

    def configuration(self) -> str:
        """Return a digest of how the cluster is configured now, as measurements have it."""
        return run.configuration(self._instance)

    def settle(self) -> None:
        """Wait, half a minute at most, until nothing is under way in the cluster, if there is one."""
        with suppress(CheckFailed, LabError):
            crm.ask(self._instance, "crm_resource", "--wait", "--timeout=30s", timeout=40)

    def check(
        self, sentence: str, condition: Condition, *, within: float = 0, hint: str | tuple[str, ...] = ()
    ) -> None:
        """State one check and look, at most `within` seconds. After one that is not passed, the
        later ones do not wait.

        The condition's own hints are given, unless the step has better ones.
        """
        waited = any(result.outcome is not Outcome.PASSED for result in self.results)
        result = evaluate(
            sentence, condition, self, within=0 if waited else within * self.pace.factor, hints=condition.hints_or(hint)
        )
        self.results.append(result)
        self._audience.tell(Checked(result))

    def _show(self, text: str) -> None:
        self._audience.tell(Typed(text))

    def close(self) -> None:
        for node in self._nodes:
            node.close()
