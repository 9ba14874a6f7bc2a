"""What makes nodes. A provider knows nothing of steps. To add one, write a module and add a line to `PROVIDERS`."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Protocol

from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult
from halab.kit.toml import suggestion
from halab.spec.models import LabSpec

PROVIDERS = {"podman": "halab.providers.podman.provider:Podman", "vagrant": "halab.providers.vagrant.provider:Vagrant"}

REBOOTS, SWITCHED_OFF, CRASHED = "reboot", "off", "crash"  # how a node's system ended by itself, see Provider.ended
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # PATH of programs that are run out of band


@dataclass(frozen=True)
class Premises:
    """What a provider is told of the instance: its name, its own directory, and what is to be built.

    `disk_only` asks for checkpoints without memory, for hosts that cannot save it.
    """

    instance: str
    directory: Path
    spec: LabSpec
    distro: str
    disk_only: bool = False


@dataclass(frozen=True)
class Outside:
    """A node as the host sees it.

    `lower` has the files of its image, `upper` what it wrote over them (see the kernel's overlayfs.rst). `tools` is the
    tools root of its image. `first_process` returns the pid of its first process, or None when it has no power.
    """

    lower: Path
    upper: Path
    tools: Path
    first_process: Callable[[], int | None]


@dataclass(frozen=True)
class Origin:
    """What saved states are differences to: the image of a distro, from a recipe, and the programs of its packages.

    On two machines they can be told apart by these names.
    """

    distro: str
    recipe: str
    image: str
    programs: str


@dataclass(frozen=True)
class Followed:
    """A program that runs on a node. `output` is what it prints, of which a read returns b"" once it has ended. `end`
    ends it, may be called again, and does not wait.
    """

    output: IO[bytes]
    end: Callable[[], None]


@dataclass(frozen=True)
class BmcDaemon:
    """A program that is the BMC of one node, or of several. It is run on the workstation."""

    name: str
    nodes: tuple[str, ...]
    argv: tuple[str, ...]


class Provider(Protocol):
    """Makes the nodes of one instance, and switches, saves and asks them.

    Nodes have the names of the lab file. Every method may be called again after it was killed.
    """

    def __init__(self, premises: Premises) -> None: ...

    @property
    def pace(self) -> Pace:
        """How slow its nodes are, unless the user says otherwise: as others, or slower where machines are emulated."""

    @property
    def saves_memory(self) -> bool:
        """Whether nodes that are brought back go on with what they had in memory. If not, they boot."""

    def prepare(self, say: Callable[[str], None]) -> None:
        """Install what the host lacks besides host.TOOLS, and tell what and why. Raises LabError with what to do."""

    def problems(self) -> list[str]:
        """Return a sentence for each reason why this host cannot run the lab. There are none when it can."""

    def make_image(self, say: Callable[[str], None]) -> str | None:
        """Make what new nodes are made from, unless it is there, and return what tells it from any other.

        Return None when it need not be tried: nodes were made of it already, or what it is made from was tried. Raises
        LabError with the path of a log.
        """

    def up(self) -> None:
        """Make what is missing, and power on every node that is off. Does not wait for their systems to start."""

    def down(self) -> None:
        """Remove nodes, networks and namespaces, whatever state they are in."""

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Run a command on a node, out of band, and return its result.

        The command is the system's own, whatever else is in a learner's PATH. Raises LabError when the node cannot be
        reached.
        """

    def outside(self) -> Mapping[str, Outside]:
        """Return each node as the host sees it, by name.

        The node does not notice. Return nothing where the host cannot look in.
        """

    def ask(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Ask a node something out of band, with programs that nobody on the node can have changed, and return the
        result.

        A provider without such programs does as `run` does. The node's files, but for programs, are at their usual
        paths, and can only be read. Raises LabError when the node cannot be reached.
        """

    def follow(self, node: str, argv: Sequence[str]) -> Followed:
        """Start a program of the same kind on a node, which prints for as long as it runs. It has no input.

        It ends with the node, however that ends, and with the process that has started it. Raises LabError when the
        node cannot be reached.
        """

    def leave(self, node: str) -> None:
        """End what this process keeps on a node to ask it. The next question begins anew."""

    def console_argv(self, node: str, shell: Sequence[str], env: dict[str, str], *, terminal: bool = True) -> list[str]:
        """Return the host's command that opens `shell` on a node, on the terminal on which the command is run.

        Without `terminal`, the shell has none, and a script can be fed to it.
        """

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        """Return the host's command that runs `argv` on the workstation, as root of the host: halab's own programs."""

    def learner_argv(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Return the host's command that runs `argv` on the workstation for a learner: in a sandbox, without the host's
        files and rights. Of the settings of whoever runs it, it has only `env`.
        """

    def workstation_socket(self) -> socket.socket:
        """Return a TCP socket that connects from the workstation. Raises OSError when that is not there."""

    def bmc_daemons(self) -> list[BmcDaemon]: ...

    def power_states(self) -> dict[str, str]:
        """Return the state of each node: `on`, `off`, `frozen`, or `absent` when it was never made."""

    def open_power(self, node: str) -> int | None:
        """Return a file descriptor that becomes readable when the node loses its power, or None when it has none.

        The caller closes it.
        """

    def limits_met(self) -> dict[str, list[str]]:
        """Return, for each node, which of its limits (`memory`, `processes`, `disk`) it met since it was powered on."""

    def not_limited(self) -> list[str]:
        """Return a sentence for each thing that nodes may use without a limit on this host, with the reason."""

    def power_on(self, node: str) -> None: ...

    def power_off(self, node: str) -> None:
        """Cut the power of a node, as if its plug was pulled."""

    def ended(self, node: str) -> str | None:
        """Return how the system of a node that is off ended by itself: REBOOTS, SWITCHED_OFF or CRASHED.

        Return None when its power was cut.
        """

    def each_end(self, node: str) -> Iterator[None]:
        """Yield whenever a node has lost its power. A BMC waits there for ends after which it starts the node again.

        Where nodes that reboot never lose their power, nothing is yielded.
        """

    def shut_down(self, node: str) -> None:
        """Press the power button: the node's own system stops. Does not wait for that."""

    def freeze(self, nodes: Sequence[str]) -> None:
        """Stop nodes in the middle of what they do: nothing runs, nothing answers, and they do not notice."""

    def thaw(self, nodes: Sequence[str]) -> None:
        """Let nodes that have power go on, including those that were only partly frozen."""

    def port(self, node: str, network: str) -> str:
        """Return the bridge port of a node on a network."""

    def bridge_argv(self, argv: Sequence[str]) -> list[str]:
        """Return the host's command that runs `argv` in the network namespace that has the bridge ports."""

    def set_carrier(self, node: str, network: str, up: bool) -> None:
        """Plug in a node's cable, or pull it. The node sees that."""

    def has_carrier(self, node: str, network: str) -> bool:
        """Return whether a node's cable is plugged in. That of a node without power is."""

    def save(self, checkpoint: str) -> bool:
        """Save all nodes, as one, under an identifier that was never used before. Return whether they boot anew."""

    def restore(self, checkpoint: str) -> None:
        """Bring all nodes back to a saved state, with the power that they had. Does not wait for their systems."""

    def lineage(self) -> str | None:
        """Return what saved states are differences to, or None.

        Instances with the same lineage can take over each other's saved states. With None they cannot.
        """

    def origin(self) -> Origin:
        """Return what saved states of this instance are, or would be, differences to.

        Makes nothing. Raises LabError when it is not there yet, or when saved states cannot leave this machine.
        """

    def export(self, checkpoint: str, directory: Path, beside: Sequence[str] = ()) -> None:
        """Copy a saved state to a directory that is made here, without what it shares with those `beside` it.

        These are exported too, each to a directory of its own.
        """

    def vet(self, checkpoint: str, directory: Path, beside: Mapping[str, Path]) -> None:
        """Raise LabError for an exported state in a form that `export` gives none: anybody may have made it.

        `beside` are the directories of those that it was exported beside, which were looked at before.
        """

    def adopt(self, checkpoint: str, directory: Path) -> None:
        """Take over a saved state that an instance with the same origin has exported, after those beside it."""

    def keep_only(self, checkpoints: set[str]) -> None:
        """Forget all other saved states."""


def provider(name: str, premises: Premises) -> Provider:
    """Return the provider of that name for one instance. Raises LabError when there is none."""
    try:
        module, _, class_name = PROVIDERS[name].partition(":")
    except KeyError:
        raise LabError(f'there is no provider "{name}", {suggestion(name, list(PROVIDERS))}') from None
    made: Provider = getattr(import_module(module), class_name)(premises)
    return made
