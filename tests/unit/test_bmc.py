"""A BMC over real RMCP+ on the loopback, with ipmitool as its client and a switch that is a file."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from halab.instance.bmc import NodeBmc
from halab.instance.power_on_due import PowerOnDue, out_of_service
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.toml import read
from halab.kit.wait import wait
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML, FileSwitch, events_of

pytestmark = pytest.mark.skipif(not shutil.which("ipmitool"), reason="ipmitool, the client, is not installed here")

PASSWORD = "fence-me"  # as in LAB_TOML
POST = 2.0  # seconds that a firmware takes: longer than ipmitool does on a busy host
SERVE = "import sys; from tests.fakes import serve_bmc; serve_bmc(*sys.argv[1:])"


@dataclass
class Chassis:
    """A node behind its BMC, for one test."""

    directory: Path
    port: int

    def power(self, action: str, password: str = PASSWORD) -> str:
        """Return what ipmitool prints, or `Error: ...` when it fails."""
        login = ["-H", "127.0.0.1", "-p", str(self.port), "-U", "admin", "-P", password, "-N", "1", "-R", "3"]
        argv = ["ipmitool", "-I", "lanplus", *login, "power", action]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip() if done.returncode == 0 else f"Error: {done.stderr.strip()}"

    def set_switch(self, state: str) -> None:
        (self.directory / "power").write_text(state)

    def end(self, how: str) -> None:
        """Have the node's system end by itself."""
        (self.directory / "ended").write_text(how)
        self.set_switch("off")

    @property
    def switch(self) -> str:
        return (self.directory / "power").read_text()

    @property
    def told(self) -> list[str]:
        return (self.directory / "told").read_text().split()

    def is_told(self, *expected: str) -> bool:
        """Return whether the switch is told exactly this within twenty seconds."""
        deadline = time.monotonic() + 20
        while self.told != [*expected] and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.told == [*expected]


def lab_file(directory: Path) -> Path:
    file = directory / "lab.toml"
    file.write_text(LAB_TOML)
    return file


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


def serve(directory: Path, post: float) -> Iterator[Chassis]:
    (directory / "spec.json").write_text(read(lab_file(directory), LabSpec).model_dump_json())
    port = free_port()
    argv = [sys.executable, "-c", SERVE, str(directory), str(port), str(post)]
    with subprocess.Popen(argv, cwd=ROOT) as process:
        while not (directory / "ready").exists():
            assert process.poll() is None
            time.sleep(0.02)
        try:
            yield Chassis(directory, port)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chassis]:
    """A chassis whose firmware takes no time."""
    yield from serve(tmp_path_factory.mktemp("quick"), post=0)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chassis]:
    """A chassis whose firmware takes longer than any test."""
    yield from serve(tmp_path_factory.mktemp("slow"), post=60)


@pytest.fixture
def chassis(quick: Chassis) -> Chassis:
    return cleared(quick)


@pytest.fixture
def booting(slow: Chassis) -> Chassis:
    slow.power("off")
    return cleared(slow)


def cleared(chassis: Chassis) -> Chassis:
    for name in ("told", "events"):
        (chassis.directory / name).write_text("")
    return chassis


@pytest.fixture(autouse=True)
def _switch_is_there(request: pytest.FixtureRequest) -> None:
    """The switch is on until a test says otherwise, even before the first power command of a fixture."""
    for name in ("quick", "slow"):
        if name in request.fixturenames:
            request.getfixturevalue(name).set_switch("on")


@pytest.mark.parametrize(("switch", "said"), [("on", "on"), ("off", "off"), ("frozen", "on")])
def test_status_tells_whether_the_chassis_has_power(chassis: Chassis, switch: str, said: str) -> None:
    chassis.set_switch(switch)

    assert chassis.power("status") == f"Chassis Power is {said}"


def test_off_cuts_the_power(chassis: Chassis) -> None:
    said = chassis.power("off")

    assert said == "Chassis Power Control: Down/Off"
    assert (chassis.told, chassis.switch) == (["off"], "off")


def test_on_starts_the_system(chassis: Chassis) -> None:
    chassis.set_switch("off")

    said = chassis.power("on")

    assert said == "Chassis Power Control: Up/On"
    assert chassis.is_told("on")


@pytest.mark.parametrize("action", ["cycle", "reset"])
def test_cycle_and_reset_cut_the_power_and_start_the_system(chassis: Chassis, action: str) -> None:
    said = chassis.power(action)

    assert not said.startswith("Error")
    assert chassis.is_told("off", "on")


@pytest.mark.parametrize("action", ["cycle", "reset"])
def test_cycle_and_reset_of_a_chassis_without_power_are_refused(chassis: Chassis, action: str) -> None:
    chassis.set_switch("off")

    said = chassis.power(action)

    assert said.startswith("Error")
    assert "not supported in present state" in said
    assert chassis.told == []


def test_soft_leaves_it_to_the_nodes_own_system(chassis: Chassis) -> None:
    said = chassis.power("soft")

    assert said == "Chassis Power Control: Soft"
    assert chassis.told == ["soft"]


def test_on_twice_starts_the_system_once(chassis: Chassis) -> None:
    chassis.set_switch("off")

    chassis.power("on")
    assert chassis.is_told("on")
    chassis.power("on")

    assert chassis.told == ["on"]
    assert chassis.power("status") == "Chassis Power is on"


def test_off_twice_is_harmless(chassis: Chassis) -> None:
    said = [chassis.power("off"), chassis.power("off")]

    assert said == ["Chassis Power Control: Down/Off"] * 2
    assert chassis.power("status") == "Chassis Power is off"


def test_a_wrong_password_is_refused_quickly(chassis: Chassis) -> None:
    started = time.monotonic()

    said = chassis.power("off", password="guessed")

    assert said.startswith("Error")
    assert time.monotonic() - started < 5
    assert (chassis.told, chassis.switch) == ([], "on")


def test_a_right_password_works_after_a_wrong_one(chassis: Chassis) -> None:
    chassis.power("status", password="guessed")

    assert chassis.power("status") == "Chassis Power is on"


def test_a_switch_that_fails_is_told_to_the_client_and_the_bmc_lives_on(chassis: Chassis) -> None:
    chassis.set_switch("stuck")

    said = chassis.power("off")
    chassis.set_switch("on")

    assert "Node busy" in said
    assert chassis.power("status") == "Chassis Power is on"


def test_many_power_cycles_in_a_row_are_survived(chassis: Chassis) -> None:
    for _ in range(10):
        chassis.power("cycle")

    assert chassis.is_told(*["off", "on"] * 10)


def test_a_chassis_in_its_firmware_has_power_though_its_system_has_not_started(booting: Chassis) -> None:
    booting.set_switch("off")

    booting.power("on")

    assert booting.power("status") == "Chassis Power is on"
    assert (booting.told, booting.switch) == ([], "off")


def test_power_off_during_the_firmware_cancels_the_start(booting: Chassis) -> None:
    booting.set_switch("off")

    booting.power("on")
    booting.power("off")

    assert booting.power("status") == "Chassis Power is off"
    assert booting.told == ["off"]


def test_a_start_that_was_cancelled_never_comes(tmp_path: Path) -> None:
    spec = read(lab_file(tmp_path), LabSpec)
    (tmp_path / "power").write_text("off")
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    bmc = NodeBmc(node, spec.credentials, FileSwitch(tmp_path), tmp_path / "events", post=60, port=free_port())
    bmc.power_on()

    bmc.power_off()

    for timer in (thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)):
        timer.join(timeout=5)  # at once, and not after a minute
        assert not timer.is_alive()
    assert (tmp_path / "told").read_text() == "off\n"


@pytest.mark.parametrize("action", ["on", "off", "cycle", "soft"])
def test_a_bmc_whose_node_is_being_restored_is_busy_and_nothing_is_left_of_that(chassis: Chassis, action: str) -> None:
    with out_of_service(chassis.directory / "events", within=5):
        said = chassis.power(action)
        status = chassis.power("status")

    assert "Node busy" in said
    assert status == "Chassis Power is on"
    assert (chassis.told, events_of(chassis.directory)) == ([], [])
    assert chassis.power("off") == "Chassis Power Control: Down/Off"


def test_what_was_due_when_a_restore_began_never_comes_though_the_same_bmc_lives_on(tmp_path: Path) -> None:
    (tmp_path / "power").write_text("off")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=POST):
        chassis.power("on")
        with out_of_service(tmp_path / "events", within=5):
            assert chassis.power("status") == "Chassis Power is off"
        time.sleep(POST + 0.5)
        before = chassis.told
        chassis.power("on")

        assert before == []
        assert chassis.is_told("on")


def test_a_start_that_was_cancelled_does_not_hurry_the_next_one(tmp_path: Path) -> None:
    spec = read(lab_file(tmp_path), LabSpec)
    (tmp_path / "power").write_text("off")
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    bmc = NodeBmc(node, spec.credentials, FileSwitch(tmp_path), tmp_path / "events", post=0.3, port=free_port())
    due = PowerOnDue(tmp_path / "events")
    bmc.power_on()

    due.forget()
    due.accept(60)
    time.sleep(0.6)

    assert (tmp_path / "power").read_text() == "off"
    assert (due.left() or 0) > 50


def test_a_restore_waits_until_a_bmc_is_through_with_what_it_is_about(tmp_path: Path) -> None:
    spec = read(lab_file(tmp_path), LabSpec)
    (tmp_path / "power").write_text("off")
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    starting, may_go_on = threading.Event(), threading.Event()

    class Switch(FileSwitch):
        def power_on(self, node: str) -> None:
            starting.set()
            may_go_on.wait(5)
            super().power_on(node)

    bmc = NodeBmc(node, spec.credentials, Switch(tmp_path), tmp_path / "events", post=0, port=free_port())
    bmc.power_on()
    starting.wait(5)

    with pytest.raises(TimeoutError), out_of_service(tmp_path / "events", within=0.1):
        pass
    may_go_on.set()
    with out_of_service(tmp_path / "events", within=5):
        told = (tmp_path / "told").read_text()

    assert told == "on\n"


def start_again(directory: Path, post: float) -> list[str]:
    """Start a BMC on another BMC's files, and return what the switch was told.

    It returns when nothing is due any more, or after twenty seconds.
    """
    (directory / "ready").unlink()
    due, deadline = PowerOnDue(directory / "events"), time.monotonic() + 20
    for chassis in serve(directory, post):
        while due.left() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        told = chassis.told
    return told


@pytest.mark.parametrize("action", ["on", "cycle"])
def test_a_bmc_that_takes_the_place_of_one_that_was_ended_starts_the_system_that_is_due(
    tmp_path: Path, action: str
) -> None:
    (tmp_path / "power").write_text("off" if action == "on" else "on")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=60):
        chassis.power(action)  # and then it is killed
        before = chassis.told

    told = start_again(tmp_path, 0.5)

    assert told == [*before, "on"]
    assert PowerOnDue(tmp_path / "events").left() is None


def test_a_power_on_that_was_cancelled_is_not_due_either(tmp_path: Path) -> None:
    (tmp_path / "power").write_text("off")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=60):
        chassis.power("on")
        chassis.power("off")

    assert PowerOnDue(tmp_path / "events").left() is None
    assert chassis.told == ["off"]


def test_a_bmc_that_is_ended_while_it_cuts_the_power_for_a_cycle_has_noted_what_is_due(tmp_path: Path) -> None:
    spec = read(lab_file(tmp_path), LabSpec)
    (tmp_path / "power").write_text("on")
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    due: list[float | None] = []

    class Switch(FileSwitch):
        def power_off(self, node: str) -> None:
            due.append(PowerOnDue(tmp_path / "events").left())
            raise LabError("this is as far as it came")

    bmc = NodeBmc(node, spec.credentials, Switch(tmp_path), tmp_path / "events", post=60, port=free_port())
    with pytest.raises(LabError):
        bmc.power_cycle()

    assert [left is not None and 50 < left <= 60 for left in due] == [True]
    assert PowerOnDue(tmp_path / "events").left() is None  # the client was told that it has failed


@pytest.mark.parametrize("how", [REBOOTS, CRASHED])
def test_a_system_that_reboots_or_crashes_is_started_again(chassis: Chassis, how: str) -> None:
    chassis.end(how)

    assert chassis.is_told("on")
    assert (chassis.power("status"), events_of(chassis.directory)) == ("Chassis Power is on", [])


def test_a_system_that_switches_itself_off_stays_off(chassis: Chassis) -> None:
    chassis.end(SWITCHED_OFF)

    time.sleep(0.2)
    assert chassis.power("status") == "Chassis Power is off"
    assert chassis.told == []


def test_a_chassis_has_power_from_the_moment_its_system_reboots(booting: Chassis) -> None:
    booting.set_switch("on")

    booting.end(REBOOTS)

    assert booting.power("status") == "Chassis Power is on"
    assert PowerOnDue(booting.directory / "events").left()
    assert booting.told == []


@pytest.mark.parametrize(
    ("action", "said", "told"),
    [
        ("off", "off", ["off"]),
        ("on", "on", []),
        ("cycle", "on", ["off"]),
        ("soft", "on", ["soft"]),
    ],
)
def test_an_order_wins_over_a_reboot(booting: Chassis, action: str, said: str, told: list[str]) -> None:
    booting.set_switch("on")
    booting.end(REBOOTS)
    booting.power("status")

    booting.power(action)

    assert booting.power("status") == f"Chassis Power is {said}"
    assert booting.told == told


def test_a_system_that_was_cut_off_while_it_rebooted_never_starts(tmp_path: Path) -> None:
    (tmp_path / "power").write_text("on")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=POST):
        chassis.end(REBOOTS)
        chassis.power("off")
        time.sleep(POST + 0.5)

        assert (chassis.told, chassis.switch) == (["off"], "off")


@pytest.mark.parametrize("restored", ["on", "off"])
def test_a_restore_wins_over_a_reboot(tmp_path: Path, restored: str) -> None:
    (tmp_path / "power").write_text("on")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=POST):
        chassis.end(REBOOTS)
        with out_of_service(tmp_path / "events", within=5):
            (tmp_path / "ended").unlink()  # as whoever restores it cuts its power
            chassis.set_switch(restored)
        time.sleep(POST + 0.5)

        assert (chassis.told, chassis.power("status")) == ([], f"Chassis Power is {restored}")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reboot_is_carried_out_though_the_bmc_was_killed_when_the_system_ended_or_after(
    tmp_path: Path, when: str
) -> None:
    (tmp_path / "power").write_text("on")
    (tmp_path / "told").write_text("")
    for chassis in serve(tmp_path, post=60):
        if when == "after":
            chassis.end(REBOOTS)
            chassis.power("status")
    if when == "before":
        chassis.end(REBOOTS)

    (tmp_path / "ready").unlink()
    for again in serve(tmp_path, post=0.2):
        assert again.is_told("on")


def test_a_system_that_cannot_be_started_again_is_not_tried_for_ever(tmp_path: Path) -> None:
    spec = read(lab_file(tmp_path), LabSpec)
    (tmp_path / "power").write_text("on")
    node = spec.nodes[0].model_copy(update={"bmc": "127.0.0.1"})
    tried = threading.Semaphore(0)

    class Switch(FileSwitch):
        def power_on(self, node: str) -> None:
            tried.release()
            raise LabError("its disk is full")

    bmc = NodeBmc(node, spec.credentials, Switch(tmp_path, watched=True), tmp_path / "events", post=0, port=free_port())
    (tmp_path / "ended").write_text(REBOOTS)
    (tmp_path / "power").write_text("off")

    assert tried.acquire(timeout=20)
    wait(bmc.get_power_state, lambda state: state == "off", within=20, successes=3, interval=0.05)
    assert not tried.acquire(blocking=False)


def test_on_during_the_firmware_does_not_begin_it_again(booting: Chassis) -> None:
    booting.set_switch("off")

    booting.power("on")
    booting.power("on")
    booting.power("off")

    assert booting.power("status") == "Chassis Power is off"


def test_power_commands_are_logged_with_time_and_client(chassis: Chassis) -> None:
    before = time.time()

    for action in ("status", "off", "on", "cycle"):
        chassis.power(action)

    events = events_of(chassis.directory)
    assert [event["action"] for event in events] == ["off", "on", "cycle"]
    assert {event["from"] for event in events} == {"127.0.0.1"}
    assert all(before <= float(str(event["time"])) <= time.time() for event in events)


def test_a_command_that_was_refused_is_logged_too(chassis: Chassis) -> None:
    chassis.set_switch("off")

    chassis.power("cycle")

    assert [event["action"] for event in events_of(chassis.directory)] == ["cycle"]


def test_a_wrong_password_leaves_no_event(chassis: Chassis) -> None:
    chassis.power("off", password="guessed")

    assert events_of(chassis.directory) == []
