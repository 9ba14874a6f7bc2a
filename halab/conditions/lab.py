"""What steps, graders and conditions may ask of a lab.

The running lab (halab.walk.lab) keeps these protocols, and so does the recorder on which a step is read without a
cluster (halab.walk.show).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # checks.py and what makes conditions import this
    from halab.conditions.checks import Condition
    from halab.instance.cluster import ClusterStatus
    from halab.kit.pace import Pace
    from halab.kit.process import CommandResult
    from halab.measure.report import Measurement
    from halab.spec.distros import Distro
    from halab.spec.models import Credentials, NodeSpec


class Node(Protocol):
    """Addresses: `lan`, `mgmt`, and `bmc`, which is the controller's and not the node's.

    The names of the interfaces that have them differ between containers and machines.
    """

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> NodeSpec: ...
    @property
    def lan(self) -> IPv4Address: ...
    @property
    def mgmt(self) -> IPv4Address: ...
    @property
    def bmc(self) -> IPv4Address: ...

    def type(
        self,
        command: str,
        *,
        answers: Mapping[str, str] = {},
        expect: str | None = None,
        within: float = 300,
        fails: bool = False,
    ) -> str:
        """Type a command as a person would, and return what it printed.

        `answers` maps prompts (regular expressions) to the lines typed at them. With `expect` the command is typed
        again, at most `within` seconds, until it succeeds and prints what the regular expression says (`.` matches
        newlines too). Raises LabError when the command fails (with `fails`: when it does not), or never prints what is
        expected.
        """

    def run(self, *argv: str, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Run a command out of band: not shown, not on the console. Raises LabError when the node is unreachable."""

    def ask(self, *argv: str, input: str | None = None, timeout: float = 20) -> CommandResult:
        """Ask something out of band, with programs that no learner has changed. Raises as `run`, and CheckFailed when
        only this command hangs, as what it asks does.
        """

    def power(self) -> str:
        """Return `on`, `off`, `frozen` or `absent`, as the provider knows it."""

    def wait_booted(self, within: float = 60) -> None:
        """Wait until the node's systemd has started all that it will start; raises LabError after `within` seconds."""


class Workstation(Protocol):
    """The place where clients and the learner are: an address on every network, and no part of the cluster."""

    @property
    def name(self) -> str: ...

    def type(self, command: str, *, within: float = 0) -> str:
        """Type a command, and return what it printed. One that fails is typed again, at most `within` seconds.

        Raises LabError when it still fails then.
        """

    def run(self, *argv: str, timeout: float = 60) -> CommandResult:
        """Run a command that is not shown."""


class Lab(Protocol):
    """A lab with its cluster. `nodes` are all nodes, or those that the cluster of this lab has."""

    @property
    def vip(self) -> IPv4Address: ...
    @property
    def clients(self) -> IPv4Address:
        """The address on `lan` of the workstation, where clients are."""

    @property
    def prefix(self) -> int:
        """The length of the VIP's network prefix, in bits."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""

    @property
    def pace(self) -> Pace:
        """How slow the nodes are."""

    @property
    def credentials(self) -> Credentials: ...
    @property
    def distro(self) -> Distro: ...
    @property
    def nodes(self) -> Sequence[Node]: ...
    @property
    def workstation(self) -> Workstation: ...

    def node(self, name: str) -> Node:
        """Return the node of that name. Raises LabError when there is none."""

    def others(self, node: Node) -> Sequence[Node]:
        """Return all nodes but one."""

    def active(self) -> Node:
        """Return the one node on which the resource with the VIP is active, whatever that resource is called.

        Raises CheckFailed when there is no such resource, or when it is active on no node, or on several.
        """

    def where(self, resource: str) -> Node:
        """Return the one node that a resource is active on. Raises CheckFailed when it is on none or on several."""

    def type_on_all(self, commands: Sequence[str]) -> None:
        """Type the same commands on every node at once."""

    def fault(self, name: str, node: Node | None = None, **options: str) -> None:
        """Inject a fault as `inv fault` does, on the active node if none is given."""

    def heal(self) -> None:
        """Heal all faults, as `inv heal` does."""

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
        """Measure the outage that a fault causes, and the writes that it loses, as `inv measure` does; keep that.

        The first run that is below so many seconds is the last of them.
        """

    def check(
        self, sentence: str, condition: Condition, *, within: float = 0, hint: str | tuple[str, ...] = ()
    ) -> None:
        """State one check and look, at most `within` seconds. `hint` replaces the condition's own hints."""

    def ask(self, *argv: str, input: str | None = None) -> str:
        """Return what one of the cluster's commands prints, out of band, on the first node where it succeeds.

        Raises CheckFailed when nodes answer and it fails on each of them, LabError when no node answers.
        """

    def status(self) -> ClusterStatus:
        """Return the cluster as the first node that answers sees it. Raises as `ask` does."""

    def own_name(self, node: Node) -> str:
        """Return what the cluster calls a node; the lab file's name where there is no cluster to ask."""

    def power_events(self, node: Node) -> list[dict[str, object]]:
        """Return what the node's BMC was told to do, oldest first: `time`, `action`, `from`."""

    def outage(self, name: str, node: Node, limit: float) -> Measurement:
        """Measure one outage of a cluster that need not be whole, for at most `limit` seconds."""

    def measurements(self, fault: str) -> list[Measurement]:
        """Return the measurements of one fault that were made since the lab began, oldest first."""

    def configuration(self) -> str:
        """Return a digest of how the cluster is configured now, as measurements have it."""

    def settle(self) -> None:
        """Wait, half a minute at most, until nothing is under way in the cluster, if there is one."""


class Exam(Lab, Protocol):
    """A lab as the `look` and the `shake` of a grade.py see it."""

    def task(self, name: str) -> AbstractContextManager[None]:
        """The checks in this block belong to that task."""

    def check(
        self,
        sentence: str,
        condition: Condition,
        *,
        points: int = 0,
        within: float = 0,
        hint: str | tuple[str, ...] = (),
    ) -> None:
        """State one check, and what it is worth. One that is worth 0 points is a warning."""

    def afresh(self) -> None:
        """Put the learner's work back as it was, so that what one check breaks does not touch the next one."""

    def boot_all(self) -> None:
        """Put the learner's work back, with all nodes booted as after a power cut of all at once."""
