"""The distros that nodes can run: one data file each under provision/distros, read into frozen models.

A file may say `extends = "rocky9"`; then it has only what is different.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from halab.kit import toml
from halab.kit.errors import LabError
from halab.kit.frozen import Frozen
from halab.kit.paths import PROVISION, short
from halab.kit.typed import shown
from halab.spec.models import Needs

FOLDER = PROVISION / "distros"
INSTALL = {"apt": "apt-get install -y", "dnf": "dnf install -y"}


class Commands(Frozen):
    """Commands by purpose. Each is whole, as a person types it on a node."""

    refresh_packages: tuple[str, ...]  # typed before anything is installed on a bare machine
    install_cluster: tuple[str, ...]
    open_cluster_ports: tuple[str, ...]
    enable_pcsd: tuple[str, ...]
    install_web: tuple[str, ...]
    start_qnetd: tuple[str, ...]
    open_web_port: tuple[str, ...]
    take_writes: tuple[str, ...]  # lets nginx take PUT at /counter/
    let_web_use_shares: tuple[str, ...]  # the SELinux boolean for that, where SELinux is
    extend_web_site: tuple[str, ...]  # lets nginx read what is in the folder `web_site`, where it does not yet


class Paths(Frozen):
    """Paths of files on a node."""

    web_page: str
    web_config: str
    web_site: str  # a folder: *.conf in it is part of the server on port 80
    counter: str  # the folder that is served as /counter/
    lsyncd_config: str

    @property
    def web_pages(self) -> str:
        """The folder that is served as /."""
        return self.web_page.rpartition("/")[0]


class DistroFile(Frozen):
    """The keys that a file under provision/distros may have, and no others."""

    title: str = Field(min_length=1)
    package_manager: Literal["apt", "dnf"]
    container: str | None = None  # a public container image; either this or `bootstrap` is given
    bootstrap: str | None = None  # a Debian suite, which mmdebstrap bootstraps
    box: str | None = None  # a public Vagrant box; without it, a box is made here from the container image
    box_url: str = ""  # where that box is; without it, Vagrant's catalogue tells
    processor: Literal["x86-64-v2", "x86-64-v3"] | None = None  # what its programs need; None: any that is 64 bit
    release_packages: tuple[str, ...] = ()  # packages that add further repositories, such as EPEL
    repositories: tuple[str, ...] = ()  # ids of the repositories to enable
    packages: tuple[str, ...] = Field(min_length=1)  # the packages of a bare server
    pool: tuple[str, ...] = Field(min_length=1)  # the packages that labs install later, without the Internet
    selinux: tuple[str, ...] = ()  # what a box made here needs besides, for its machines to enforce SELinux
    commands: Commands
    called: dict[str, str] = Field(default_factory=dict)  # most distros' name of a package -> this one's
    paths: Paths

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.container is None) == (self.bootstrap is None):
            raise ValueError("needs either container or bootstrap, to tell where its image comes from")
        return self


class Distro(DistroFile):
    name: str

    @property
    def can_enforce(self) -> bool:
        """Whether its machines can enforce SELinux. Those of a public box do: they are of Enterprise Linux."""
        return bool(self.box or self.selinux)

    def install(self, *packages: str) -> str:
        """Return the command that installs packages. They are given by the names that most distros use."""
        return f"{INSTALL[self.package_manager]} {' '.join(map(self._called, packages))}"

    def pools(self, *packages: str) -> bool:
        """Return whether labs find all these packages in the pool. They are named as in `install`."""
        return set(map(self._called, packages)) <= set(self.pool)

    def _called(self, package: str) -> str:
        return self.called.get(package, package)


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def fit_for(needs: Needs) -> tuple[str, ...]:
    """Return the names of the distros on which a lab with these needs can run, in the order in which it names them."""
    named = needs.distros or names()
    return tuple(name for name in named if not (needs.packages or needs.enforcing) or _fits(load(name), needs))


def _fits(distro: Distro, needs: Needs) -> bool:
    return distro.pools(*needs.packages) and (distro.can_enforce or not needs.enforcing)


def load(name: str) -> Distro:
    """Return the distro of that name. Raises LabError when there is none, or when its file is wrong."""
    file = _file(name, "distro")
    return Distro(name=name, **dict(toml.check(_content(file, (name,)), file, DistroFile)))


def _file(name: str, what: str) -> Path:
    if name not in names():
        raise LabError(f"{what} {shown(name)} does not exist, {toml.suggestion(name, names())}")
    return FOLDER / f"{name}.toml"


def _content(file: Path, way: tuple[str, ...]) -> dict[str, Any]:
    """Return what a file says, over what the file says that it `extends`; tables are merged key by key.

    `way` are the distros that led here. Raises LabError when one of them is extended again.
    """
    own = toml.load(file)
    base = own.pop("extends", None)
    if base is None:
        return own
    if base in way:
        raise LabError(f"{short(file)}: extends: {' extends '.join((*way, base))}, and so has no end")
    extended = _file(str(base), f"{short(file)}: extends: distro")
    whole = _content(extended, (*way, str(base)))
    toml.check(whole, extended, DistroFile)  # so that its own mistakes are told as such
    tables = {key: {**whole[key], **value} for key, value in own.items() if _are_tables(value, whole.get(key))}
    return {**whole, **own, **tables}


def _are_tables(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)
