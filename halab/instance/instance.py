"""One running copy of a lab: its directory, its state, its provider and its BMCs."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from halab import providers
from halab.instance.power_on_due import PowerOnDue, out_of_service
from halab.instance.state import STATE, State, locked, read_state, write_state
from halab.kit.errors import LabError
from halab.kit.files import remove_all, write_atomically
from halab.kit.pace import Pace
from halab.kit.paths import ROOT, state_dir
from halab.kit.process import end_daemons, find_daemons, start_daemon
from halab.providers import BmcDaemon
from halab.spec import labs
from halab.spec.labs import LabFolder, Step
from halab.spec.models import LabSpec

BMC_HANGS = 15  # seconds after which a BMC that is switching a node's power is not waited for any longer


def instances_dir() -> Path:
    return state_dir() / "instances"


class Instance:
    """`state` of an instance that was never brought up is what it would be brought up with."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.directory = instances_dir() / name
        self.state = state
        self.hanging: set[str] = set()  # nodes on which the cluster did not answer when it was asked last

    @classmethod
    def open(cls, name: str) -> "Instance":
        """The instance as it was left. Raises LabError when it is not up."""
        state = read_state(instances_dir() / name)
        if state is None:
            raise LabError(f"instance {name} is not up; try: inv up")
        if state.removing:
            raise LabError(f"instance {name} is half removed; try: inv down, or inv up for a new one")
        return cls(name, state)

    @cached_property
    def folder(self) -> LabFolder:
        return labs.load(self.state.lab)

    @property
    def spec(self) -> LabSpec:
        return self.state.spec

    @property
    def last_passed(self) -> Step | None:
        passed = [step for step in self.folder.steps if self.state.outcome(step.name) == "passed"]
        return passed[-1] if passed else None

    @cached_property
    def provider(self) -> providers.Provider:
        premises = providers.Premises(self.name, self.directory, self.spec, self.state.distro, self.state.disk_only)
        return providers.provider(self.state.provider, premises)

    @property
    def pace(self) -> Pace:
        return self.provider.pace

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock, and read again what another command may have written before it was ours."""
        with locked(self.directory):
            self.state = read_state(self.directory) or self.state
            yield

    def remember(self, state: State) -> None:
        self.state = state
        write_state(self.directory, state)

    def fall_back(self) -> None:
        """Have the nodes, none of which is made yet, be of the next distro. Needs the lock."""
        distro, *others = self.state.fallbacks
        self.remember(self.state.model_copy(update={"distro": distro, "fallbacks": tuple(others)}))
        vars(self).pop("provider", None)  # that of the other distro

    def up(self) -> None:
        """Make what is missing and power on what is off. Needs the lock."""
        self.remember(self.state)
        self.provider.up()
        for node in self.starting():  # it has started by now
            PowerOnDue(self.bmc_log(node)).forget()

    def down(self) -> None:
        """Remove everything of the instance from the host. Needs the lock, which goes with it.

        The state says so first: when this is killed, what is left is not taken for an instance.
        """
        with suppress(LabError, OSError):  # there may be none, a spoilt one, or no room on the disk
            if known := read_state(self.directory):
                self.remember(known.model_copy(update={"removing": True}))
        end_daemons(f"{self.directory}/page")  # its shells, which outlive the page
        self.stop_bmcs()
        self.provider.down()
        for path in self.directory.iterdir():
            if path.name != STATE:  # which tells, to the end, what the rest is
                remove_all(path)
        shutil.rmtree(self.directory)

    def cut_power(self, node: str) -> None:
        """Cut a node's power for good: whatever its BMC has accepted, or its own reboot was about to do."""
        with self.bmcs_out_of_service(node):
            self.provider.power_off(node)

    def power_on(self, node: str) -> None:
        """Power a node on at once, if its firmware was not through."""
        self.provider.power_on(node)
        PowerOnDue(self.bmc_log(node)).forget()

    def starting(self) -> list[str]:
        """Return the nodes whose system starts by itself within seconds, as they reboot or were powered on."""
        return [node.name for node in self.spec.nodes if PowerOnDue(self.bmc_log(node.name)).at() is not None]

    def start_bmcs(self) -> None:
        for daemon in self._dead_bmc_daemons():
            argv = self.provider.workstation_argv(daemon.argv)
            log = self.directory / "bmc" / f"{daemon.name}.log"
            log.parent.mkdir(exist_ok=True)
            start_daemon(argv, self._bmc_mark(daemon.name), log=log, env={"PYTHONPATH": str(ROOT)})

    def stop_bmcs(self) -> None:
        end_daemons(self._bmc_mark(""))

    @contextmanager
    def bmcs_out_of_service(self, *nodes: str) -> Iterator[None]:
        """Let no BMC switch a node's power meanwhile, whatever it has accepted before. One that hangs is ended.

        Without nodes, this is about all of them.
        """
        with ExitStack() as held:
            for log in map(self.bmc_log, nodes or [node.name for node in self.spec.nodes]):
                try:
                    held.enter_context(out_of_service(log, within=BMC_HANGS * self.pace.slowness))
                except TimeoutError:
                    self.stop_bmcs()
                    held.enter_context(out_of_service(log, within=BMC_HANGS * self.pace.slowness))
            yield

    def dead_bmcs(self) -> list[str]:
        """The nodes whose BMC does not run."""
        return [node for daemon in self._dead_bmc_daemons() for node in daemon.nodes]

    def bmc_log(self, node: str) -> Path:
        """The event log of a node's BMC, one JSON object a line."""
        return self.directory / "bmc" / f"{node}.events"

    def read_bmc_log(self, node: str) -> str:
        log = self.bmc_log(node)
        return log.read_text() if log.exists() else ""

    def bmc_password(self, node: str) -> str:
        """The password that a node's BMC asks for: that of the lab file, unless a fault has changed it."""
        changed = self._changed_password(node)
        return changed.read_text() if changed.exists() else self.spec.credentials.bmc_password

    def set_bmc_password(self, node: str, password: str | None) -> None:
        """Change the password of a node's BMC, or (None) let it have that of the lab file again."""
        if password is None:
            self._changed_password(node).unlink(missing_ok=True)
        else:
            write_atomically(self._changed_password(node), password)
        for daemon in self.provider.bmc_daemons():  # the others go on with what they are about
            if node in daemon.nodes:
                end_daemons(self._bmc_mark(daemon.name))
        self.start_bmcs()

    def _changed_password(self, node: str) -> Path:
        return self.directory / "bmc" / f"{node}.password"

    def power_events(self, node: str) -> list[dict[str, object]]:
        """What a BMC was told, oldest first: `time` (since the epoch), `action`, `from` (address)."""
        return [json.loads(line) for line in self.read_bmc_log(node).splitlines()]

    def _dead_bmc_daemons(self) -> list[BmcDaemon]:
        alive = set(find_daemons(self._bmc_mark("")).values())
        return [daemon for daemon in self.provider.bmc_daemons() if self._bmc_mark(daemon.name) not in alive]

    def _bmc_mark(self, daemon: str) -> str:
        return f"{self.directory}/bmc/{daemon}".rstrip("/")
