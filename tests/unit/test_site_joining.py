"""A machine takes the site's files, starts what does not run, and is in one site at a time."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.site import daemons, files, joining
from halab.site.joining import Given

KEY = bytes(range(128))
GIVEN = Given(site="s", conf="one\n", key=KEY.hex(), is_head=True, epilog="#!/bin/sh\n", others={"cgroup.conf": "x\n"})


@dataclass
class FakeDaemon:
    name: str
    done: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.done.append("start")

    def end(self) -> None:
        self.done.append("end")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeDaemon]:
    for name in ("ON_MACHINE", "RUN", "KEPT"):
        monkeypatch.setattr(files, name, tmp_path / name / "site")
    fakes = {name: FakeDaemon(name) for name in ("MUNGED", "SLURMCTLD", "SLURMD")}
    for name, fake in fakes.items():
        monkeypatch.setattr(daemons, name, fake)
    monkeypatch.setattr(daemons, "ALL", tuple(fakes.values()))
    return fakes


def join(given: Given) -> None:
    joining.join(given.model_dump_json())


def test_files_are_written_for_those_who_read_them(machine: dict[str, FakeDaemon]) -> None:
    join(GIVEN)

    modes = {file.name: file.stat().st_mode & 0o777 for file in files.ON_MACHINE.iterdir()}
    assert modes == {"munge.key": 0o400, "epilog": 0o755, "cgroup.conf": 0o644, "slurm.conf": 0o644}
    assert (files.ON_MACHINE / "munge.key").read_bytes() == KEY


def test_slurm_begins_again_only_with_another_conf(machine: dict[str, FakeDaemon]) -> None:
    join(GIVEN)
    join(GIVEN)
    assert machine["SLURMCTLD"].done == machine["SLURMD"].done == ["end", "start", "start"]

    join(GIVEN.model_copy(update={"conf": "two\n"}))

    assert machine["SLURMD"].done[3:] == ["end", "start"]
    assert machine["MUNGED"].done == ["start"] * 3


def test_a_machine_has_no_controller(machine: dict[str, FakeDaemon]) -> None:
    join(GIVEN.model_copy(update={"is_head": False}))

    assert machine["SLURMCTLD"].done == []


def test_a_machine_of_another_site_is_left_as_it_is(machine: dict[str, FakeDaemon]) -> None:
    join(GIVEN)

    with pytest.raises(LabError, match="it is in another site, as its munge key tells"):
        join(GIVEN.model_copy(update={"key": "00" * 128, "conf": "two\n"}))

    assert (files.ON_MACHINE / "slurm.conf").read_text() == "one\n"


def test_leaving_ends_daemons_and_removes_what_they_had(machine: dict[str, FakeDaemon], tmp_path: Path) -> None:
    join(GIVEN)

    joining.leave("")

    assert all(fake.done[-1] == "end" for fake in machine.values())
    assert sorted(tmp_path.iterdir()) == []
