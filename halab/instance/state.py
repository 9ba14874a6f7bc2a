"""What is remembered of an instance between two commands, and the lock that one command at a time holds."""

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, Field, ValidationError

from halab.kit import typed
from halab.kit.errors import LabError, Locked
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.process import is_alive
from halab.spec.models import LabSpec

STATE = "state.json"
OWNER = "lock-owner"


class StepRecord(Frozen):
    """The outcome of a step. `performing` remains when a command was killed in the middle of it."""

    outcome: str  # performing, performed, passed, failed, unknown
    at: AwareDatetime
    hints_shown: int = 0


class InjectedFault(Frozen):
    """A fault that was injected and not healed yet: on which node (empty: on all), and with which options."""

    name: str
    node: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    measured: bool = False  # whether a measurement injected it, and has to heal it

    @property
    def words(self) -> str:
        return f"{self.name} on {self.node}" if self.node else self.name


class Sitting(Frozen):
    """An exam as this learner has it: the seed of the draw, what was drawn, and when it began and was handed in."""

    seed: str
    drawn: dict[str, Any]
    began: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    attempts: int = 0
    practice: bool = False
    replaced: tuple[str, ...] = ()  # what the last grading found replaced, if it graded nothing
    hints: dict[str, int] = Field(default_factory=dict)  # by the sentence of a check: how many were given


class State(Frozen):
    lab: str
    provider: str
    distro: str
    spec: LabSpec  # as it was when the instance was made, even if the lab file changes later
    fallbacks: tuple[str, ...] = ()  # the distros to go on with, in turn, as nobody asked for this one
    disk_only: bool = False  # whether checkpoints of virtual machines are without memory
    steps: dict[str, StepRecord] = Field(default_factory=dict)
    faults: tuple[InjectedFault, ...] = ()
    measurements: tuple[str, ...] = ()  # directories below measurements/, oldest first
    sitting: Sitting | None = None  # set for an exam
    removing: bool = False  # a `down` is at work, or was killed: nothing in this state is of use any more
    restoring: str | None = None  # the checkpoint of a restore that is not finished

    def with_step(self, name: str, outcome: str) -> "State":
        hints = self.steps[name].hints_shown if name in self.steps else 0
        record = StepRecord(outcome=outcome, at=datetime.now().astimezone(), hints_shown=hints)
        return self.model_copy(update={"steps": {**self.steps, name: record}})

    def with_hints(self, name: str, shown: int) -> "State":
        record = self.steps[name].model_copy(update={"hints_shown": shown})
        return self.model_copy(update={"steps": {**self.steps, name: record}})

    def with_fault(self, fault: InjectedFault) -> "State":
        return self.model_copy(update={"faults": (*self.faults, fault)})

    def without_fault(self, fault: InjectedFault) -> "State":
        return self.model_copy(update={"faults": tuple(there for there in self.faults if there != fault)})

    def with_measurement(self, directory: str) -> "State":
        return self.model_copy(update={"measurements": (*self.measurements, directory)})

    def outcome(self, step: str) -> str | None:
        return self.steps[step].outcome if step in self.steps else None


def read_state(directory: Path) -> State | None:
    """Return the state of the instance in `directory`, or None when there is no such instance."""
    file = directory / STATE
    try:
        return State.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise LabError(f"{file} is not readable ({error.error_count()} problems); try: inv down") from error


def write_state(directory: Path, state: State) -> None:
    write_atomically(directory / STATE, state.model_dump_json(indent=2))


def holder(directory: Path) -> str | None:
    """Return in words who holds the instance's lock now, or None when nobody does."""
    try:
        who = (directory / OWNER).read_text()
    except OSError:
        return None
    pid = re.search(r"\(pid (\d+), ", who)
    return who if pid and int(pid[1]) != os.getpid() and is_alive(int(pid[1])) else None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the instance's lock. Raises Locked, with the owner, when another command holds it.

    The lock ends with its process, so a command that was killed leaves none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    owner = directory / OWNER
    lock = FileLock(directory / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = owner.read_text() if owner.exists() else "another command"
        raise Locked(f"instance {directory.name} is being changed by {who}; wait for it, or end it") from None
    try:
        with suppress(OSError):  # an instance can be removed on a full disk, too
            owner.write_text(f"`{typed.command_line()}` (pid {os.getpid()}, user {getpass.getuser()})")
        yield
    finally:
        lock.release()
