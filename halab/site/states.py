"""What Slurm says of the machines of a site."""

from dataclasses import dataclass

from halab.site import columns, slurm

COLUMNS = {"NodeList": 80, "StateComplete": 80, "Reason": 200}
USED = {"idle", "mixed", "allocated", "completing"}


@dataclass(frozen=True)
class State:
    """`words` are Slurm's, such as idle, or down and not_responding; `reason` is empty where there is none."""

    machine: str
    words: frozenset[str]
    reason: str

    @property
    def is_well(self) -> bool:
        return self.words <= USED

    def __str__(self) -> str:
        return " and ".join(sorted(self.words)).replace("_", " ") + (f": {self.reason}" if self.reason else "")


def states() -> dict[str, State]:
    """Return the state of each machine, by name. Raises LabError when the head does not answer."""
    return parsed(slurm.ask(["sinfo", "--noheader", "--Node", f"--Format={columns.asked(COLUMNS)}"]))


def parsed(text: str) -> dict[str, State]:
    """Return the states in what sinfo prints, in columns of so many characters."""
    found = {}
    for line in text.splitlines():
        name, words, reason = columns.cells(line, COLUMNS)
        if name:
            reason = "" if reason.lower() in ("none", "(null)") else reason
            found[name] = State(name, frozenset(words.lower().split("+")), reason)
    return found


def jobs_on(machine: str) -> list[str]:
    """Return the names of the jobs on a machine, seats among them."""
    told = slurm.ask(["squeue", "--noheader", f"--nodelist={machine}", "--format=%j"])
    return sorted(line.strip() for line in told.splitlines() if line.strip())
