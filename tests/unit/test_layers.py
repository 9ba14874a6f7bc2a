"""A node's own file system: when it is made, when it is mounted, and when it is left alone."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from halab.providers.podman import layers
from halab.providers.podman.layers import Layers
from tests.fakes import Programs

STORAGE = Path("/var/lib/containers/storage/overlay")
LAYER = STORAGE / "abc"


class FakeNetwork:
    """Namespaces whose mounts are a text."""

    def __init__(self) -> None:
        self.mounted = ""

    def mounts(self) -> str:
        return self.mounted

    def enter(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", *argv]

    def seen(self, path: Path) -> Path:
        return Path("/nowhere") / path.relative_to("/")


class World:
    """Layers of an instance, and what was run for them. `kill` is the program that a kill interrupts."""

    def __init__(self, directory: Path) -> None:
        self.network = FakeNetwork()
        self.layers = Layers(directory / "layers", self.network)  # type: ignore[arg-type]
        self.made: list[str] = []
        self.mounts: list[str] = []
        self.kill = ""

    def make(self, argv: Sequence[str], given: str) -> None:
        if argv[0] == self.kill:
            raise KeyboardInterrupt
        Path(argv[-2]).touch()
        self.made.append(" ".join(argv))


@pytest.fixture
def world(tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    programs.stand_in("mke2fs", world.make)
    programs.stand_in("nsenter", lambda argv, given: world.mounts.append(argv[-1]))
    monkeypatch.setattr(layers, "CONTROL", tmp_path)
    return world


def test_what_is_mounted_at_a_layer_that_is_to_go_is_unmounted_and_nothing_else(
    world: World, programs: Programs
) -> None:
    ran: list[Sequence[str]] = []
    world.layers.attach("node1", LAYER, 3)
    programs.stand_in("nsenter", lambda argv, given: ran.append(argv))

    world.layers.detach("node1")
    world.layers.detach("node2")

    assert ran == [["nsenter", "umount", "--lazy", "--recursive", str(LAYER)]]


def test_a_new_node_gets_a_file_system_of_its_size_over_its_layer(world: World) -> None:
    world.layers.attach("node1", LAYER, 3)

    assert world.made[0].startswith("mke2fs ")
    assert f"-d {LAYER} " in world.made[0]
    assert world.made[0].endswith(" 3G")
    assert "mount -o loop,discard," in world.mounts[0]
    assert world.mounts[0].endswith(f"/layers/node1.img {LAYER}\n")


def test_it_is_mounted_again_in_new_namespaces_and_not_made_again(world: World) -> None:
    world.layers.attach("node1", LAYER, 3)

    world.layers.attach("node1", LAYER, 3)

    assert len(world.made) == 1
    assert len(world.mounts) == 2


def test_where_it_is_mounted_nothing_is_done(world: World) -> None:
    world.network.mounted = f"/dev/loop0 {LAYER} ext4 rw,relatime,discard 0 0\n"

    world.layers.attach("node1", LAYER, 3)

    assert (world.made, world.mounts) == ([], [])


def test_a_node_that_runs_on_the_host_s_file_system_is_left_there(world: World) -> None:
    world.network.mounted = f"overlay {LAYER}/merged overlay rw,lowerdir=x,upperdir={LAYER}/diff,workdir=y 0 0\n"

    world.layers.attach("node1", LAYER, 3)

    assert (world.made, world.mounts) == ([], [])


def test_one_whose_making_was_killed_is_made_again(world: World) -> None:
    world.kill = "mke2fs"
    with pytest.raises(KeyboardInterrupt):
        world.layers.attach("node1", LAYER, 3)
    world.kill = ""

    world.layers.attach("node1", LAYER, 3)

    assert len(world.made) == 1


def test_that_of_a_container_that_is_no_more_is_not_taken_for_its_successor_s(world: World) -> None:
    world.layers.attach("node1", LAYER, 3)

    world.layers.attach("node1", STORAGE / "def", 3)

    assert f"-d {STORAGE / 'def'} " in world.made[1]


def test_without_loop_devices_nodes_stay_on_the_host_s_disk_which_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(layers, "CONTROL", tmp_path / "loop-control")

    world.layers.attach("node1", LAYER, 3)

    assert (world.made, world.mounts) == ([], [])
    assert not world.layers.is_full("node1")
    (told,) = layers.impossible()
    assert "no loop devices" in told


def test_nodes_whose_disks_are_mounted_together_uncover_the_storage_together(tmp_path: Path) -> None:
    (tmp_path / "storage/abc").mkdir(parents=True)
    uncover = layers.UNCOVER.format(storage=tmp_path / "storage")
    (tmp_path / "uncover.sh").write_text(f"set -e\n{uncover}touch $1\n")
    script = f"""\
cd {tmp_path}
for each in 1 2 3; do mount --bind storage storage; done
for node in 1 2 3 4 5 6; do sh uncover.sh uncovered-$node & done
wait
! mountpoint -q storage
"""
    for _ in range(3):
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-e", "-c", script],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        nodes = list(tmp_path.glob("uncovered-*"))
        assert len(nodes) == 6
        for node in nodes:
            node.unlink()
