"""What runs in the nodes: one data file per distro under provision/distros, read into frozen models."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halab.kit import toml
from halab.kit.errors import LabError
from halab.kit.paths import PROVISION

FOLDER = PROVISION / "distros"
INSTALL = {"apt": "apt-get install -y", "dnf": "dnf install -y"}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Commands(Frozen):
    """Whole commands as a person types them on a node, by purpose."""

    refresh_packages: tuple[str, ...]  # before anything is installed on a bare machine
    install_cluster: tuple[str, ...]
    open_cluster_ports: tuple[str, ...]
    enable_pcsd: tuple[str, ...]
    install_web: tuple[str, ...]
    start_qnetd: tuple[str, ...]
    open_web_port: tuple[str, ...]
    take_writes: tuple[str, ...]  # nginx, at /counter/
    let_web_use_shares: tuple[str, ...]  # as SELinux sees it


class Paths(Frozen):
    """Files on a node."""

    web_page: str
    web_config: str
    counter: str  # the folder that is served as /counter/
    lsyncd_config: str


class DistroFile(Frozen):
    """What a file under provision/distros says, and nothing else."""

    title: str = Field(min_length=1)
    package_manager: Literal["apt", "dnf"]
    container: str | None = None  # a public container image, or
    bootstrap: str | None = None  # a Debian suite, for mmdebstrap
    box: str | None = None  # a public Vagrant box; without it, one is made here from the container image
    release_packages: tuple[str, ...] = ()  # that bring further repositories, such as EPEL
    repositories: tuple[str, ...] = ()  # ids of repositories to enable
    packages: tuple[str, ...] = Field(min_length=1)  # of a bare server
    pool: tuple[str, ...] = Field(min_length=1)  # what labs install later, without the Internet
    commands: Commands
    called: dict[str, str] = {}  # packages by the name that most distros know them by, where theirs is another
    paths: Paths

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.container is None) == (self.bootstrap is None):
            raise ValueError("needs either container or bootstrap, to tell where its image comes from")
        return self


class Distro(DistroFile):
    name: str

    def install(self, *packages: str) -> str:
        """What a person types to install packages, given by the names that most distros know them by."""
        return f"{INSTALL[self.package_manager]} {' '.join(self.called.get(name, name) for name in packages)}"


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Distro:
    """Raises LabError when there is no such distro, or its file is wrong."""
    if name not in names():
        raise LabError(f'distro "{name}" does not exist, {toml.suggestion(name, names())}')
    return Distro(name=name, **dict(toml.read(FOLDER / f"{name}.toml", DistroFile)))
