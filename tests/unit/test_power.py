"""Ending a node, where what runs in it, what watches over it and podman are stand-ins."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from halab.kit.errors import LabError
from halab.kit.toml import read
from halab.kit.wait import wait
from halab.providers import Premises
from halab.providers.podman.inside import Container
from halab.providers.podman.power import Power
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML, Programs

WATCH = 'trap "" TERM; while [ -e /proc/$1/ns/net ]; do sleep 0.02; done; sleep 0.2; echo cleaned >> "$2"'


class Rig:
    """A node whose system is a `sleep`, with a conmon that notices its end and then says that it has cleaned up."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.done = place / "done"  # what was done, a line each
        self.done.write_text("")
        self.mounts = ""
        self.system = subprocess.Popen(["sleep", "60"])
        conmon = shutil.copy("/bin/sh", place / "conmon")
        self.monitor = subprocess.Popen([conmon, "-c", WATCH, "conmon", str(self.system.pid), str(self.done)])
        wait(lambda: self._named(), lambda name: name == "conmon", within=5, successes=1, interval=0.01)
        (place / "pidfile").write_text(str(self.system.pid))
        (place / "conmon.pid").write_text(str(self.monitor.pid))
        cgroup = Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::")
        files = (place / "pidfile", place / "conmon.pid", place, place / "diff")
        self.container = Container(cgroup, *files)

    def _named(self) -> str:
        return Path(f"/proc/{self.monitor.pid}/comm").read_text().strip()

    def podman(self, *arguments: str) -> list[str]:
        return ["podman", *arguments]

    def told(self) -> list[str]:
        return self.done.read_text().splitlines()

    def note(self, line: str) -> None:
        with self.done.open("a") as done:
            done.write(f"{line}\n")

    def end(self) -> None:
        for process in (self.system, self.monitor):
            process.kill()
            process.wait()


@pytest.fixture
def rig(tmp_path: Path, programs: Programs) -> Iterator[Rig]:
    rig = Rig(tmp_path)

    def podman(argv: Sequence[str], given: str) -> str:
        rig.note(" ".join(argv))
        if argv[1] == "stop":
            rig.system.kill()
            rig.system.wait()
        return str(rig.monitor.pid)

    programs.stand_in("podman", podman)
    yield rig
    rig.end()


def switch(rig: Rig) -> Power:
    (rig.place / "lab.toml").write_text(LAB_TOML)
    premises = Premises("tiny", rig.place, read(rig.place / "lab.toml", LabSpec), "debian12")
    network = SimpleNamespace(unplug=lambda node: rig.note(f"unplug {node.name}"), mounts=lambda: rig.mounts)
    containers = SimpleNamespace(
        of={"node1": "halab-node1", "node2": "halab-node2", "node3": "halab-node3"},
        podman=rig.podman,
        find=lambda node: rig.container,
        cgroups=SimpleNamespace(release=lambda name: rig.note(f"release {name}")),
    )
    endings = SimpleNamespace(
        note_cut=lambda node: rig.note(f"cut {node}"), note_begun=lambda node: rig.note(f"begun {node}")
    )
    return Power(premises, network, containers, endings)  # type: ignore[arg-type]


def reap(rig: Rig) -> None:
    rig.system.wait(5)
    rig.monitor.wait(5)


def test_a_node_that_runs_is_ended_without_podman_which_is_waited_for(rig: Rig) -> None:
    switch(rig).off("node1")

    assert rig.told() == ["cut node1", "unplug node1", "cleaned", "release halab-node1"]
    reap(rig)


def test_a_root_that_is_still_mounted_is_unmounted(rig: Rig) -> None:
    rig.mounts = f"overlay / overlay lowerdir=/l,upperdir={rig.container.upper},workdir=/w"

    switch(rig).off("node1")

    assert rig.told()[3:] == ["podman umount --force halab-node1", "release halab-node1"]
    reap(rig)


@pytest.mark.parametrize("missing", ["pidfile", "conmon.pid"])
def test_podman_ends_a_node_of_which_nothing_better_is_known(rig: Rig, missing: str) -> None:
    (rig.place / missing).unlink()

    switch(rig).off("node1")

    assert "podman stop --time=0 halab-node1" in rig.told()
    reap(rig)


def test_a_node_that_podman_never_cleans_up_after_is_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halab.providers.podman.power.CLEAN", 0.05)
    os.kill(rig.monitor.pid, 19)  # SIGSTOP

    with pytest.raises(LabError, match="podman has not cleaned up after it"):
        switch(rig).off("node1")


def test_nodes_that_are_off_start_at_the_same_moment_and_those_that_run_are_left_alone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Power, "_make_ready", lambda power, node: node != "node2")

    switch(rig).on(["node3", "node2", "node1"])
    switch(rig).on(["node2"])

    assert rig.told() == [
        "podman start halab-node1 halab-node3",
        *(f"begun {node}" for node in ("node1", "node2", "node3", "node2")),
    ]


def test_a_node_has_power_once_its_first_process_is_its_systems(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Power, "_make_ready", lambda power, node: True)
    runtime = shutil.copy("/bin/sh", rig.place / "crun")
    with subprocess.Popen([runtime, "-c", "sleep 0.5; exec sleep 60"]) as system:
        (rig.place / "pidfile").write_text(str(system.pid))
        wait(rig.container.is_starting, bool, within=5, successes=1, interval=0.01)

        switch(rig).on(["node1"])
        running = rig.container.running()
        system.kill()

    assert running
    assert running.first_process == system.pid
