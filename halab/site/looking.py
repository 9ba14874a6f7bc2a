"""What `inv site check` finds: each machine of a site, and what is wrong with it or other than on the head."""

from collections.abc import Mapping
from dataclasses import dataclass

from halab.kit.errors import LabError
from halab.kit.parallel import for_each
from halab.site import actions, facts, files, states, written
from halab.site.facts import Facts
from halab.site.plan import Plan
from halab.site.reaching import Way


@dataclass(frozen=True)
class Found:
    """One machine. `facts` are None when it does not answer, `memory` is what Slurm may give away there, in MiB."""

    name: str
    facts: Facts | None
    state: str
    memory: int
    graders: int
    wrong: tuple[str, ...]


def look(site: Plan) -> list[Found]:
    """Return what all machines of a site are, the head first."""
    silent: dict[str, str] = {}
    seen: dict[str, Facts] = {}

    def one(way: Way) -> None:
        try:
            seen[way.machine] = way.look()
        except LabError as error:
            silent[way.machine] = str(error)

    for_each(actions.ways_of(site), one)
    try:
        there, no_head = states.states(), ""
    except LabError as error:
        there, no_head = {}, str(error)
    graders = {machine.name: machine.graders for machine in site.machines}
    known = {**written.known(), **seen}
    own = seen.get(site.head.name)
    conf = facts.key_of((files.on_head() / "slurm.conf").read_bytes())
    found = []
    for name in site.names:
        state = there.get(name)
        wrong = [silent[name]] if name in silent else differences(name, seen[name], own, conf)
        if name == site.head.name and no_head:
            wrong.append(no_head)
        if state and not state.is_well:
            wrong.append(f"{name} gets no seats, as Slurm has it {state}")
        if no_head == "" and state is None:
            wrong.append(f"{name} is not known to Slurm; try: inv site up")
        seats = written.memory(site, name, known[name]) if name in graders and name in known else 0
        words = " ".join(sorted(state.words)) if state else "unknown"
        found.append(Found(name, seen.get(name), words, seats, graders.get(name, 0), tuple(wrong)))
    return found


def differences(name: str, its: Facts, own: Facts | None, conf: str) -> list[str]:
    """Return a sentence for each thing that is missing on a machine, or other than on the head."""
    wrong = []
    if its.key != facts.key_of(written.key()):
        wrong.append(f"{name} has {'another munge key' if its.key else 'no munge key'} than the head; try: inv site up")
    elif its.conf != conf:
        wrong.append(f"{name} has another slurm.conf than the head; try: inv site up")
    wrong += [f"{name} lacks {daemon}, which does not run; try: inv site up" for daemon in _lacking(its, name, own)]
    if own is None or its is own:
        return wrong
    if its.slurm != own.slurm:
        wrong.append(f"{name} has Slurm {its.slurm}, and the head {own.slurm}")
    if its.halab != own.halab:
        wrong.append(f"{name} has another version of halab than the head; try: inv site up")
    if not set(own.images) <= set(its.images):
        missing = ", ".join(sorted(set(own.images) - set(its.images)))
        wrong.append(f"{name} lacks the image {missing}, which the head has; its first seat makes it")
    return wrong


def _lacking(its: Facts, name: str, own: Facts | None) -> list[str]:
    wanted = ["munged", *(["slurmctld"] if its is own else []), "slurmd"]
    return [daemon for daemon in wanted if daemon not in its.daemons]


def as_data(found: Found, seats: Mapping[str, int]) -> dict[str, object]:
    return {
        "machine": found.name,
        "state": found.state,
        "memory_mib": found.memory,
        "graders": found.graders,
        "seats": dict(seats),
        "facts": found.facts.model_dump(mode="json", exclude={"key", "conf"}) if found.facts else None,
        "wrong": list(found.wrong),
    }
