"""A class on a head and three machines: seats, commands, and what is lost with a machine. `inv test --site` runs this.

The tests build on each other, in this order.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from halab.kit.paths import ROOT
from halab.kit.wait import wait
from tests.site.machines import Machines

HEAD = "head"
SEATS = {"m1": 2, "m2": 2, "m3": 2}  # seats that each machine has
PUPIL = "zoe"  # sits an exam; the others practice
LEARNERS = ("ada", "bob", "cleo", "dora", "eve", "finn", "gil")[: sum(SEATS.values())]  # one too many
EXAM = "exam-short"  # of tests/site/labs
STEP = "install"  # the first one of ha-web
UP = 240  # seconds for all clusters
LOST = 60  # seconds until a lost machine's seats have another one
INSTANCES = "/root/.local/state/halab/instances"
CLASSES = "/root/.local/state/halab/class"

pytestmark = pytest.mark.timeout(600)


class Site:
    def __init__(self, machines: Machines, file: Path) -> None:
        self.machines = machines
        self.file = file
        self.seated: list[str] = []  # who practices
        self.waits = ""  # who has no seat
        self.moved = ""  # who was on a lost machine

    def inv(self, *words: str, timeout: float = 300, status: int | None = 0) -> str:
        """Run `inv WORDS` on the head."""
        return self.machines.run(HEAD, f"{ROOT}/inv", *words, timeout=timeout, status=status)

    def up(self) -> None:
        """Start what does not run of Slurm's daemons."""
        self.inv("site", "up", "--machines", str(self.file))

    def saved(self) -> None:
        """Wait until slurmctld has written what it knows to its disk, which it does within 5 seconds after a step."""
        file, now = self.machines.place / HEAD / "upper/var/lib/halab/site/state/job_state", time.time()
        self.rows()
        wait(lambda: file.stat().st_mtime, lambda at: at > now, within=30, successes=1, interval=0.2)

    def kill(self, name: str, daemon: str) -> None:
        pid = self.machines.run(name, "pgrep", "-x", daemon).strip()
        self.machines.run(name, "kill", "-KILL", pid)

    def rows(self, lab: str = "ha-web") -> dict[str, Any]:
        """Return what `inv class status` tells of each learner."""
        told = json.loads(self.inv("class", "status", "--lab", lab, "--json"))
        return {row["learner"]: row for row in told["learners"]}

    def until(self, ready: Callable[[dict[str, Any]], object], within: float, lab: str = "ha-web") -> dict[str, Any]:
        return wait(lambda: self.rows(lab), lambda rows: bool(ready(rows)), within=within, successes=1, interval=1)

    def jobs(self) -> set[str]:
        return {row["job"] for lab in ("ha-web", EXAM) for row in self.rows(lab).values()}

    def moves(self, learner: str, machine: str, since: float) -> float:
        """Wait until Slurm has a learner on another machine, and return how many seconds that took."""
        ask = ["env", "SLURM_CONF=/etc/halab/site/slurm.conf", "squeue", "--noheader", f"--name={learner}"]

        def look() -> list[str]:
            return self.machines.run(HEAD, *ask, "--format=%T %N").split()

        wait(
            look,
            lambda seen: seen[:1] == ["RUNNING"] and seen[1:] != [machine],
            within=2 * LOST,
            successes=1,
            interval=0.5,
        )
        return time.monotonic() - since


def is_up(row: dict[str, Any]) -> bool:
    return row["state"] == "RUNNING" and "passed" in (row["progress"] or {})


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    place = Path(tempfile.mkdtemp(prefix="halab-site-", dir="/var/tmp"))  # overlays cannot be on overlays
    machines = Machines(place, (HEAD, *SEATS))
    try:
        for name in machines.names:
            machines.start(name)
        tables = [f'[[machines]]\nname = "{name}"\nmemory = {seats * 700}\n' for name, seats in SEATS.items()]
        head = f'[site]\ndirectory = "{ROOT}"\n[head]\nname = "{HEAD}"\naddress = "{machines.address(HEAD)}"\n'
        file = place / "site.toml"
        file.write_text("\n".join([head, *tables]))
        (place / "roster.csv").write_text("\n".join(["name", *LEARNERS, ""]))
        (place / "exam.csv").write_text(f"name\n{PUPIL}\n")
        yield Site(machines, file)
    finally:
        machines.end()


@pytest.fixture
def shared(site: Site) -> tuple[str, str]:
    """Return the machine on which the exam is, and who practices there."""
    machine = site.rows(EXAM)[PUPIL]["machine"]
    return machine, next(name for name, row in site.rows().items() if row["machine"] == machine)


def test_a_site_comes_up_and_tells_how_many_seats_fit(site: Site) -> None:
    site.up()

    told = json.loads(site.inv("site", "check", "--json"))
    seats = {machine["machine"]: machine["seats"]["ha-web"] for machine in told["machines"]}
    assert seats == {HEAD: 0, **SEATS}


def test_who_has_no_room_waits_with_a_reason(site: Site) -> None:
    own = ("--distro", "debian12", "--learners")
    site.inv("class", "up", EXAM, *own, str(site.file.parent / "exam.csv"))
    said = site.inv("class", "up", "ha-web", *own, str(site.file.parent / "roster.csv"))

    rows = site.until(lambda rows: sum(map(is_up, rows.values())) == len(LEARNERS) - 1, within=UP)
    site.until(lambda rows: (rows[PUPIL]["progress"] or {}).get("is") == "at work", within=UP, lab=EXAM)
    waiting = [row for row in rows.values() if row["state"] == "PENDING"]
    assert f"{len(LEARNERS)} seats of 700 MiB" in said
    assert [row["reason"] for row in waiting] == ["Resources"]
    site.waits = waiting[0]["learner"]
    site.seated = [name for name in LEARNERS if name != site.waits]


def test_exit_statuses_arrive(site: Site) -> None:
    assert "node1" in site.inv("class", "do", site.seated[0], "--", "status")
    site.inv("class", "do", site.seated[0], "--", "check", status=1)
    site.inv("site", "down", status=3)


def test_while_the_head_is_away_work_goes_on_and_afterwards_it_finds_all_again(site: Site) -> None:
    before, machine = site.jobs(), site.rows(EXAM)[PUPIL]["machine"]
    site.inv("class", "do", PUPIL, "--", "ssh", "node1", "--", "touch", "/srv/done")
    inv = f"{ROOT}/inv"
    shell = site.machines.begin(HEAD, inv, "class", "do", site.seated[0], "--", "ssh", "node1", "--", "cat")
    grading = site.machines.begin(HEAD, inv, "class", "grade", PUPIL)

    def there(file: str) -> None:
        """Wait until a file is in the directory of the exam's instance."""
        test = ["test", "-e", f"{INSTANCES}/{PUPIL}/{file}"]
        site.machines.run(
            machine, "timeout", "120", "sh", "-c", f"until {' '.join(test)}; do sleep 0.2; done", timeout=130
        )

    there("checkpoints/grading.json")
    site.saved()
    site.kill(HEAD, "slurmctld")
    waits = site.machines.begin(HEAD, inv, "class", "do", site.seated[1], "--", "status")
    there("attempts/1/grade.json")
    told, _ = shell.communicate("hello\n", timeout=60)
    site.kill(machine, "slurmd")
    site.up()

    assert told.endswith("hello\n")
    assert shell.returncode == 0
    said, _ = waits.communicate(timeout=60)
    assert "the head does not answer; waiting for it" in said
    assert "node1" in said
    said, _ = grading.communicate(timeout=60)
    assert f"{PUPIL}: 1/2, passed" in said
    assert PUPIL in site.inv("class", "marks", EXAM)
    assert site.jobs() == before


def test_a_lost_machine_has_its_practice_seats_restored_elsewhere(site: Site, shared: tuple[str, str]) -> None:
    machine, learner = shared
    site.inv("class", "do", learner, "--", "next")
    rows = site.until(lambda rows: (rows[learner]["shipped"] or {}).get("checkpoint") == STEP, within=60)
    elsewhere = next(name for name, row in rows.items() if row["machine"] not in (machine, None, ""))
    for other in (site.waits, elsewhere):
        site.inv("class", "down", other)
    site.moved = learner

    killed = time.monotonic()
    site.machines.kill(machine)
    assert site.moves(learner, machine, killed) < LOST
    rows = site.until(lambda rows: is_up(rows[learner]), within=UP)

    assert rows[learner]["progress"]["passed"] == 1
    site.inv("class", "do", learner, "--", "check", "--step", STEP)
    assert site.rows(EXAM)[PUPIL]["state"] == "NODE_FAIL"  # the instructor decides


def test_of_two_copies_the_newer_counts_and_the_older_goes(site: Site) -> None:
    learner = site.moved
    row = site.rows()[learner]
    machine, epoch = row["machine"], f"{row['job']}-{row['restarts']}"
    site.machines.start(next(name for name in SEATS if name not in site.machines.running))
    site.up()

    cut = time.monotonic()
    site.machines.cable(machine, "down")
    assert site.moves(learner, machine, cut) < LOST
    site.machines.cable(machine, "up")

    def copies() -> str:
        return site.machines.run(machine, "podman", "ps", "--format={{.Names}}")

    wait(copies, lambda names: learner not in names, within=180, successes=1, interval=2)
    rows = site.until(lambda rows: is_up(rows[learner]), within=UP)
    assert rows[learner]["progress"]["passed"] == 1
    site.machines.run(HEAD, "ls", f"{CLASSES}/ha-web/checkpoints/superseded/{learner}-{epoch}.halab")


def test_down_leaves_nothing(site: Site) -> None:
    for lab in ("ha-web", EXAM):
        site.inv("class", "down", "--lab", lab, timeout=400)
    site.inv("site", "down")

    for name in site.machines.running:
        assert site.machines.run(name, "podman", "ps", "--all", "--quiet") == ""
        assert site.machines.run(name, "pgrep", "-x", "slurm.*|munged", status=1) == ""
        site.machines.run(name, "sh", "-c", f"! ls -A {INSTANCES} 2>/dev/null | grep .")
