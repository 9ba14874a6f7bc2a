"""How a node's system has ended, and how that is waited for, where a process of this host stands in for the system."""

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.kit.wait import wait
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF
from halab.providers.podman.endings import Endings, how
from halab.providers.podman.inside import Container


class Rig:
    """A node with a system that is a `sleep`, or none."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.status: int | None = None
        self.asked = 0
        self.system: subprocess.Popen[bytes] | None = None
        cgroup = Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::")
        self.container = Container(cgroup, place / "pidfile", place / "conmon.pid", place, place / "diff")
        self.endings = Endings(place, lambda node: self.container, self._left)

    def _left(self, node: str) -> int | None:
        self.asked += 1
        return self.status

    def boot(self, monitor: int = 4_194_305) -> None:
        """Boot, with a conmon whose pid is above all that there can be (proc(5), pid_max), or a given one."""
        self.system = subprocess.Popen(["sleep", "60"])
        (self.place / "pidfile").write_text(str(self.system.pid))
        (self.place / "conmon.pid").unlink(missing_ok=True)
        (self.place / "conmon.pid").write_text(str(monitor))
        self.endings.note_begun("node1")

    def end(self, status: int | None) -> None:
        self.status = status
        if self.system:
            self.system.kill()
            self.system.wait()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.end(None)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (129, REBOOTS),
        (130, SWITCHED_OFF),
        (0, SWITCHED_OFF),
        (1, SWITCHED_OFF),
        (137, None),
        (255, CRASHED),
        (139, CRASHED),
        (134, CRASHED),
    ],
)
def test_what_a_system_leaves_tells_how_it_has_ended(rig: Rig, status: int, told: str | None) -> None:
    rig.boot()
    rig.end(status)

    assert how(status) == told
    assert rig.endings.last("node1") == told


def test_a_system_that_runs_has_not_ended_and_nobody_is_asked(rig: Rig) -> None:
    rig.boot()

    assert (rig.endings.last("node1"), rig.asked) == (None, 0)


def test_a_system_whose_power_was_cut_has_not_ended_by_itself_and_nobody_is_asked(rig: Rig) -> None:
    rig.boot()
    rig.endings.note_cut("node1")
    rig.end(129)

    assert (rig.endings.last("node1"), rig.asked) == (None, 0)


def test_a_power_cut_after_a_system_has_ended_by_itself_is_the_last_word(rig: Rig) -> None:
    rig.boot()
    rig.end(129)
    before = rig.endings.last("node1")

    rig.endings.note_cut("node1")

    assert (before, rig.endings.last("node1")) == (REBOOTS, None)


def test_a_power_cut_is_no_word_on_the_next_boot(rig: Rig) -> None:
    rig.boot()
    rig.endings.note_cut("node1")
    rig.end(137)
    rig.boot()
    rig.end(129)

    assert rig.endings.last("node1") == REBOOTS


def test_a_node_that_never_ran_has_not_ended(rig: Rig) -> None:
    before = rig.endings.last("node1")
    rig.endings.note_cut("node1")

    assert (before, rig.endings.last("node1")) == (None, None)


def test_a_system_that_somebody_starts_meanwhile_has_not_ended(rig: Rig) -> None:
    rig.boot()
    rig.end(129)
    with subprocess.Popen(["sleep", "60"]) as conmon:
        (rig.place / "conmon.pid").write_text(str(conmon.pid))
        rig.container = replace(rig.container, identity="")  # which is among any process's arguments
        starting = threading.Timer(0.3, lambda: rig.boot(conmon.pid))
        starting.start()
        began = time.monotonic()

        assert rig.endings.last("node1") is None
        assert time.monotonic() - began < 10
        conmon.kill()


def test_each_end_is_noticed_and_each_boot_between_them(rig: Rig) -> None:
    noticed = threading.Semaphore(0)

    def watch() -> None:
        for _ in rig.endings.each("node1"):
            noticed.release()

    threading.Thread(target=watch, daemon=True).start()
    assert noticed.acquire(timeout=10)  # it is off when this begins
    for _ in range(3):
        rig.boot()
        assert not noticed.acquire(timeout=0.1)
        rig.end(129)
        assert noticed.acquire(timeout=10)
    assert not noticed.acquire(timeout=0.1)


def test_the_end_of_what_ran_before_anybody_waited_is_noticed(rig: Rig) -> None:
    rig.boot()
    noticed = threading.Event()
    threading.Thread(target=lambda: (next(rig.endings.each("node1")), noticed.set()), daemon=True).start()
    wait(lambda: list(rig.place.glob("power-node1.on")), bool, within=10, successes=1, interval=0.01)
    assert not noticed.wait(0.1)

    rig.end(129)

    assert noticed.wait(10)


def test_a_node_without_a_container_is_waited_for(tmp_path: Path) -> None:
    def find(node: str) -> Container:
        raise LabError("node1 has no container; try: inv up")

    next(Endings(tmp_path, find, lambda node: None).each("node1"))
