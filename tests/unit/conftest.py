"""What keeps unit tests apart from the user's own instances, images and settings."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from halab.classroom import steps
from halab.cli import selection
from halab.instance.instance import Instance
from halab.kit.errors import Exit
from halab.kit.paths import ROOT
from halab.kit.process import CommandResult, run_by
from halab.providers import PROVIDERS, rights
from halab.site import files
from halab.spec import labs
from tests.fake_slurm import FakeSlurm, stand_in
from tests.fakes import Programs, World, instance_up, write_lab
from tests.far_bench import Bench
from tests.inv import Inv
from tests.page_server import PageServer


@pytest.fixture(autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place: Path = tmp_path_factory.mktemp("xdg")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.delenv("HALAB_TIMEOUT_FACTOR", raising=False)
    monkeypatch.delenv("HALAB_DEBUG", raising=False)
    monkeypatch.delenv("HALAB_INSTANCE", raising=False)
    monkeypatch.setattr(selection, "_of_this_command_line", None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The labs `tiny` and `other`, and the provider `fake`, whose nodes live in this world."""
    World.current = World()
    write_lab(tmp_path / "labs", "tiny")
    write_lab(tmp_path / "labs", "other")
    monkeypatch.setattr(labs, "LABS", tmp_path / "labs")
    monkeypatch.setitem(PROVIDERS, "fake", "tests.fakes:FakeProvider")
    for name in ("start_daemon", "find_daemons", "end_daemons"):
        monkeypatch.setattr(f"halab.instance.instance.{name}", getattr(World.current, name))
    monkeypatch.setattr("os.fsync", lambda file: None)
    return World.current


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A site of this machine, with stand-ins for Slurm's programs."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "state/halab/site").mkdir(parents=True)
    (tmp_path / "state/halab/site/slurm.conf").touch()
    return Bench(tmp_path)


@pytest.fixture
def instance(world: World) -> Instance:
    """An instance of `tiny`, up."""
    return instance_up()


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the test seems to be root, and to have all rights."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(rights, "no_nodes_because", lambda: None)


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Stand-ins for programs of the host; there are none yet."""
    programs = Programs()
    with run_by(programs) as programs.run:
        yield programs


@pytest.fixture
def inv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    return Inv(capsys, monkeypatch)


@pytest.fixture
def chosen(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    """`inv`, with the lab `tiny` selected, and not up."""
    monkeypatch.setattr("halab.cli.commands.host.ensure", lambda tools, say: None)
    monkeypatch.setattr("halab.cli.commands.host.missing", lambda tools: ())
    monkeypatch.setattr("halab.cli.commands.foreseen.obstacles", lambda distro, provider: [])
    inv = Inv(capsys, monkeypatch)
    assert inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12") == Exit.GOOD
    return inv


@pytest.fixture
def up(chosen: Inv) -> Inv:
    """`inv`, with the instance `tiny` up."""
    assert chosen("up") == Exit.GOOD
    return chosen


@pytest.fixture
def server() -> Iterator[PageServer]:
    """The page's server, with the instances of the test."""
    server = PageServer()
    yield server
    server.close()


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A site of two machines, with room for three seats of `tiny`. No machine answers what it is asked itself."""
    files.on_head().mkdir(parents=True)
    (files.on_head() / "slurm.conf").touch()
    monkeypatch.setattr(steps, "run", lambda argv, **_: CommandResult(tuple(argv), 0, "", "srun: error: cut off"))
    return stand_in(monkeypatch, m1=1400, m2=700)


@pytest.fixture
def roster(tmp_path: Path) -> Callable[..., str]:
    """Write the roster of learners with these names, and return its path."""

    def write(*names: str) -> str:
        file = tmp_path / "roster.csv"
        file.write_text("\n".join(["name", *names, ""]))
        return str(file)

    return write
