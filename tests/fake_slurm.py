"""A stand-in for Slurm: it has jobs and machines with memory, and answers what halab asks as Slurm's programs do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from halab.classroom import jobs
from halab.kit.errors import LabError


@dataclass
class FakeJob:
    id: int
    name: str
    comment: str
    options: tuple[str, ...]
    state: str = "PENDING"
    reason: str = "Resources"
    machine: str = ""
    restarts: int = 0

    @property
    def memory(self) -> int:
        found = [re.fullmatch(r"--mem=(\d+)M", option) for option in self.options]
        return next(int(match[1]) for match in found if match)


class FakeSlurm:
    """`machines` have so many MiB each."""

    def __init__(self, **machines: int) -> None:
        self.machines = machines
        self.jobs: list[FakeJob] = []
        self.asked: list[str] = []
        self.silent = False
        self.down: set[str] = set()
        self.next = 10

    def ask(self, argv: Sequence[str], *, timeout: float = 10) -> str:
        self.asked.append(" ".join(argv))
        if self.silent:
            raise LabError(f"the head does not answer `{argv[0]}` within {timeout:g} s; does it run?")
        match argv[0]:
            case "squeue":
                return self._squeue()
            case "sbatch":
                return self._sbatch(argv)
            case "scancel":
                self.jobs = [job for job in self.jobs if str(job.id) not in argv]
                self._place()
                return ""
            case "srun":
                return ""
            case "sinfo":
                return "".join(f"{name} {'down*' if name in self.down else 'mixed'}\n" for name in self.machines)
        raise AssertionError(argv)

    def job(self, name: str) -> FakeJob:
        return next(job for job in self.jobs if job.name == name)

    def lose(self, machine: str) -> None:
        """Lose a machine: seats that may be are placed anew, the others end."""
        self.down.add(machine)
        for job in [job for job in self.jobs if job.machine == machine]:
            if "--requeue" in job.options:
                job.state, job.machine, job.restarts = "PENDING", "", job.restarts + 1
            else:
                job.state = "NODE_FAIL"
        self._place()

    def _sbatch(self, argv: Sequence[str]) -> str:
        given = dict(option.partition("=")[::2] for option in argv if option.startswith("--"))
        self.jobs.append(FakeJob(self.next, given["--job-name"], given["--comment"], tuple(argv)))
        self.next += 1
        self._place()
        return f"{self.next - 1}\n"

    def _place(self) -> None:
        for job in (job for job in self.jobs if job.state == "PENDING"):
            given = dict(option.partition("=")[::2] for option in job.options)
            for name, memory in self.machines.items():
                used = sum(other.memory for other in self.jobs if other.machine == name and other.state == "RUNNING")
                if name in self.down or given.get("--nodelist", name) != name or given.get("--exclude") == name:
                    continue
                if used + job.memory <= memory:
                    job.state, job.reason, job.machine = "RUNNING", "None", name
                    break

    def _squeue(self) -> str:
        rows = [
            (str(job.id), job.name, job.state, job.reason, job.machine or "(null)", str(job.restarts), job.comment)
            for job in self.jobs
        ]
        widths = list(jobs.COLUMNS.values())
        return "".join(
            "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "\n" for row in rows
        )


def stand_in(monkeypatch: pytest.MonkeyPatch, **machines: int) -> FakeSlurm:
    slurm = FakeSlurm(**machines)
    monkeypatch.setattr("halab.site.slurm.ask", slurm.ask)
    return slurm
