"""What makes nodes. A provider knows nothing of steps; adding one is a module and a line in `PROVIDERS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from halab.kit.errors import LabError
from halab.kit.process import CommandResult
from halab.kit.toml import suggestion
from halab.spec.models import LabSpec

PROVIDERS = {"podman": "halab.providers.podman.provider:Podman", "vagrant": "halab.providers.vagrant.provider:Vagrant"}

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # what programs that are asked out of band are found in


@dataclass(frozen=True)
class Site:
    """What a provider is told of the instance: its name, its own directory, and what is to be built.

    `disk_only` asks for checkpoints without memory, where a host cannot save that.
    """

    instance: str
    directory: Path
    spec: LabSpec
    distro: str
    disk_only: bool = False


@dataclass(frozen=True)
class Outside:
    """A node as the host sees it: the files of its image (`lower`) and what it wrote over them (`upper`, see the
    kernel's overlayfs.rst), the tools root of its image, and its first process, as long as it has power.
    """

    lower: Path
    upper: Path
    tools: Path
    first_process: Callable[[], int | None]


@dataclass(frozen=True)
class BmcDaemon:
    """A program that, run on the workstation, is the BMC of one node or of several."""

    name: str
    nodes: tuple[str, ...]
    argv: tuple[str, ...]


class Provider(Protocol):
    """Nodes are named by their name in the lab file. Every method may be called again after it was killed."""

    def __init__(self, site: Site) -> None: ...

    @property
    def slowness(self) -> float:
        """What deadlines are multiplied by: 1, or more where machines are emulated."""

    @property
    def saves_memory(self) -> bool:
        """Whether nodes go on from what they had in memory when they are brought back; else they boot."""

    def prepare(self, say: Callable[[str], None]) -> None:
        """Install what the host lacks besides host.TOOLS, telling what and why. Raises LabError with what to do."""

    def problems(self) -> list[str]:
        """Why this host cannot run the lab, a sentence each; empty when it can."""

    def up(self) -> None:
        """Make what is missing and power on every node that is off; does not wait for their systems to start."""

    def down(self) -> None:
        """Remove nodes, networks and namespaces, whatever state they are in."""

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Run a command on a node, out of band: that of the system, whatever else is in a learner's PATH.

        Raises LabError when the node cannot be reached.
        """

    def outside(self) -> Mapping[str, Outside]:
        """Each node as the host sees it, of which the node notices nothing. None where the host cannot look inside."""

    def ask(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Ask a node something out of band, with programs that nobody on the node can have changed, where the provider
        has them; else as `run`. Files of the node are found where they are, but for programs, and can be read only.

        Raises LabError when the node cannot be reached.
        """

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        """The host's command that opens `shell` on a node, on the terminal it is run on, or else (a script is fed to
        it) without any.
        """

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        """The host's command that runs `argv` on the workstation."""

    def bmc_daemons(self) -> list[BmcDaemon]: ...

    def power_states(self) -> dict[str, str]:
        """For each node `on`, `off`, `frozen`, or `absent` where the node was never made."""

    def limits_met(self) -> dict[str, list[str]]:
        """For each node which of its limits (`memory`, `processes`, `disk`) it met since it was powered on."""

    def not_limited(self) -> list[str]:
        """What nodes may use without a limit on this host, and why, a sentence each."""

    def power_on(self, node: str) -> None: ...

    def power_off(self, node: str) -> None:
        """As if the plug was pulled."""

    def shut_down(self, node: str) -> None:
        """As if the power button was pressed: the node's own system stops. Does not wait."""

    def freeze(self, nodes: Sequence[str]) -> None:
        """Stop nodes in mid-air: nothing runs, nothing answers, and they do not know."""

    def thaw(self, nodes: Sequence[str]) -> None:
        """Let nodes that have power go on, also those that were frozen by half."""

    def port(self, node: str, network: str) -> str:
        """The bridge port of a node on a network."""

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        """The host's command that runs `argv` in the network namespace that the bridge ports are in."""

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        """Plug a node's cable in, or pull it; the node sees that."""

    def save(self, checkpoint: str) -> bool:
        """Save all nodes, as one, under an identifier that was never used before. Return whether they boot anew."""

    def restore(self, checkpoint: str) -> None:
        """Bring all nodes back to a saved state, powered as they were; does not wait for their systems."""

    def lineage(self) -> str | None:
        """What saved states are differences to: instances with the same one can take over each other's.

        None where they cannot.
        """

    def export(self, checkpoint: str, directory: Path) -> None:
        """Copy a saved state, the first one that was saved, to a directory that is made here."""

    def adopt(self, checkpoint: str, directory: Path) -> None:
        """Take over what another instance of the same lineage has exported."""

    def keep_only(self, checkpoints: set[str]) -> None:
        """Forget all other saved states."""


def provider(name: str, site: Site) -> Provider:
    """The provider of that name for one instance."""
    try:
        module, _, class_name = PROVIDERS[name].partition(":")
    except KeyError:
        raise LabError(f'there is no provider "{name}", {suggestion(name, list(PROVIDERS))}') from None
    made: Provider = getattr(import_module(module), class_name)(site)
    return made
