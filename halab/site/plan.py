"""site.toml: which machines are used together, and what each of them is to have."""

import re
import socket
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from halab.kit import toml
from halab.kit.frozen import Frozen
from halab.kit.paths import ROOT

DIRECTORY = "/opt/halab"
LOOPBACK = "127.0.0.1"  # a site of one machine listens nowhere else
MOST_MACHINES = 1000


def _name(name: str) -> str:
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise ValueError(f"{name!r} is no machine's name: small letters, digits, and dashes between them")
    return name


def _address(address: str) -> str:
    if not re.fullmatch("[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", address):
        raise ValueError(f"{address!r} is neither an address nor a host name")
    return address


def _directory(directory: str) -> str:
    path = PurePosixPath(directory)
    if not re.fullmatch("(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+", directory) or len(path.parts) < 3:
        raise ValueError(f"{directory!r} is no directory for halab: expected an absolute path such as {DIRECTORY}")
    return directory


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]


class About(Frozen):
    """What the machines have in common. `labs` are those whose clusters are prepared on each of them."""

    name: Name = "site"
    directory: Annotated[str, AfterValidator(_directory)] = DIRECTORY
    labs: tuple[str, ...] = ()


class Head(Frozen):
    """The machine where the instructor types, which is this one. Others reach it at `address`."""

    name: Name
    address: Address


class Machine(Frozen):
    """A machine with seats. ssh(1) reaches it by its name, Slurm at `address`, or by its name.

    `memory` is what seats may have, in MiB; default: most of what there is. `graders` is how many gradings it runs at
    once.
    """

    name: Name
    address: Address | None = None
    memory: Annotated[int, Field(ge=256, le=2**24)] | None = None
    graders: Annotated[int, Field(ge=1, le=1000)] = 2


class Plan(Frozen):
    """A site, as its file says."""

    site: About = About()
    head: Head
    machines: Annotated[tuple[Machine, ...], Field(min_length=1, max_length=MOST_MACHINES)]

    @model_validator(mode="after")
    def _each_is_there_once(self) -> Self:
        for what in ("name", "address"):
            there = Counter(value for machine in self.machines if (value := getattr(machine, what)))
            if twice := [value for value, count in there.items() if count > 1]:
                raise ValueError(f"two machines have the {what} {', '.join(twice)}")
        for machine in self.machines:
            if (machine.address == self.head.address) != (machine.name == self.head.name) and machine.address:
                raise ValueError(f"{machine.name} and the head have one address or one name, and not both")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all machines, and the head's first."""
        return tuple(dict.fromkeys((self.head.name, *(machine.name for machine in self.machines))))

    def address_of(self, name: str) -> str:
        """Return where Slurm reaches a machine."""
        known = {machine.name: machine.address or machine.name for machine in self.machines}
        return self.head.address if name == self.head.name else known[name]


def read(path: Path) -> Plan:
    """Return what a site's file says. Raises LabError with all that is wrong with it."""
    return toml.read(path, Plan)


def of_one() -> str:
    """Return the text of a site's file for this machine alone."""
    name = re.sub("[^a-z0-9-]", "-", socket.gethostname().partition(".")[0].lower()).strip("-") or "head"
    return (
        f'[site]\ndirectory = "{ROOT}"\n\n[head]\nname = "{name}"\naddress = "{LOOPBACK}"\n\n'
        f'[[machines]]\nname = "{name}"\n'
    )
